"""What a merge hands back: what it did, and what is needed to take it back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Tensor

from crosspath.counts import quantity
from crosspath.pathway.engines.pathway_weight import PathwayWeight
from crosspath.pathway.origins import Origin
from crosspath.pathway.records import Records


@dataclass(frozen=True, repr=False)
class Backup:
    """What a merge stored over and detached."""

    weights: Mapping[str, tuple[Tensor, PathwayWeight]]
    """{weight: (W, its pathways)}."""
    origins: Mapping[str, Origin]


@dataclass(frozen=True, repr=False)
class Receipt:
    """What a merge did. `to_json()` gives plain data; printing it shows a line."""

    scales: Mapping[str, Mapping[str, list[float]]]
    """{weight: {auxiliary: λ}}."""
    drift: Mapping[str, float]
    """{weight: largest |stored value - (W + λ·W' in float64)|}: the rounding of the stored sum."""
    change: Mapping[str, float | None]
    """{weight: ‖stored - W‖ / ‖W‖}; None where W is zero."""
    auxiliaries: Mapping[str, Mapping[str, Any]]
    """{auxiliary: where it came from and how it was connected}."""
    sha256_before: str
    """Of the target's own tensors, by plain name."""
    sha256_after: str
    """Of the merged tensors."""
    derived: Mapping[str, Mapping[str, Records]] = field(default_factory=dict)
    """{weight: {auxiliary: what was done to make W'}}, of those that are not the auxiliary's weights as they are."""
    backup: Backup | None = field(default=None, compare=False)
    """What `unmerge` needs, after `merge(target, keep=True)`; no part of the plain data."""

    @property
    def largest_drift(self) -> float:
        """The largest drift of all weights."""
        return max(self.drift.values())

    def __repr__(self) -> str:
        changes = [change for change in self.change.values() if change is not None]
        change = f", W changed by {min(changes):.2%} to {max(changes):.2%}" if changes else ""
        return (
            f"<Receipt: {quantity(len(self.change), 'weight')} merged from {', '.join(self.auxiliaries)}{change}, "
            f"largest rounding {self.largest_drift:.2g}>"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain nested data."""
        return asdict(replace(self, backup=None), dict_factory=_without_backup)


def _without_backup(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in entries if name != "backup" and (name != "derived" or value)}
