"""Says what a foreign checkpoint is and what would become of it, from names and shapes, without executing anything."""

from pathlib import Path
from typing import Any

from crosspath.checkpoints.foreign.containers import Contents
from crosspath.checkpoints.foreign.convert import chosen, fitting, layout_of, opened
from crosspath.checkpoints.foreign.formats import translated
from crosspath.checkpoints.foreign.translation import Foreign
from crosspath.errors import InputError
from crosspath.files import sha256_of_file


def inspect_checkpoint(path: str | Path, *, key: str | None = None) -> dict[str, Any]:
    """Name a checkpoint's format, list its tensors, and say what `convert` would use and drop.

    Of a pickle the opcodes are read and nothing is imported or called.

    Returns
    -------
    `file`, `sha256`, `container`, `format` (None where unknown), `tensors` ({name: [shape, type]}), `used`
    ({name: what it becomes}), `dropped` ({name: why}), `fresh`, `notes`, `pickle` (None, or what loading it looks up),
    `problem` (why it cannot be converted, or None) and `next` (the command to go on with).

    Raises
    ------
    InputError
        For a file that is missing, damaged, or neither safetensors nor a pickle.
    """
    source = opened(path)
    tensors = {
        name: [list(tensor.shape), str(tensor.dtype).removeprefix("torch.")]
        for name, tensor in source.found.tensors.items()
    }
    told: dict[str, Any] = {
        "file": str(source.file),
        "sha256": sha256_of_file(source.file),
        "container": source.found.container,
        "format": None,
        "tensors": tensors,
        "used": {},
        "dropped": {},
        "fresh": [],
        "notes": [],
        "pickle": _pickle(source.found),
        "problem": None,
        "next": None,
    }
    foreign = None
    try:
        foreign = chosen(source, source.found.tensors, key)
        told["format"], told["fresh"] = _plan(foreign)
    except InputError as error:
        told["problem"] = str(error)
    if foreign is not None:
        told |= {"used": foreign.used, "dropped": foreign.dropped, "notes": foreign.notes}
        told["format"] = told["format"] or foreign.format
    told["next"] = _next(path, source.found, told)
    return told


def _plan(foreign: Foreign) -> tuple[str | None, list[str]]:
    """The format, and what starts afresh. Raises `InputError` for what cannot be converted."""
    translation = translated(foreign, lambda recipe: recipe)
    if translation is not None:
        fitting(foreign, translation)
        return foreign.format, list(translation.fresh)
    layout = layout_of(foreign.tensors) if foreign.tensors else None
    if layout is None:
        return None, []
    foreign.used |= {foreign.full_names.get(name, name): name for name in foreign.tensors}
    foreign.notes.append("it serves as an auxiliary only")
    return f"weights of {layout}", []


def _pickle(found: Contents) -> dict[str, Any] | None:
    if not found.pickled:
        return None
    return {
        "looks_up": [str(name) for name in found.names],
        "beyond_weights": [str(name) for name in found.beyond_weights],
        "dangerous": [str(name) for name in found.dangerous],
    }


def _next(path: str | Path, found: Contents, told: dict[str, Any]) -> str | None:
    if found.dangerous:
        return "do not open it: loading it runs code as you"
    if told["problem"] or told["format"] is None:
        return None
    unsafe = " --unsafe-pickle" if found.beyond_weights else ""
    return f"crosspath convert {path} OUT{unsafe}"
