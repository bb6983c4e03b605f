"""The formula, and the only place that knows it: W + λ·W' (M2PT, equation 2), its gradients and its vmap rule.

`effective_weight` is what a connected layer computes with, and what a merge stores.
"""

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

BLOCK_ELEMENTS = 1 << 18
"""Elements of W' multiplied at a time where a reduction would otherwise need a temporary as large as the weight."""


class Spread(NamedTuple):
    """How one auxiliary W' and its scales λ lie on a target weight W."""

    segments: tuple[tuple[int, int], ...]
    """Row ranges [start, stop) of W that W' covers, ascending; W' holds these rows one after the other. With `groups`
    they are those of one group, and all groups are alike."""
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

    @property
    def whole(self) -> bool:
        """Whether W' covers every row of W."""
        return self.segments == ((0, self.rows // self.groups),)

    @property
    def covered(self) -> int:
        """How many rows of W are those of W'."""
        return self.groups * sum(stop - start for start, stop in self.segments)


def effective_weight(
    weight: Tensor, auxiliaries: Sequence[Tensor], scales: Sequence[Tensor], spreads: Sequence[Spread]
) -> Tensor:
    """W + Σ λ·W', differentiable once with respect to W, each W' and each λ.

    Parameters
    ----------
    weight
        W, of shape (rows, ...).
    auxiliaries
        Each W', of the shape of the rows of W that it covers, in the order in which they are summed.
    scales
        Each λ, one-dimensional.
    spreads
        How each pair of them lies on W.
    """
    pairs = [tensor for pair in zip(auxiliaries, scales, strict=True) for tensor in pair]
    if not torch.is_grad_enabled():
        # Nothing is to be recorded. And the compiler of torch 2.14, without gradients, hands a function of any number
        # of arguments a context that it does not take.
        return _EffectiveWeight.forward(tuple(spreads), weight, *pairs)
    result: Tensor = _EffectiveWeight.apply(tuple(spreads), weight, *pairs)
    return result


class _EffectiveWeight(torch.autograd.Function):
    """Forward the sum; backward G for W, λ·G for W', ⟨G, W'⟩ for λ."""

    generate_vmap_rule = True

    @staticmethod
    def forward(spreads: tuple[Spread, ...], weight: Tensor, *pairs: Tensor) -> Tensor:
        several_in_half = len(spreads) > 1 and weight.dtype in (torch.float16, torch.bfloat16)
        total = weight.float() if several_in_half else weight
        for spread, auxiliary, scale in zip(spreads, pairs[::2], pairs[1::2], strict=True):
            total = _added(total, auxiliary.to(total.dtype), scale.to(total.dtype), spread)
        return total.to(weight.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.spreads = inputs[0]
        ctx.save_for_backward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        needed: tuple[bool, ...] = tuple(ctx.needs_input_grad[2:])
        gradients: Sequence[Tensor | None] = ()
        if any(needed):
            # Without grad mode nothing records the backward, so the plain function is enough there, and cheaper.
            # A compiled backward cannot be differentiated anyway, and the compiler cannot follow a function in a
            # function.
            recorded = torch.is_grad_enabled() and not torch.compiler.is_compiling()
            compute = _Gradients.apply if recorded else _gradients
            gradients = compute(ctx.spreads, needed, grad_outputs[0], *ctx.saved_tensors)
        given = iter(gradients)
        wanted = (next(given) if need else None for need in needed)
        return None, grad_outputs[0] if ctx.needs_input_grad[1] else None, *wanted


# Every `apply` binds its arguments by this signature. Kept, it is not taken apart anew at each read of a weight, which
# costs a third of what the read does besides the sum.
_EffectiveWeight.forward.__signature__ = inspect.signature(_EffectiveWeight.forward)  # type: ignore[attr-defined]


class _Gradients(torch.autograd.Function):
    """The gradients of W' and λ as a function of their own, so that differentiating them is an explicit error."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        spreads: tuple[Spread, ...], needed: tuple[bool, ...], gradient: Tensor, *pairs: Tensor
    ) -> tuple[Tensor, ...]:
        return _gradients(spreads, needed, gradient, *pairs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        return None

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, ...]:
        raise RuntimeError(
            "crosspath: a pathway can be differentiated once; merge it, or disable it, before taking second derivatives"
        )


def _gradients(
    spreads: tuple[Spread, ...], needed: tuple[bool, ...], gradient: Tensor, *pairs: Tensor
) -> tuple[Tensor, ...]:
    """λ·G for each W' and ⟨G, W'⟩ for each λ that needs one, in the order of `pairs`."""
    results = []
    for index, (spread, auxiliary, scale) in enumerate(zip(spreads, pairs[::2], pairs[1::2], strict=True)):
        covered = covered_rows(gradient, spread)
        if needed[2 * index]:
            results.append(covered * _expanded(scale, spread, covered.dim()))
        if needed[2 * index + 1]:
            results.append(_scale_gradient(covered, auxiliary, scale, spread))
    return tuple(results)


def _added(total: Tensor, auxiliary: Tensor, scale: Tensor, spread: Spread) -> Tensor:
    factor = _expanded(scale, spread, auxiliary.dim())
    if spread.whole:
        return torch.addcmul(total, factor, auxiliary)
    # Rows that W' does not cover are copied, never computed with, so that they stay the target's to the bit.
    dim = spread.along + (spread.groups > 1)
    total, auxiliary = _in_groups(total, spread), _in_groups(auxiliary, spread)
    varies = factor.numel() > 1 and factor.shape[spread.along] > 1
    if varies:
        factor = _in_groups(factor, spread)
    elif factor.dim() > 1 and spread.groups > 1:
        factor = factor.unsqueeze(spread.along)
    pieces, row, offset = [], 0, 0
    for start, stop in spread.segments:
        length = stop - start
        part = factor.narrow(dim, offset, length) if varies else factor
        covered = torch.addcmul(total.narrow(dim, start, length), part, auxiliary.narrow(dim, offset, length))
        pieces += [total.narrow(dim, row, start - row), covered]
        row, offset = stop, offset + length
    pieces.append(total.narrow(dim, row, total.shape[dim] - row))
    return _out_of_groups(torch.cat(pieces, dim), spread)


def covered_rows(tensor: Tensor, spread: Spread) -> Tensor:
    """The entries of a tensor of W's shape that belong to W', in the shape of W'."""
    if spread.whole:
        return tensor
    dim = spread.along + (spread.groups > 1)
    grouped = _in_groups(tensor, spread)
    rows = [grouped.narrow(dim, start, stop - start) for start, stop in spread.segments]
    return _out_of_groups(rows[0] if len(rows) == 1 else torch.cat(rows, dim), spread)


def _in_groups(tensor: Tensor, spread: Spread) -> Tensor:
    """A tensor of the dimensions of W, its rows taken apart into groups of rows."""
    return tensor if spread.groups == 1 else torch.unflatten(tensor, spread.along, (spread.groups, -1))


def _out_of_groups(tensor: Tensor, spread: Spread) -> Tensor:
    return tensor if spread.groups == 1 else tensor.flatten(spread.along, spread.along + 1)


def _expanded(scale: Tensor, spread: Spread, dimensions: int) -> Tensor:
    """λ in a shape that broadcasts against W'."""
    if scale.shape[0] == 1:
        return scale
    vector = torch.cat(
        [scale[first:last].unsqueeze(1).expand(-1, n // (last - first)).reshape(n) for first, last, n in spread.runs]
    )
    if spread.repeats > 1:
        vector = vector.repeat(spread.repeats)
    shape = [1] * dimensions
    shape[spread.axis] = vector.shape[0]
    return vector.reshape(shape)


def _scale_gradient(gradient: Tensor, auxiliary: Tensor, scale: Tensor, spread: Spread) -> Tensor:
    """⟨G, W'⟩ over the entries that each λ covers; never with a temporary as large as the weight."""
    single = scale.shape[0] == 1
    exact = gradient.dtype in (torch.float32, torch.float64)
    if single and exact and gradient.is_contiguous() and auxiliary.is_contiguous():
        return torch.dot(gradient.reshape(-1), auxiliary.reshape(-1)).reshape(1)
    sums = _sums_along(gradient, auxiliary, 0 if single else spread.axis)
    if single:
        return sums.sum().reshape(1).to(scale.dtype)
    if spread.repeats > 1:
        sums = sums.reshape(spread.repeats, -1).sum(0)
    shares = [torch.zeros_like(sums[:1]).expand(scale.shape[0])]
    offset = 0
    for first, last, entries in spread.runs:
        share = sums[offset : offset + entries].reshape(last - first, -1).sum(1)
        shares.append(torch.nn.functional.pad(share, (first, scale.shape[0] - last)))
        offset += entries
    return torch.stack(shares).sum(0).to(scale.dtype)


def _sums_along(gradient: Tensor, auxiliary: Tensor, axis: int) -> Tensor:
    """Σ G·W' over all axes but `axis`, by row blocks, accumulated in float32 (float64 for float64)."""
    wide = torch.promote_types(gradient.dtype, torch.float32)
    rows = max(1, BLOCK_ELEMENTS // max(1, gradient[0].numel()))
    others = [other for other in range(gradient.dim()) if other != axis]
    blocks = []
    for start in range(0, gradient.shape[0], rows):
        product = gradient[start : start + rows].to(wide) * auxiliary[start : start + rows].to(wide)
        blocks.append(product.sum(others) if others else product)
    return torch.cat(blocks) if axis == 0 else torch.stack(blocks).sum(0)
