"""The leaves of what a pickle would build, by dotted names, within bounds."""

import itertools
from collections.abc import Iterator
from typing import Any

from crosspath.checkpoints.foreign.opcodes import ORDERED_DICT, Call

MOST_LEAVES, DEEPEST = 1_000_000, 100
"""Far more than a checkpoint has."""
MOST_LETTERS = 100_000_000
"""Of all names together."""


def leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """(dotted name, leaf) of nested inert values: dictionaries, lists, and modules by their parts. Cycles end.

    Raises
    ------
    OverflowError
        For more values, or deeper ones, than a checkpoint has: a few hundred bytes can stand for any number of them.
    """
    numbers = itertools.count(1)
    letters = 0
    above: set[int] = set()

    def walk(name: str, part: Any) -> Iterator[tuple[str, Any]]:
        nonlocal letters
        letters += len(name)
        if letters > MOST_LETTERS:
            raise OverflowError(f"one of names of more than {MOST_LETTERS:,} letters")
        if next(numbers) > MOST_LEAVES:
            raise OverflowError(f"one of more than {MOST_LEAVES:,} values")
        children = _children(part)
        if children is None or id(part) in above:
            yield name, part
            return
        if len(above) == DEEPEST:
            raise OverflowError(f"one nested deeper than {DEEPEST}")
        above.add(id(part))
        for key, child in children.items():
            yield from walk(name if key in _PARTS else f"{name}.{_text(key)}" if name else _text(key), child)
        above.remove(id(part))

    return walk("", value)


def _text(key: Any) -> str:
    return (
        f"<{type(key).__name__}>" if isinstance(key, int) and abs(key) >= 1 << 64 else str(key)
    )  # Python refuses some


_PARTS = ("_parameters", "_buffers", "_modules")
"""Where a pickled torch module keeps what it is made of; they have no place in a name."""


def _children(value: Any) -> dict[Any, Any] | None:
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    if isinstance(value, Call):
        state = value.state
        if isinstance(state, dict) and "_modules" in state:
            return {part: state[part] for part in _PARTS if isinstance(state.get(part), dict)}
        if value.function == ORDERED_DICT or (value.pairs and not value.arguments):
            return value.pairs
        return None
    return value if isinstance(value, dict) else None
