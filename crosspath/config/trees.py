"""Recipes as nested plain data: their settings by dotted name, and what two of them differ in."""

from collections.abc import Iterator, Mapping
from typing import Any


def settings_in(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of every setting; lists are one value."""
    if not isinstance(tree, Mapping):
        yield name, tree
        return
    for key, value in tree.items():
        yield from settings_in(value, f"{name}.{key}" if name else key)


def differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """(dotted name, (value before, value now)) of every setting that differs, or of a section that only one side has;
    lists are one value."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in {**before, **now}:
            yield from differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name, (before, now)
