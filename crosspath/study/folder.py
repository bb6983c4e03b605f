"""The folder of a study: its files, and the lock that keeps it to one process at a time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from crosspath.errors import InputError
from crosspath.files import write_text
from crosspath.locks import LOCK_FILES, claim
from crosspath.study.definition import Study, read_study
from crosspath.study.sources import absolute_place
from crosspath.training.same_run import FREE

DEFINITION, RESULTS, TABLE, REPORT = "study.yaml", "results.json", "results.md", "report.html"
RUNS = "runs"
AUXILIARIES = "auxiliaries.json"
"""{name: [recipe, modality]} of the auxiliaries, as recorded when the study ran."""


@contextmanager
def claim_folder(folder: Path, study: Study) -> Iterator[None]:
    """Create the folder if necessary, write the study's definition into it, and lock it for the duration of the block.

    Raises
    ------
    InputError
        For a folder with other files or another study, and one that another process uses.
    """
    path = folder / DEFINITION
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, "a folder", "a file", "name another with --out")
    if not path.exists() and folder.exists() and any(entry.name not in LOCK_FILES for entry in folder.iterdir()):
        raise InputError(folder, "a new folder, or that of a study", "other files", "name another with --out")
    with claim(folder):
        changes = differences(read_study(path), study) if path.exists() else {}
        if changes:
            found = ", ".join(
                f"{name} {json.dumps(old)}, now {json.dumps(new)}" for name, (old, new) in changes.items()
            )
            todo = "name another folder with --out; only seeds, arms, targets, auxiliaries and widenings may be added"
            raise InputError(folder, "the same study", found, todo)
        write_text(path, yaml.safe_dump(_tree(study), sort_keys=False, allow_unicode=True))
        yield


def with_earlier_search(folder: Path, study: Study) -> Study:
    """The study, with the search that an earlier version began in this folder if neither states which rates: half, once
    and twice the recipe's own, and no others. A study that states how far it widens is asking for more.
    """
    path = folder / DEFINITION
    if not path.exists() or "widenings" in study.search.model_fields_set:
        return study
    previous, search = read_study(path).search, study.search
    earlier = search.model_copy(update={"widenings": 0, "seeds": search.seeds or 1})
    return study.model_copy(update={"search": previous}) if previous == earlier else study


def differences(before: Study, after: Study) -> dict[str, tuple[Any, Any]]:
    """{name: (before, after)} of what has changed, but for seeds, arms and controls, added targets, variants and
    auxiliaries, a search that may widen further, and settings that change no number.
    """
    old, new = _tree(before), _tree(after)
    for tree in (old, new):
        tree["settings"] = _that_count(tree["settings"])
        tree["variants"] = {name: _that_count(settings) for name, settings in tree["variants"].items()}
        for target in tree["targets"].values():
            # Controls only add runs: the other runs do not depend on them.
            target.pop("controls")
            target.pop("spread")
            target["settings"] = _that_count(target["settings"])
    for name, target in old["targets"].items():
        if target["pretrained"] is None:
            # So does the arm that starts from it.
            target.pop("pretrained")
            new["targets"].get(name, {}).pop("pretrained", None)
    if old["search"]["widenings"] < new["search"]["widenings"]:
        old["search"].pop("widenings")
        new["search"].pop("widenings")
    pairs = {name: (old[name], new[name]) for name in ("name", "search", "settings", "part")}
    for section in ("targets", "auxiliaries", "variants"):
        pairs |= {f"{section}.{name}": (value, new[section].get(name)) for name, value in old[section].items()}
    return {name: (value, now) for name, (value, now) in pairs.items() if value != now}


def _that_count(settings: list[str]) -> list[str]:
    """The settings that change a number."""
    return [setting for setting in settings if setting.partition("=")[0].strip() not in FREE]


def _tree(study: Study) -> dict[str, Any]:
    """The study as plain data, with absolute paths of checkpoints, so that it can be resumed from its own folder."""
    tree = study.model_dump(mode="json", by_alias=True)
    for target in tree["targets"].values():
        for field in ("from", "pretrained"):
            if target[field] is not None:
                target[field] = str(Path(target[field]).resolve())
    tree["auxiliaries"] = {name: absolute_place(source) for name, source in tree["auxiliaries"].items()}
    return tree
