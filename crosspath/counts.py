"""Numbers of things in words."""

from collections.abc import Sequence


def quantity(count: int, noun: str, plural: str | None = None) -> str:
    """`1 weight`, `1,200 weights`; a noun whose plural is not its own and an s names it."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def first_names(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: at most so many of the names, and how many others there are."""
    others = len(names) - most
    return ", ".join(names[:most]) + (f" and {others:,} more" if others > 0 else "")
