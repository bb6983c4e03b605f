"""How an auxiliary's W' and its scales λ lie on a target weight W: geometry only, no sums (those are in combine.py)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

DEFAULTS = {"along": 0, "groups": 1, "repeats": 1}
"""Fields that a saved file leaves out at these values; with others it needs format version 2."""


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Which rows of W get rows of W', and which λ multiplies each.

    A fused query-key-value weight of 6 rows; an auxiliary supplies query and value; one λ for each role:

    ```
              W (6 × 4)          λ         W' (4 × 4)
    row 0   [ q q q q ]   +   λ[0]  ·   [ q' q' q' q' ]   row 0
    row 1   [ q q q q ]   +   λ[0]  ·   [ q' q' q' q' ]   row 1
    row 2   [ k k k k ]
    row 3   [ k k k k ]                                       segments = (0, 2), (4, 6)
    row 4   [ v v v v ]   +   λ[1]  ·   [ v' v' v' v' ]   row 2     runs = (0, 1, 2), (1, 2, 2)
    row 5   [ v v v v ]   +   λ[1]  ·   [ v' v' v' v' ]   row 3
    ```

    The same where the rows come head by head (2 heads of one row for each role). Segments and runs then describe one
    head: `groups = 2`, `repeats = 2`, `segments = (0, 1), (2, 3)`, `runs = (0, 1, 1), (1, 2, 1)`.

    ```
    row 0   [ q q q q ]   +   λ[0]  ·   [ q' q' q' q' ]   row 0   head 0
    row 1   [ k k k k ]
    row 2   [ v v v v ]   +   λ[1]  ·   [ v' v' v' v' ]   row 1
    row 3   [ q q q q ]   +   λ[0]  ·   [ q' q' q' q' ]   row 2   head 1
    row 4   [ k k k k ]
    row 5   [ v v v v ]   +   λ[1]  ·   [ v' v' v' v' ]   row 3
    ```

    One λ for each of 2 heads in an attention output's 4 columns: `axis = 1`, `runs = (0, 2, 4)`; columns 0 and 1 are
    multiplied by λ[0], columns 2 and 3 by λ[1].
    """

    segments: tuple[tuple[int, int], ...]
    """Row ranges [start, stop) of W that W' covers, ascending; W' holds these rows one after the other."""
    rows: int
    """Rows of W: its entries along `along`."""
    axis: int
    """The axis of W' along which λ varies: 0 rows, 1 columns."""
    runs: tuple[tuple[int, int, int], ...]
    """(first λ, last λ + 1, entries): consecutive along `axis`; each λ of a run covers an equal share of its entries.
    """
    along: int = 0
    """The axis of W and W' along which the segments lie: 1 for a layer that stores (inputs, outputs)."""
    groups: int = 1
    """The rows of W are as many equal groups: the heads, where query, key and value come head by head."""
    repeats: int = 1
    """How often the runs follow one another along `axis`."""

    @classmethod
    def single(cls, rows: int) -> "Overlay":
        """One λ over all rows of W, as the paper has it."""
        return cls(segments=((0, rows),), rows=rows, axis=0, runs=((0, 1, rows),))

    @property
    def covers_all(self) -> bool:
        """Whether W' covers every row of W."""
        return self.segments == ((0, self.rows // self.groups),)

    @property
    def covered_count(self) -> int:
        """How many rows of W get rows of W'."""
        return self.groups * sum(stop - start for start, stop in self.segments)

    def shape_of_auxiliary(self, weight: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of W' beside a W of the shape `weight`."""
        return (*weight[: self.along], self.covered_count, *weight[self.along + 1 :])

    def fits(self, auxiliary: Tensor, scale: Tensor, weight: tuple[int, ...]) -> bool:
        """Whether W' and λ have the shapes that this overlay describes on a W of the shape `weight`."""
        ends = [0, *(end for segment in self.segments for end in segment), self.rows // self.groups]
        shape = self.shape_of_auxiliary(weight)
        return (
            ends == sorted(ends)
            and tuple(auxiliary.shape) == shape
            and self.repeats * sum(entries for _, _, entries in self.runs) == shape[self.axis]
            and all(first < last and entries % (last - first) == 0 for first, last, entries in self.runs)
            and scale.dim() == 1
            and len(scale) >= max(last for _, last, _ in self.runs)
        )

    def block(self, start: int, stop: int) -> tuple[slice, "Overlay"]:
        """The part that lies on W[start:stop]: which slice of W' (axis 0), and how that lies there. Where λ varies
        along axis 0, the part has one λ for each row of the slice.
        """
        part, rows = self, slice(start, stop)
        if self.along == 0 and self.covers_all:
            part = replace(self, segments=((0, stop - start),), rows=stop - start, groups=1)
        elif self.along == 0:
            indices = covered_rows(torch.arange(self.rows, device="cpu"), self).contiguous()
            rows = slice(*torch.searchsorted(indices, torch.tensor([start, stop], device="cpu")).tolist())
            segments = join_ranges((index, index + 1) for index in (indices[rows] - start).tolist())
            part = replace(self, segments=segments, rows=stop - start, groups=1)
        if self.axis == 0:
            count = rows.stop - rows.start
            part = replace(part, runs=((0, count, count),), repeats=1)
        return rows, part

    def to_json(self) -> dict[str, Any]:
        """The entry of a saved `pathway.json`."""
        entry: dict[str, Any] = {
            "segments": [list(segment) for segment in self.segments],
            "axis": self.axis,
            "runs": [list(run) for run in self.runs],
        }
        return entry | {name: getattr(self, name) for name in DEFAULTS if getattr(self, name) != DEFAULTS[name]}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any], shape: tuple[int, ...]) -> "Overlay":
        """The overlay of such an entry, on a target tensor of this shape.

        Raises
        ------
        KeyError, TypeError, ValueError, IndexError
            For an entry that is damaged or does not fit the shape.
        """
        along, groups, repeats = (int(entry.get(name, DEFAULTS[name])) for name in DEFAULTS)
        if along not in (0, 1) or groups < 1 or repeats < 1 or shape[along] % groups:
            raise ValueError(f"along {along}, groups {groups} and repeats {repeats} do not fit {shape}")
        return cls(
            segments=tuple((int(start), int(stop)) for start, stop in entry["segments"]),
            rows=shape[along],
            axis=int(entry["axis"]),
            runs=tuple((int(first), int(last), int(count)) for first, last, count in entry["runs"]),
            along=along,
            groups=groups,
            repeats=repeats,
        )


def join_ranges(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ascending ranges [start, stop), with neighbours that touch made one."""
    segments: list[tuple[int, int]] = []
    for start, stop in ranges:
        if segments and segments[-1][1] == start:
            segments[-1] = (segments[-1][0], stop)
        else:
            segments.append((start, stop))
    return tuple(segments)


def covered_rows(tensor: Tensor, overlay: Overlay) -> Tensor:
    """The entries of a tensor of W's shape that belong to W', in the shape of W'."""
    if overlay.covers_all:
        return tensor
    dim = overlay.along + (overlay.groups > 1)
    group_rows = split_groups(tensor, overlay)
    rows = [group_rows.narrow(dim, start, stop - start) for start, stop in overlay.segments]
    return join_groups(rows[0] if len(rows) == 1 else torch.cat(rows, dim), overlay)


def split_groups(tensor: Tensor, overlay: Overlay) -> Tensor:
    """A tensor of W's dimensions with its rows split into (groups, rows of a group)."""
    return tensor if overlay.groups == 1 else torch.unflatten(tensor, overlay.along, (overlay.groups, -1))


def join_groups(tensor: Tensor, overlay: Overlay) -> Tensor:
    """The inverse of `split_groups`."""
    return tensor if overlay.groups == 1 else tensor.flatten(overlay.along, overlay.along + 1)
