"""The folder of a study: held by one process at a time, with the definition in it that all its runs belong to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from crosspath.errors import InputError
from crosspath.files import write_text
from crosspath.study.definition import Study, read_study

DEFINITION = "study.yaml"
LOCK = ".lock"


@contextmanager
def claimed(folder: Path, study: Study) -> Iterator[None]:
    """The folder, made where there is none, with the study's definition in it; nobody else's while the block lasts.

    Raises
    ------
    InputError
        For a folder that holds other files or another study, and one that a process is at work in.
    """
    path = folder / DEFINITION
    if folder.exists() and not folder.is_dir():
        raise InputError(folder, "a folder", "a file", "name another with --out")
    if not path.exists() and folder.exists() and any(entry.name != LOCK for entry in folder.iterdir()):
        raise InputError(folder, "a new folder, or a study's", "other files", "name another with --out")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / LOCK).acquire(timeout=0)
    except Timeout:
        raise InputError(folder, "a study that nobody works on", "one at work", "wait for its end") from None
    with lock:
        if path.exists() and differ(read_study(path), study):
            todo = "name another folder with --out; what may change is more seeds, arms, targets and auxiliaries"
            raise InputError(folder, "the same study", "another one", todo)
        write_text(path, yaml.safe_dump(_tree(study), sort_keys=False, allow_unicode=True))
        yield


def differ(before: Study, after: Study) -> bool:
    """Whether anything differs but seeds, arms and controls, and targets, variants and auxiliaries that were added."""
    then, now = _tree(before), _tree(after)
    if any(then[key] != now[key] for key in ("name", "search", "settings", "part")):
        return True
    for tree in (then, now):
        for target in tree["targets"].values():
            # Controls only add runs: whichever direction they are for, the others stay as they are.
            target.pop("controls")
    return any(
        now[section].get(name) != value
        for section in ("targets", "auxiliaries", "variants")
        for name, value in then[section].items()
    )


def _tree(study: Study) -> dict[str, Any]:
    """The study as plain data, checkpoints under their absolute paths, so that it runs again from its own folder."""
    tree = study.model_dump(mode="json", by_alias=True)
    for target in tree["targets"].values():
        if target["from"] is not None:
            target["from"] = str(Path(target["from"]).resolve())
    tree["auxiliaries"] = {
        name: given if given.startswith(("timm:", "hf:")) else str(Path(given).resolve())
        for name, given in tree["auxiliaries"].items()
    }
    return tree
