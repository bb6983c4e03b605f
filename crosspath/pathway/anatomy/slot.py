"""Which entries of a stored tensor belong to a role, and how they are read and written in the role's own order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_TEXT = re.compile(r"(?P<weight>.+)\[(?P<columns>:, )?(?P<start>\d+):(?P<stop>\d+)(?: of (?P<groups>\d+) groups)?\]")


@dataclass(frozen=True)
class Slot:
    """A role's share of one named tensor, and of the bias that goes with it.

    The tensor's rows are `groups` equal stretches, and the slot has rows [start, stop) of each. A fused weight's query
    is one slice of rows (one group), some rows of each head (as many groups as heads), or every third row (as many
    groups as the query has rows).
    """

    weight: str
    start: int
    stop: int
    shape: tuple[int, ...]
    """(outputs, inputs) of the role, however the tensor stores it; trailing kernel axes of size 1 are left out."""
    bias: "Slot | None" = None
    groups: int = 1
    transposed: bool = False
    """Whether the tensor is stored as (inputs, outputs): "rows" are then its columns."""

    @property
    def axis(self) -> int:
        """The axis of the stored tensor along which the outputs lie."""
        return int(self.transposed)

    def __str__(self) -> str:
        columns = ":, " if self.transposed else ""
        groups = f" of {self.groups} groups" if self.groups > 1 else ""
        return f"{self.weight}[{columns}{self.start}:{self.stop}{groups}]"

    @classmethod
    def read(cls, text: str) -> "Slot":
        """The slot that prints as `text`, without its shape. Raises `ValueError` for other text."""
        parts = _TEXT.fullmatch(text)
        if parts is None:
            raise ValueError(f"expected a weight with its rows, such as name[0:8], found {text!r}")
        start, stop, groups = (int(parts[name] or 1) for name in ("start", "stop", "groups"))
        return cls(parts["weight"], start, stop, (), None, groups, bool(parts["columns"]))


def read_entries(tensor: Tensor, slot: Slot) -> Tensor:
    """The role's entries, (outputs, inputs, ...); a view where they lie in one stretch."""
    return _view(tensor, slot).flatten(0, 1)


def write_entries(tensor: Tensor, slot: Slot, values: Tensor) -> None:
    """Write the role's entries, shaped as `read_entries` returns them, into the tensor in place."""
    view = _view(tensor, slot)
    view.copy_(values.reshape(view.shape))


def scale_entries(tensor: Tensor, slot: Slot, factor: float) -> None:
    """Multiply the role's entries by `factor`, in place."""
    _view(tensor, slot).mul_(factor)


def write_parts(tensor: Tensor, parts: Sequence[Tensor], along: int, groups: int) -> None:
    """Write the entries of several roles, each (outputs, inputs, ...), into `tensor` in the order of storage: outputs
    lie along the axis `along`, and each of `groups` stretches holds the rows of one part after those of another.
    """
    rows = torch.unflatten(tensor.transpose(0, 1) if along else tensor, 0, (groups, -1))
    offset = 0
    for part in parts:
        length = len(part) // groups
        rows[:, offset : offset + length].copy_(part.reshape(groups, length, *rows.shape[2:]))
        offset += length


def _view(tensor: Tensor, slot: Slot) -> Tensor:
    """A view of shape (groups, outputs of a group, inputs, ...)."""
    rows = tensor.transpose(0, 1) if slot.transposed else tensor
    return torch.unflatten(rows, 0, (slot.groups, -1))[:, slot.start : slot.stop]
