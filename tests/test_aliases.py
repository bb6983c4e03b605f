"""The old names of moved modules that are kept for one version say where these are now."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("crosspath.data.load", "crosspath.modalities.load", "load_data"),
        ("crosspath.checkpoints.hub", "crosspath.checkpoints.sharing.hub", "save_pretrained"),
        ("crosspath.checkpoints.verify", "crosspath.checkpoints.sharing.certificate", "verify"),
    ],
)
def test_an_old_module_warns_and_gives_the_same(old: str, new: str, name: str) -> None:
    code = (
        f"import importlib, warnings\n"
        f"with warnings.catch_warnings(record=True) as warned:\n"
        f"    warnings.simplefilter('always')\n"
        f"    old = importlib.import_module({old!r})\n"
        f"assert any(w.category is DeprecationWarning and 'crosspath' in str(w.message) for w in warned), warned\n"
        f"assert old.{name} is importlib.import_module({new!r}).{name}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
