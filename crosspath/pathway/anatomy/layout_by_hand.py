"""A layout that a user wrote, held against the model that it describes: every name in it has to lead somewhere."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches

from torch import nn

from crosspath.counts import first_names
from crosspath.errors import PathwayError
from crosspath.layouts import LAYOUTS, NORMS, Layout
from crosspath.pathway.sources.source import ModuleSource, Source, find_quantised

MOST_NAMES = 8
"""Names that a message lists where none is near."""


def check_by_hand(layout: Layout, source: Source, names: Iterable[str], paths: Sequence[str]) -> None:
    """Raise one `PathwayError` with everything in a layout by hand that leads nowhere; shipped layouts pass.

    Parameters
    ----------
    names
        The weights of the source.
    paths
        The blocks that the layout has there, as dotted names with a final dot.
    """
    if any(_tables_agree(layout, table) for table in LAYOUTS):
        return  # a family's own names differ between its models: some have no biases
    names = list(names)
    faults = [*_weight_faults(layout, names, paths), *_attribute_faults(layout, source, paths)]
    if not paths:
        faults = [_block_fault(layout, names)]
    if faults and not find_quantised(source):  # which hides names of weights, and has a message of its own
        where = f"layout {layout.name!r} of {source.origin}"
        raise PathwayError.of(where, [f"{where}: {fault}" for fault in faults])


def check_stem(layout: Layout, names: Iterable[str]) -> None:
    """Raise `PathwayError` for a `stem` of a layout by hand under which the model has no weight."""
    names = list(names)
    for stem in () if any(_tables_agree(layout, table) for table in LAYOUTS) else layout.stem:
        if not any(name.startswith(stem) or f".{stem}" in name for name in names):
            found = f"stem {stem!r}; {_hint(stem, sorted({name.rpartition('.')[0] or name for name in names}))}"
            raise PathwayError(f"layout {layout.name!r}", "first components of names of weights", found, "correct it")


def _tables_agree(layout: Layout, other: Layout) -> bool:
    """Whether both store everything at the same names; heads and orders may be stated differently."""
    ours, theirs = (
        (
            table.name,
            table.block,
            table.stage,
            {role: (place.weight, place.bias) for role, place in table.roles.items()},
        )
        for table in (layout, other)
    )
    return ours == theirs


def _weight_faults(layout: Layout, names: Sequence[str], paths: Sequence[str]) -> Iterator[str]:
    inside = {name.removeprefix(path) for path in paths for name in names if name.startswith(path)}
    places = [(f"the {kind} of {role}", name) for role, kind, name in _named_weights(layout)]
    for what, name in [*places, *([] if layout.mark is None else [("mark", layout.mark)])]:
        if name not in inside:
            yield f"expected {what} in a block, found no {name!r} in any; {_hint(name, sorted(inside))}"


def _named_weights(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """(role, `weight` or `bias`, its name) of all places."""
    for role, place in layout.roles.items():
        yield role, "weight", place.weight
        if place.bias is not None:
            yield role, "bias", place.bias


def _attribute_faults(layout: Layout, source: Source, paths: Sequence[str]) -> Iterator[str]:
    """What the layout says of attributes; only a module has them."""
    if not isinstance(source, ModuleSource) or not paths:
        return
    block = source.module.get_submodule(paths[0].rstrip("."))
    if isinstance(layout.heads, str):
        values = [source.attribute(path + layout.heads) for path in paths]
        if not any(isinstance(value, int) for value in values):
            hint = _hint(layout.heads, _attributes(block, int))
            yield f"expected the head count at heads={layout.heads!r}, found {_type(values[0])}; {hint}"
    if layout.norm is not None and layout.norm not in NORMS and source.attribute(paths[0] + layout.norm) is None:
        hint = _hint(layout.norm, [*NORMS, *_attributes(block, bool)])
        yield f"expected {', '.join(map(repr, NORMS))} or an attribute at norm={layout.norm!r}, found none; {hint}"


def _attributes(block: nn.Module, kind: type) -> list[str]:
    """Paths of the block's own attributes of this type."""
    return [
        f"{path}.{name}" if path else name
        for path, module in block.named_modules()
        for name, value in vars(module).items()
        if type(value) is kind and not name.startswith("_") and name != "training"
    ]


def _block_fault(layout: Layout, names: Sequence[str]) -> str:
    """Why the layout has no block at all: its marking weight, or the name of its blocks."""
    anchor = layout.mark or next(iter(layout.roles.values())).weight
    if layout.block is None:
        return f"expected the weight {anchor!r}, found none; {_hint(anchor, names)}"
    stage = "" if layout.stage is None else rf"{re.escape(layout.stage)}\d+\."
    block = re.compile(rf"(?:.*\.)?{stage}{re.escape(layout.block)}\d+\.")
    inside = sorted({name[match.end() :] for name in names if (match := block.match(name))})
    if inside:
        return f"expected {anchor!r} in a block, found none; {_hint(anchor, inside)}"
    prefixes = {name[: number.start()] for name in names for number in re.finditer(r"(?<!\d)\d+(?=\.)", name)}
    for part, option in ((layout.stage, "stage"), (layout.block, "block")):
        # What stands before a number, with and without the names of the modules around it.
        stems = sorted({stem[cut:] for stem in prefixes for cut in _starts(stem)})
        if part is not None and part not in stems:
            return f"expected blocks under {option}={part!r}, found none; {_hint(part, stems)}"
    return f"expected blocks under stage={layout.stage!r} and block={layout.block!r}, found none; correct them"


def _starts(stem: str) -> list[int]:
    return [0, *(dot.end() for dot in re.finditer(r"\.", stem) if dot.end() < len(stem))]


def _hint(name: str, others: Sequence[str]) -> str:
    near = get_close_matches(name, others, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"choose one of {first_names([*map(repr, others)], MOST_NAMES)}" if others else "correct it"


def _type(value: object) -> str:
    return "none" if value is None else f"a {type(value).__name__}"
