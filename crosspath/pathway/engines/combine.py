"""The formula, and the only place that has it: W + λ·W' (M2PT, equation 2), its gradients and its vmap rule.

`effective_weight` is what a connected layer computes with, and what a merge stores. Read overlay.py first: it says
which rows of W get which rows of W'.
"""

import inspect
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from crosspath.pathway.engines.overlay import Overlay, covered_rows, join_groups, split_groups

BLOCK_ELEMENTS = 1 << 18
"""Elements of W' multiplied at a time where a reduction would otherwise need a temporary as large as the weight."""


def effective_weight(
    weight: Tensor, auxiliaries: Sequence[Tensor], scales: Sequence[Tensor], overlays: Sequence[Overlay]
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
    overlays
        How each pair of them lies on W.
    """
    pairs = [tensor for pair in zip(auxiliaries, scales, strict=True) for tensor in pair]
    if not torch.is_grad_enabled():
        # Nothing to record. And without gradients the compiler of torch 2.14 passes a context that a function of any
        # number of arguments does not take.
        return _EffectiveWeight.forward(tuple(overlays), weight, *pairs)
    result: Tensor = _EffectiveWeight.apply(tuple(overlays), weight, *pairs)
    return result


def write_effective_weight(
    out: Tensor, weight: Tensor, auxiliaries: Sequence[Tensor], scales: Sequence[Tensor], overlays: Sequence[Overlay]
) -> None:
    """Write the same sum, to the bit, into `out`, which is not `weight`; call it without gradients."""
    if _sum_in_float(weight, overlays) or not overlays:
        out.copy_(effective_weight(weight, auxiliaries, scales, overlays) if overlays else weight)
        return
    total = weight
    for auxiliary, scale, overlay in zip(auxiliaries, scales, overlays, strict=True):
        if overlay.covers_all:
            torch.addcmul(total, _broadcast(scale, overlay, auxiliary.dim()), auxiliary, out=out)
        else:
            if total is weight:
                out.copy_(weight)
            for own, factor, part in _segments(out, auxiliary, scale, overlay):
                own.addcmul_(factor, part)
        total = out


def exact_blocks(
    weight: Tensor, auxiliaries: Sequence[Tensor], scales: Sequence[Tensor], overlays: Sequence[Overlay]
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """The same sum in float64, by blocks of rows (axis 0), so that no temporary is as large as the weight: each block's
    rows, W there and the sum. Both are the caller's to overwrite.
    """
    step = rows_of_block(weight)
    for start in range(0, len(weight), step):
        stop = min(start + step, len(weight))
        values, factors, parts = [], [], []
        for auxiliary, scale, overlay in zip(auxiliaries, scales, overlays, strict=True):
            rows, part = overlay.block(start, stop)
            if rows.start == rows.stop:
                continue
            varies = overlay.axis == 0 and len(scale) > 1
            values.append(auxiliary[rows].double())
            factors.append((_broadcast(scale, overlay, 1)[rows] if varies else scale).double())
            parts.append(part)
        own = weight[start:stop].to(torch.float64, copy=True)
        yield slice(start, stop), own, effective_weight(own, values, factors, parts) if parts else own.clone()


def rows_of_block(tensor: Tensor) -> int:
    """How many rows (axis 0) of a tensor have about BLOCK_ELEMENTS elements."""
    return max(1, BLOCK_ELEMENTS // max(1, math.prod(tensor.shape[1:])))


class _EffectiveWeight(torch.autograd.Function):
    """Forward: the sum. Backward: G for W, λ·G for W', ⟨G, W'⟩ for λ."""

    generate_vmap_rule = True

    @staticmethod
    def forward(overlays: tuple[Overlay, ...], weight: Tensor, *pairs: Tensor) -> Tensor:
        total = weight.float() if _sum_in_float(weight, overlays) else weight
        for overlay, auxiliary, scale in zip(overlays, pairs[::2], pairs[1::2], strict=True):
            total = _add(total, auxiliary.to(total.dtype), scale.to(total.dtype), overlay)
        return total.to(weight.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.overlays = inputs[0]
        ctx.save_for_backward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        needs_gradient: tuple[bool, ...] = tuple(ctx.needs_input_grad[2:])
        gradients: Sequence[Tensor | None] = ()
        if any(needs_gradient):
            # Without grad mode nothing records the backward, so the plain function is enough there, and cheaper.
            # A compiled backward cannot be differentiated anyway, and the compiler cannot follow a function in a
            # function.
            differentiable = torch.is_grad_enabled() and not torch.compiler.is_compiling()
            compute = _Gradients.apply if differentiable else pathway_gradients
            gradients = compute(ctx.overlays, needs_gradient, grad_outputs[0], *ctx.saved_tensors)
        results = iter(gradients)
        of_pairs = (next(results) if need else None for need in needs_gradient)
        return None, grad_outputs[0] if ctx.needs_input_grad[1] else None, *of_pairs


# Every `apply` binds its arguments by this signature. Computing it once saves a third of what each read of a weight
# costs besides the sum.
_EffectiveWeight.forward.__signature__ = inspect.signature(_EffectiveWeight.forward)  # type: ignore[attr-defined]


class _Gradients(torch.autograd.Function):
    """The gradients of W' and λ as a function of their own, so that differentiating them is an explicit error."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        overlays: tuple[Overlay, ...], needs_gradient: tuple[bool, ...], gradient: Tensor, *pairs: Tensor
    ) -> tuple[Tensor, ...]:
        return pathway_gradients(overlays, needs_gradient, gradient, *pairs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        return None

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, ...]:
        raise RuntimeError(
            "crosspath: a pathway can be differentiated once; merge it, or disable it, before taking second derivatives"
        )


