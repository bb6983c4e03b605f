"""The leaves of what a pickle would build, by dotted names, within bounds."""

from collections.abc import Iterator
from typing import Any

from crosspath.checkpoints.foreign.machine import ORDERED_DICT, Made

MOST_PIECES, DEEPEST = 1_000_000, 100
"""Far more than a checkpoint has."""


def pieces(value: Any) -> Iterator[tuple[str, Any]]:
    """(dotted name, leaf) of nested inert values: dictionaries, lists, and modules by their parts. Cycles end.

    Raises
    ------
    OverflowError
        For more pieces, or deeper ones, than a checkpoint has: a few hundred bytes can stand for any number of them.
    """
    open_ones: list[tuple[str, Iterator[tuple[Any, Any]], int]] = [("", iter([("", value)]), 0)]
    above: set[int] = set()
    count = 0
    while open_ones:
        name, inside, identity = open_ones[-1]
        for key, part in inside:
            count += 1
            if count > MOST_PIECES:
                raise OverflowError(f"one of more than {MOST_PIECES:,} pieces")
            path = name if key in _PARTS else f"{name}.{key}" if name else str(key)
            further = _inside(part)
            if further is not None and id(part) not in above:
                above.add(id(part))
                open_ones.append((path, iter(further.items()), id(part)))
                break
            yield path, part
        else:
            above.discard(identity)
            open_ones.pop()
        if len(open_ones) > DEEPEST:
            raise OverflowError(f"one nested deeper than {DEEPEST}")


_PARTS = ("_parameters", "_buffers", "_modules")
"""Where a pickled torch module keeps what it is made of; they have no place in a name."""


def _inside(value: Any) -> dict[Any, Any] | None:
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    if isinstance(value, Made):
        state = value.state
        if isinstance(state, dict) and "_modules" in state:
            return {part: state[part] for part in _PARTS if isinstance(state.get(part), dict)}
        if value.what == ORDERED_DICT or (value.pairs and not value.arguments):
            return value.pairs
        return None
    return value if isinstance(value, dict) else None
