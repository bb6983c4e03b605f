"""Names a foreign checkpoint's format and plans its conversion, from names and shapes, without executing anything."""

import shlex
from pathlib import Path
from typing import Any

from crosspath.checkpoints.foreign.containers import Contents
from crosspath.checkpoints.foreign.convert import instantiate, layout_name
from crosspath.checkpoints.foreign.formats import translate
from crosspath.checkpoints.foreign.foundation import foundation_if_known, training_command
from crosspath.checkpoints.foreign.source import find_source, select_model
from crosspath.checkpoints.foreign.translation import Foreign
from crosspath.errors import InputError
from crosspath.files import sha256_of_file

NOTE = "`--from` and `--auxiliary` take it as it is, without conversion"


def inspect_checkpoint(path: str | Path, *, key: str | None = None) -> dict[str, Any]:
    """Name a checkpoint's format, list its tensors, and plan what `convert` would use and drop.

    Of a pickle only the opcodes are read: nothing is imported or called.

    Returns
    -------
    `file`, `sha256`, `container`, `format` (None where unknown), `tensors` ({name: [shape, type]}), `used`
    ({name: what it becomes}; empty for a foundation model that needs no conversion), `dropped` ({name: why}), `fresh`,
    `notes`, `pickle` (None, or what loading it looks up), `problem` (why it cannot be converted, or None) and `next`
    (the command to run next).

    Raises
    ------
    InputError
        For a file that is missing, damaged, or neither safetensors nor a pickle.
    """
    source = find_source(path)
    tensors = {
        name: [list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
        for name, tensor in source.contents.tensors.items()
    }
    report: dict[str, Any] = {
        "file": str(source.file),
        "sha256": sha256_of_file(source.file),
        "container": source.contents.container,
        "format": None,
        "tensors": tensors,
        "used": {},
        "dropped": {},
        "fresh": [],
        "notes": [],
        "pickle": _pickle(source.contents),
        "problem": None,
        "next": None,
    }
    foreign = None
    try:
        foreign = select_model(source, source.contents.tensors, key)
        report["format"], report["fresh"] = _plan(foreign)
    except InputError as error:
        report["problem"] = str(error)
    if foreign is not None:
        report |= {"used": foreign.destinations, "dropped": foreign.leftovers, "notes": foreign.notes}
        report["format"] = report["format"] or foreign.format
    if source.config is not None and (report["problem"] or foreign is None or foreign.format is None):
        model = foundation_if_known(path)
        if model is not None:
            dropped = dict.fromkeys(model.leftovers, "no part of its features")
            own = {"format": model.name, "used": {}, "dropped": dropped, "fresh": [], "notes": [NOTE], "problem": None}
            return report | own | {"next": training_command(model, str(path))}
    report["next"] = _next(path, key, source.contents, report)
    return report


def _plan(foreign: Foreign) -> tuple[str | None, list[str]]:
    """The format, and the components to initialise. Raises `InputError` for what cannot be converted."""
    translation = translate(foreign, lambda recipe: recipe)
    if translation is not None:
        instantiate(foreign, translation)
        return foreign.format, list(translation.fresh)
    layout = layout_name(foreign.tensors) if foreign.tensors else None
    if layout is None:
        return None, []
    foreign.destinations |= {foreign.full_names.get(name, name): name for name in foreign.tensors}
    foreign.notes.append("it serves as an auxiliary only")
    return f"weights of {layout}", []


def _pickle(contents: Contents) -> dict[str, Any] | None:
    if not contents.is_pickle:
        return None
    return {
        "looks_up": [str(name) for name in contents.names],
        "beyond_weights": [str(name) for name in contents.beyond_weights],
        "dangerous": [str(name) for name in contents.dangerous],
    }


def _next(path: str | Path, key: str | None, contents: Contents, report: dict[str, Any]) -> str | None:
    if contents.dangerous:
        return "do not open it: loading it runs code with your rights"
    if report["problem"] or report["format"] is None:
        return None
    words = ["crosspath", "convert", str(path), "OUT", *([] if key is None else ["--key", key])]
    return shlex.join([*words, "--unsafe-pickle"] if contents.beyond_weights else words)
