"""Finds the files of a checkpoint, complete and as they were written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosspath.checkpoints.save import PATHWAY_FILES, WEIGHTS
from crosspath.errors import InputError
from crosspath.files import MANIFEST, check_beside_manifest, check_manifest, read_json
from crosspath.pathway.sources.source import refuse_folder
from crosspath.pickles import refuse_pickle


@dataclass(frozen=True)
class Files:
    """The files of a checkpoint."""

    weights: Path
    folder: Path | None
    """The folder whose `pathway.*` belong to the weights; None for a plain model."""


def checkpoint_files(path: str | Path) -> Files:
    """Find a checkpoint's files and check its manifest.

    Raises
    ------
    InputError
        For a path that is no checkpoint, an unfinished run, a pickle, and files that differ from their manifest.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "a run folder, saved folder or .safetensors file", "none", "check the path")
    if path.is_file():
        refuse_pickle(path)
        folder = path.parent if path.name == WEIGHTS and _has_pathway_files(path.parent) else None
        check_beside_manifest(path, *(() if folder is None else PATHWAY_FILES))
        return Files(path, folder)
    if not (path / WEIGHTS).is_file():
        for file in sorted(path.iterdir()):
            if file.is_file():
                refuse_pickle(file)
        if (path / "log.jsonl").is_file() and (path / MANIFEST).is_file():
            found, todo = "a trial of a search, which keeps its score alone", "name a reported run, in final/"
            raise InputError(path, f"a folder with {WEIGHTS}", found, todo)
        is_run = (path / "checkpoints").is_dir() or (path / "log.jsonl").is_file()
        if not is_run:
            refuse_folder(path)
        todo = "finish the run, or name one of its checkpoints/" if is_run else "check the path"
        raise InputError(path, f"a folder with {WEIGHTS}", "an unfinished run" if is_run else "none", todo)
    check_manifest(path)
    return Files(path / WEIGHTS, path if _has_pathway_files(path) else None)


def run_result(folder: Path) -> dict[str, Any]:
    """The result of the run that left these weights, as its file holds it; empty where there is none."""
    file = folder / "result.json"
    return read_json(file) if file.is_file() else {}


def _has_pathway_files(folder: Path) -> bool:
    return any((folder / name).exists() for name in PATHWAY_FILES)
