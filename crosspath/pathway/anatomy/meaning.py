"""What equal shapes in a block mean: its heads, and where it normalises. Seen in modules, stated by files."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crosspath.errors import PathwayError
from crosspath.layouts import Norm
from crosspath.layouts.placements import PLACEMENTS_BY_NAME
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.structure import Shapes
from crosspath.pathway.anatomy.weight_names import template
from crosspath.pathway.sources.description import Description
from crosspath.pathway.sources.source import Source

NORM = re.compile(r"norm|(^|[._])ln(?![a-z])", re.IGNORECASE)
"""In the name of a norm's weight."""


def with_meaning(source: Source, anatomy: Anatomy, shapes: Shapes, norm: Norm | None = None) -> Anatomy:
    """The same anatomy, with the heads of every block and the place of its norms.

    What a module does, or a file states, comes before the names of weights, and these before `norm`, which the user
    states with a layout.

    Raises
    ------
    PathwayError
        Where a file states what its weights cannot have.
    """
    heads, key_value_heads = dict(anatomy.heads), {}
    norms: dict[int, Norm] = {}
    placements: dict[object, Norm | None] = {}
    for index, path in anatomy.paths.items():
        query = anatomy.slots.get((index, "query"))
        counts = None if query is None else source.heads(path, _attention(query, path))
        if counts is not None and query is not None:
            heads.setdefault(index, counts.query)
            if heads[index] == counts.query:
                key_value_heads[index] = counts.key_value
            if source.description is not None:
                _check(source.description, path, shapes, query, heads[index])
        module = source.attribute(path.rstrip(".")) if path else source
        # Blocks of one list and one class normalise alike.
        kind = (template(path), type(module)) if module is not None else path
        if kind not in placements:
            # A config speaks of attention; convolutions beside it may normalise otherwise.
            stated_norm = source.norm(path) if module is not None or index in anatomy.attending else None
            placements[kind] = stated_norm or _by_name(path, shapes)
        if (placement := placements[kind] or norm) is not None:
            norms[index] = placement
    normless = frozenset(
        index
        for index, path in anatomy.paths.items()
        if index not in norms and not any(name.startswith(path) and NORM.search(name) for name in shapes)
    )
    return replace(anatomy, heads=heads, key_value_heads=key_value_heads, norms=norms, normless=normless)


def describe_blocks(anatomy: Anatomy | None) -> dict[str, Mapping[str, Any]]:
    """{path of a block: its heads and norms}, to be written beside weights; empty where nothing is known of them."""
    entries: dict[str, Mapping[str, Any]] = {}
    for index, path in (anatomy.paths if anatomy is not None else {}).items():
        assert anatomy is not None
        entry: dict[str, Any] = {}
        if index in anatomy.heads:
            count = anatomy.heads[index]
            entry["heads"] = [count, anatomy.key_value_heads.get(index, count)]
        if index in anatomy.norms:
            entry["norm"] = anatomy.norms[index]
        if entry:
            entries[path] = entry
    return entries


def _attention(query: Slot, block: str) -> str:
    """The path inside a block of the module that attends: what holds the query's layer, or its weight."""
    parts = query.weight.removeprefix(block).split(".")
    return ".".join(parts[:-2] if parts[-1] == "weight" else parts[:-1])


def _by_name(path: str, shapes: Shapes) -> Norm | None:
    # Its weight is called `gamma` in some files.
    inside = {name.removeprefix(path).rpartition(".")[0] for name in shapes if name.startswith(path)}
    return next((norm for name, norm in PLACEMENTS_BY_NAME if name in inside), None)


def _check(description: Description, block: str, shapes: Shapes, query: Slot, heads: int) -> None:
    """Raise `PathwayError` where a description contradicts the weights."""
    todo = "use the config that belongs to these weights"
    if query.shape[0] % heads:
        expected = f"heads that divide the {query.shape[0]} rows of {query.weight}"
        raise PathwayError(description.file, expected, str(heads), todo)
    width = description.width(block)
    axes = {axis for name, shape in shapes.items() if name.startswith(block) and len(shape) > 1 for axis in shape}
    if width is not None and width not in axes:
        raise PathwayError(description.file, f"the width of {query.weight} {query.shape}", str(width), todo)
