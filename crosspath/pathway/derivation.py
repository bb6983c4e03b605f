"""How W' and b' of a pair are made from the auxiliary's weight and bias, where these are not taken as they are.

The steps always come in this order, each on what the one before it gave:

1. `fold`: the auxiliary's norm scales, shifts and layer scales go into its weight and bias, in its own coordinates
2. `fit`: the result gets the target's shape
3. `unfold`: relative to the target's own norms and layer scales, in the target's coordinates
4. `normalise`: the spread of W' becomes that of W

A derived W' is saved by its values, never as a reference to the auxiliary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor

from crosspath.pathway.records import StepRecord
from crosspath.pathway.sources.source import Source


@dataclass(frozen=True)
class Entries:
    """The weight of one role, (outputs, inputs, ...), and its bias, (outputs,) or None, on the way to W' and b'."""

    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What a step may read, and has to leave as it is."""

    auxiliary: Source
    target: Source
    own: Tensor
    """W: the target's entries of the role, (outputs, inputs, ...)."""


class Step(Protocol):
    """One step of one pair: frozen, of names and settings. Values are read where it is applied."""

    @property
    def gives_bias(self) -> bool:
        """Whether there is a bias after this step, though there was none before it."""

    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, StepRecord]:
        """New entries, in the number type of the old ones. Raises `PathwayError` where that is not possible."""


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """The steps of one pair; a step that is None leaves everything as it is."""

    fold: Step | None = None
    fit: Step | None = None
    unfold: Step | None = None
    normalise: Step | None = None

    @property
    def steps(self) -> Iterator[Step]:
        """Those that are there, in their order."""
        return (step for step in (self.fold, self.fit, self.unfold, self.normalise) if step is not None)

    @property
    def gives_bias(self) -> bool:
        """Whether b' is there, though the auxiliary's weight has no bias."""
        return any(step.gives_bias for step in self.steps)

    @torch.no_grad()
    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, tuple[StepRecord, ...]]:
        """W' and b', in the wider of the two models' number types and at least float32, and what was done."""
        # torch promotes no 8-bit floats, all of which float32 holds.
        types = [values.dtype for values in (entries.weight, sides.own) if values.element_size() > 1]
        dtype = reduce(torch.promote_types, types, torch.float32)
        bias = None if entries.bias is None else entries.bias.to(dtype)
        entries, records = Entries(entries.weight.to(dtype), bias), []
        for step in self.steps:
            entries, record = step.apply(entries, sides)
            records.append(record)
        return entries, tuple(records)
