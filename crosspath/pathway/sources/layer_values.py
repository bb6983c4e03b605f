"""A layer whose weight follows from several stored tensors: its type, and what the readers of such layers share."""

from collections.abc import Callable, Mapping
from typing import NoReturn

from torch import Tensor

from crosspath.errors import PathwayError
from crosspath.pathway.sources.source import Source

Values = Callable[[], Tensor]
Names = Mapping[str, None]
"""Names in their order."""
Layer = tuple[str, str, set[str], Values]
"""(plain name of a weight, the stored tensor that has its shape, the other stored tensors, its values)."""


def read(source: Source, name: str) -> Values:
    """A stored tensor as it is."""
    return lambda: source.tensor(name)


def refuse(source: Source, expected: str, found: str, todo: str) -> NoReturn:
    """Raise `PathwayError` at an auxiliary."""
    raise PathwayError(f"auxiliary ({source.origin})", expected, found, todo)
