"""The steps of a canonical pathway: norm scales, shifts and layer scales into W' and b', relative to the target's own.

A pre-norm block adds s ⊙ (P·f(Q·N(x) + b) + b_P) to its stream, with N(x) = γ ⊙ n(x) + β. Folded, by the auxiliary's:
Q' = Q·diag(γ), b' = b + Q·β; P' = diag(s)·P, b_P' = s ⊙ b_P. Unfolded, by the target's: Q'' = Q'·diag(1/γ),
b'' = b' - Q''·β; P'' = diag(1/s)·P', b_P'' = b_P' / s. docs/method.md has the derivation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from crosspath.errors import PathwayError
from crosspath.pathway.canonical.surroundings import KINDS, NormBefore
from crosspath.pathway.derivation import Entries, Sides
from crosspath.pathway.records import StepRecord
from crosspath.pathway.sources.source import Source

FLOOR = 0.01
"""What a target's norm scale or layer scale counts as where it is smaller: 1/γ would let W' grow without bound."""


@dataclass(frozen=True)
class Scales:
    """The norm before a matrix, and the layer scale after it."""

    norm: NormBefore | None = None
    """Its parameters by their names in the whole model, as those of the layer scale."""
    layer_scale: str | None = None

    @property
    def gives_bias(self) -> bool:
        """Whether the norm's shift makes a bias."""
        return self.norm is not None and self.norm.shift is not None


@dataclass(frozen=True)
class Fold(Scales):
    """The auxiliary's norm and layer scale into its weight and bias."""

    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, StepRecord]:
        scale, shift, layer_scale = _values(self, sides.auxiliary, entries.weight)
        weight, bias = fold_entries(entries.weight, entries.bias, scale, shift, layer_scale)
        means = {"mean |γ|": scale, "mean |s|": layer_scale}
        numbers = {name: float(values.abs().mean()) for name, values in means.items() if values is not None}
        return Entries(weight, bias), StepRecord("fold", f"the auxiliary's {_words(self)}", numbers)


@dataclass(frozen=True)
class Unfold(Scales):
    """W' and b' as they have to be beside the target's own norm and layer scale, for the same effect."""

    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, StepRecord]:
        scale, shift, layer_scale = _values(self, sides.target, entries.weight)
        small = sum(int((values.abs() < FLOOR).sum()) for values in (scale, layer_scale) if values is not None)
        scale, layer_scale = _inverse(scale), _inverse(layer_scale)
        weight, bias = fold_entries(entries.weight, entries.bias, scale, None, layer_scale)
        if shift is not None:
            product = weight.flatten(1) @ shift
            bias = -product if bias is None else bias - product
        numbers = {f"entries below {FLOOR}": float(small)} if scale is not None or layer_scale is not None else {}
        return Entries(weight, bias), StepRecord("unfold", f"relative to the target's {_words(self)}", numbers)


@dataclass(frozen=True)
class SameSpread:
    """The root mean square of W' becomes that of W; b' is multiplied by the same factor."""

    gives_bias: bool = False

    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, StepRecord]:
        own, other = (float(values.double().square().mean().sqrt()) for values in (sides.own, entries.weight))
        if not own or not other:
            found = f"{'the target' if not own else 'the auxiliary'} with a weight of zeros"
            raise PathwayError("normalise", "weights that are not all zero", found, "leave normalise= out")
        factor = own / other
        bias = None if entries.bias is None else entries.bias * factor
        record = StepRecord("normalise", "to the root mean square of W", {"factor": factor})
        return Entries(entries.weight * factor, bias), record


def fold_entries(
    weight: Tensor, bias: Tensor | None, scale: Tensor | None, shift: Tensor | None, layer_scale: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """diag(layer_scale)·W·diag(scale) and layer_scale ⊙ (b + W·shift); what is None is left out.

    `weight` (outputs, inputs, ...) with kernel axes of size 1; `scale`, `shift` (inputs,); `layer_scale` (outputs,).
    """
    matrix = weight.flatten(1)
    if shift is not None:
        product = matrix @ shift
        bias = product if bias is None else bias + product
    if scale is not None:
        matrix = matrix * scale
    if layer_scale is not None:
        matrix = matrix * layer_scale[:, None]
        bias = None if bias is None else bias * layer_scale
    return matrix.view_as(weight), bias


def _inverse(values: Tensor | None) -> Tensor | None:
    """1 / values, of which small ones count as the floor, with their sign."""
    if values is None:
        return None
    return torch.where(values < 0, -1.0, 1.0).to(values.dtype) / values.abs().clamp(min=FLOOR)


def _values(step: Scales, source: Source, like: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """γ, β and s, as the block computes with them."""

    def read(name: str | None) -> Tensor | None:
        return None if name is None else source.tensor(name).flatten().to(like.device, like.dtype)

    norm = step.norm or NormBefore("layer")
    scale = read(norm.scale)
    return None if scale is None else scale + norm.offset, read(norm.shift), read(step.layer_scale)


def _words(step: Scales) -> str:
    def words() -> Iterator[str]:
        if step.norm is not None:
            yield f"{KINDS[step.norm.kind]} scale" + (" and shift" if step.norm.shift is not None else "")
        if step.layer_scale is not None:
            yield "layer scale"

    return ", ".join(words())