def pathway_gradients(
    overlays: tuple[Overlay, ...], needs_gradient: tuple[bool, ...], gradient: Tensor, *pairs: Tensor
) -> tuple[Tensor, ...]:
    """λ·G for each W' and ⟨G, W'⟩ for each λ that needs one, in the order of `pairs`."""
    results = []
    for index, (overlay, auxiliary, scale) in enumerate(zip(overlays, pairs[::2], pairs[1::2], strict=True)):
        rows = covered_rows(gradient, overlay)
        if needs_gradient[2 * index]:
            results.append(rows * _broadcast(scale, overlay, rows.dim()))
        if needs_gradient[2 * index + 1]:
            results.append(_scale_gradient(rows, auxiliary, scale, overlay))
    return tuple(results)


def _sum_in_float(weight: Tensor, overlays: Sequence[Overlay]) -> bool:
    """Whether a sum of several terms would be rounded to half precision after each."""
    return len(overlays) > 1 and weight.dtype in (torch.float16, torch.bfloat16)


def _add(total: Tensor, auxiliary: Tensor, scale: Tensor, overlay: Overlay) -> Tensor:
    if overlay.covers_all:
        return torch.addcmul(total, _broadcast(scale, overlay, auxiliary.dim()), auxiliary)
    # Rows that W' does not cover are copied, never computed with, so that they stay the target's to the bit.
    dim = overlay.along + (overlay.groups > 1)
    grouped = split_groups(total, overlay)
    sums = (torch.addcmul(own, factor, part) for own, factor, part in _segments(total, auxiliary, scale, overlay))
    pieces, row = [], 0
    for (start, stop), segment in zip(overlay.segments, sums, strict=True):
        pieces += [grouped.narrow(dim, row, start - row), segment]
        row = stop
    pieces.append(grouped.narrow(dim, row, grouped.shape[dim] - row))
    return join_groups(torch.cat(pieces, dim), overlay)


def _segments(
    total: Tensor, auxiliary: Tensor, scale: Tensor, overlay: Overlay
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Of each segment that W' covers: views of its rows of W, of λ and of W'."""
    factor = _broadcast(scale, overlay, auxiliary.dim())
    dim = overlay.along + (overlay.groups > 1)
    total, auxiliary = split_groups(total, overlay), split_groups(auxiliary, overlay)
    varies = factor.numel() > 1 and factor.shape[overlay.along] > 1
    if varies:
        factor = split_groups(factor, overlay)
    elif factor.dim() > 1 and overlay.groups > 1:
        factor = factor.unsqueeze(overlay.along)
    offset = 0
    for start, stop in overlay.segments:
        length = stop - start
        part = factor.narrow(dim, offset, length) if varies else factor
        yield total.narrow(dim, start, length), part, auxiliary.narrow(dim, offset, length)
        offset += length


def _broadcast(scale: Tensor, overlay: Overlay, dimensions: int) -> Tensor:
    """λ in a shape that broadcasts against W'."""
    if scale.shape[0] == 1:
        return scale
    vector = torch.cat(
        [scale[first:last].unsqueeze(1).expand(-1, n // (last - first)).reshape(n) for first, last, n in overlay.runs]
    )
    if overlay.repeats > 1:
        vector = vector.repeat(overlay.repeats)
    shape = [1] * dimensions
    shape[overlay.axis] = vector.shape[0]
    return vector.reshape(shape)


def _scale_gradient(gradient: Tensor, auxiliary: Tensor, scale: Tensor, overlay: Overlay) -> Tensor:
    """⟨G, W'⟩ over the entries that each λ covers; never with a temporary as large as the weight."""
    single = scale.shape[0] == 1
    exact = gradient.dtype in (torch.float32, torch.float64)
    if single and exact and gradient.is_contiguous() and auxiliary.is_contiguous():
        return torch.dot(gradient.reshape(-1), auxiliary.reshape(-1)).reshape(1)
    sums = _sum_over_others(gradient, auxiliary, 0 if single else overlay.axis)
    if single:
        return sums.sum().reshape(1).to(scale.dtype)
    if overlay.repeats > 1:
        sums = sums.reshape(overlay.repeats, -1).sum(0)
    shares = [torch.zeros_like(sums[:1]).expand(scale.shape[0])]
    offset = 0
    for first, last, entries in overlay.runs:
        share = sums[offset : offset + entries].reshape(last - first, -1).sum(1)
        shares.append(torch.nn.functional.pad(share, (first, scale.shape[0] - last)))
        offset += entries
    return torch.stack(shares).sum(0).to(scale.dtype)


def _sum_over_others(gradient: Tensor, auxiliary: Tensor, axis: int) -> Tensor:
    """Σ G·W' over all axes but `axis`, by row blocks, accumulated in float32 (float64 for float64)."""
    wide = torch.promote_types(gradient.dtype, torch.float32)
    rows = rows_of_block(gradient)
    others = [other for other in range(gradient.dim()) if other != axis]
    blocks = []
    for start in range(0, gradient.shape[0], rows):
        product = gradient[start : start + rows].to(wide) * auxiliary[start : start + rows].to(wide)
        blocks.append(product.sum(others) if others else product)
    return torch.cat(blocks) if axis == 0 else torch.stack(blocks).sum(0)
