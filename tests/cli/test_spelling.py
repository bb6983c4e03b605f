"""The advice of the pathway library, spelt for the command line."""

from pathlib import Path

import pytest

from crosspath.cli.main import main
from crosspath.cli.spelling import as_settings
from crosspath.config import apply_overrides
from crosspath.recipes import recipe_named
from tests.checkpoints.small import saved_audio


def test_keywords_become_settings_that_are_read() -> None:
    text = as_settings('pair with blocks="spread" or fit="slice"; accept={"norm", "heads"} pairs them anyway')
    settings = ["pathway.blocks=spread", "pathway.fit=slice", "pathway.accept=[norm, heads]"]
    assert all(f"--set {setting}" in text for setting in settings)
    assert apply_overrides(recipe_named("image/digits"), settings).pathway.accept == ("norm", "heads")
    assert as_settings("blocks={target block: auxiliary block}, n=3") == "blocks={target block: auxiliary block}, n=3"


def test_a_refused_pathway_names_a_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved_audio(tmp_path / "audio")
    arguments = ["train", "image/digits", "--set", "model.depth=2", "--auxiliary", f"a={tmp_path / 'audio'}"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert "--set pathway.blocks=spread" in message
    assert 'blocks="' not in message
