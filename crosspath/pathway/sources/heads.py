"""How many heads a block attends with, as its modules and their configurations state it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from torch import nn

from crosspath.layouts.attributes import HEAD_WIDTH, KEY_VALUE_HEADS, QUERY_HEADS
from crosspath.layouts.words import KEY, QUERY


@dataclass(frozen=True)
class Heads:
    """The heads of one block's attention."""

    query: int
    key_value: int
    """Fewer than `query` where several query heads share a key and a value (grouped-query attention)."""

    def __str__(self) -> str:
        return f"{self.query}" if self.query == self.key_value else f"{self.query} (key and value {self.key_value})"


def heads_of(block: nn.Module, attention: str = "") -> Heads | None:
    """The heads of a block; None where nothing states them, or where a configuration contradicts the weights.

    The attention is asked before the modules around it, and a module's own attributes before the rows of its query and
    key weights over its head width, and these before a module's `config`.

    Parameters
    ----------
    attention
        Path of the attention inside the block; empty where the block itself attends.
    """
    modules = list(_from_inside(block, attention))
    configurations = [getattr(module, "config", None) for module in modules]
    inner = modules[0]
    query = _first_count(modules, QUERY_HEADS)
    if query is None:
        query, rows = _first_count(configurations, QUERY_HEADS), _rows_over_head_width(inner, QUERY)
        if query is not None and rows is not None and query != rows:
            return None  # such as a query weight that holds a gate as well
        query = query or rows
    if query is None:
        return None
    key_value = (
        _first_count(modules, KEY_VALUE_HEADS)
        or _rows_over_head_width(inner, KEY)
        or _key_value_count(inner, query)
        or _first_count(configurations, KEY_VALUE_HEADS)
    )
    return Heads(query, key_value or query)


def _from_inside(block: nn.Module, attention: str) -> Iterator[nn.Module]:
    """The attention, what is directly inside it, then what is around it up to the block."""
    parts = attention.split(".") if attention else []
    inner = block.get_submodule(attention)
    yield inner
    yield from inner.children()
    for length in range(len(parts) - 1, -1, -1):
        yield block.get_submodule(".".join(parts[:length]))


def _first_count(holders: Iterable[object], names: tuple[str, ...]) -> int | None:
    """The first count that one of them states under one of these names."""
    counts = (count(getattr(holder, name, None)) for holder in holders for name in names)
    return next((number for number in counts if number is not None), None)


def _key_value_count(attention: nn.Module, query: int) -> int | None:
    """Of attention that states how many query heads share a key."""
    groups = count(getattr(attention, "num_key_value_groups", None))
    return query // groups if groups is not None and query % groups == 0 else None


def _rows_over_head_width(attention: nn.Module, words: Collection[str]) -> int | None:
    """The heads of the layer that one of these words names."""
    width = _first_count([attention], HEAD_WIDTH)
    layer = next((part for name, part in attention.named_children() if name.lower() in words), None)
    rows = count(getattr(layer, "out_features", None))
    return rows // width if width is not None and rows is not None and rows % width == 0 else None


def count(value: object) -> int | None:
    """A positive whole number; None for any other value."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
