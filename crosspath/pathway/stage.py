"""What will be connected: built and checked before a model is touched, then attached in one go."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from crosspath.pathway.combine import Spread
from crosspath.pathway.parameters import Holder
from crosspath.pathway.parametrization import attach


@dataclass(frozen=True)
class Staged:
    """One auxiliary's part in one target tensor."""

    holder: Holder
    name: str
    """The auxiliary's."""
    values: nn.Parameter
    """W'."""
    scale: nn.Parameter | str
    """λ, or the target weight whose λ a bias borrows."""
    spread: Spread
    pieces: tuple[str, ...]


def attach_all(staged: Iterable[Staged]) -> None:
    """Put everything in place."""
    staged = list(staged)
    places = {part.holder.name: attach(part.holder.module, part.holder.attribute) for part in staged}
    for part in staged:
        place = places[part.holder.name]
        if isinstance(part.scale, str):
            place.borrow(part.name, part.values, places[part.scale], part.spread, part.pieces)
        else:
            place.add(part.name, part.values, part.scale, part.spread, part.pieces)
