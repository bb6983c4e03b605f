"""Which entries of a stored tensor are a role's, and how they are read and written in the role's own order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_PIECE = re.compile(r"(?P<weight>.+)\[(?P<columns>:, )?(?P<start>\d+):(?P<stop>\d+)(?: of (?P<groups>\d+) groups)?\]")


@dataclass(frozen=True)
class Slot:
    """A role's share of one named tensor, and of the bias that goes with it.

    The tensor's rows are `groups` equal stretches, and the slot has [start, stop) of each: of a fused weight in one
    group the query's rows are one slice, in as many groups as heads they are some rows of each head, in as many groups
    as the query has rows they are every third.
    """

    weight: str
    start: int
    stop: int
    shape: tuple[int, ...]
    """(outputs, inputs) of the role, however the tensor stores it; a kernel of one entry counts for nothing."""
    bias: "Slot | None" = None
    groups: int = 1
    transposed: bool = False
    """Whether the tensor is stored as (inputs, outputs): its columns are then what is called rows here."""

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
        """The slot that prints as `text`; without a shape. Raises `ValueError` where none does."""
        found = _PIECE.fullmatch(text)
        if found is None:
            raise ValueError(f"expected a weight with its rows, such as name[0:8], found {text!r}")
        start, stop, groups = (int(found[part] or 1) for part in ("start", "stop", "groups"))
        return cls(found["weight"], start, stop, (), None, groups, bool(found["columns"]))


def read_entries(tensor: Tensor, slot: Slot) -> Tensor:
    """The role's entries, (outputs, inputs, ...); the tensor's own memory where they lie in one stretch."""
    return _view(tensor, slot).flatten(0, 1)


def write_entries(tensor: Tensor, slot: Slot, values: Tensor) -> None:
    """Write the role's entries, given as `read_entries` returns them, into the tensor in place."""
    view = _view(tensor, slot)
    view.copy_(values.reshape(view.shape))


def write_parts(whole: Tensor, parts: Sequence[Tensor], along: int, groups: int) -> None:
    """Write several roles' entries, each (outputs, inputs, ...), into `whole` as a tensor stores them: outputs along
    `along`, in each of `groups` stretches those of one part after those of another.
    """
    rows = torch.unflatten(whole.transpose(0, 1) if along else whole, 0, (groups, -1))
    offset = 0
    for part in parts:
        length = len(part) // groups
        rows[:, offset : offset + length].copy_(part.reshape(groups, length, *rows.shape[2:]))
        offset += length


def _view(tensor: Tensor, slot: Slot) -> Tensor:
    """(groups, outputs of a group, inputs, ...), the tensor's own memory."""
    rows = tensor.transpose(0, 1) if slot.transposed else tensor
    return torch.unflatten(rows, 0, (slot.groups, -1))[:, slot.start : slot.stop]
