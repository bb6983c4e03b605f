"""The formula by itself: gradcheck, batching over models, half precision, second derivatives, memory."""

import pytest
import torch
from torch import Tensor

from crosspath.pathway.combine import BLOCK_ELEMENTS, Spread, effective_weight

WHOLE = Spread(((0, 6),), 6, 0, ((0, 1, 6),))
SPREADS = {
    "layer": (WHOLE, 1),
    "role": (Spread(((0, 6),), 6, 0, ((0, 1, 2), (1, 2, 4))), 2),
    "rows": (Spread(((0, 6),), 6, 0, ((0, 6, 6),)), 6),
    "columns": (Spread(((0, 6),), 6, 1, ((0, 2, 4),)), 2),
    "part": (Spread(((1, 2), (4, 6)), 6, 0, ((0, 1, 3),)), 1),
    "rows of a part": (Spread(((1, 2), (4, 6)), 6, 0, ((0, 3, 3),)), 3),
    "shared rows": (Spread(((0, 2), (4, 6)), 6, 0, ((0, 2, 2), (0, 2, 2))), 2),
    "columns of a part": (Spread(((2, 5),), 6, 1, ((0, 4, 4),)), 4),
    "columns stored as rows": (Spread(((1, 3),), 4, 1, ((0, 2, 2),), along=1), 2),
    "inputs of columns stored as rows": (Spread(((0, 1), (3, 4)), 4, 0, ((0, 3, 6),), along=1), 3),
    "two of three roles in two heads": (Spread(((0, 1), (2, 3)), 6, 0, ((0, 1, 1), (1, 2, 1)), 0, 2, 2), 2),
    "three roles in two heads": (Spread(((0, 3),), 6, 0, ((0, 1, 1), (1, 2, 1), (2, 3, 1)), 0, 2, 2), 3),
    "one of three roles, one λ": (Spread(((1, 2),), 6, 0, ((0, 1, 2),), 0, 2), 1),
    "heads of one role in heads": (Spread(((1, 2),), 6, 0, ((0, 2, 2),), 0, 2), 2),
    "inputs of one role in heads": (Spread(((1, 2),), 6, 1, ((0, 2, 4),), 0, 2), 2),
    "columns in groups": (Spread(((0, 1),), 4, 1, ((0, 2, 2),), 1, 2), 2),
}


def tensors(spread: Spread, scales: int, dtype: torch.dtype = torch.float64, columns: int = 4) -> list[Tensor]:
    torch.manual_seed(0)
    shapes: list[tuple[int, ...]] = [(spread.rows, columns), (spread.covered, columns), (scales,)]
    if spread.along == 1:
        shapes = [(6, spread.rows), (6, spread.covered), (scales,)]
    return [torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("name", SPREADS)
def test_gradcheck(name: str) -> None:
    spread, scales = SPREADS[name]
    weight, auxiliary, scale = tensors(spread, scales)
    other, second = torch.randn_like(auxiliary).requires_grad_(), torch.randn_like(scale).requires_grad_()

    def both(*t: Tensor) -> Tensor:
        return effective_weight(t[0], [t[1], t[3]], [t[2], t[4]], [spread, spread])

    assert torch.autograd.gradcheck(both, (weight, auxiliary, scale, other, second))


@pytest.mark.parametrize("name", SPREADS)
def test_rows_without_auxiliary_stay_bitwise(name: str) -> None:
    spread, scales = SPREADS[name]
    weight, auxiliary, scale = tensors(spread, scales, torch.float32)
    result = effective_weight(weight, [auxiliary], [scale], [spread])
    probe = torch.randn_like(result)
    result.backward(probe)
    period = spread.rows // spread.groups
    covered = [
        group * period + row
        for group in range(spread.groups)
        for start, stop in spread.segments
        for row in range(start, stop)
    ]
    rows, plain = result.detach().movedim(spread.along, 0), weight.detach().movedim(spread.along, 0)
    for row in set(range(spread.rows)) - set(covered):
        assert torch.equal(rows[row], plain[row])
    assert torch.equal(weight.grad, probe)
    # The others are the sum, entry by entry: λ from the runs, W' in the order of the covered rows.
    values = auxiliary.detach().movedim(spread.along, 0)
    lam = [
        float(scale.detach()[first + entry * (last - first) // length])
        for _ in range(spread.repeats)
        for first, last, length in spread.runs
        for entry in range(length)
    ]
    for index, row in enumerate(covered):
        for other in range(values.shape[1]):
            position = index if spread.axis == spread.along else other
            expected = float(plain[row, other]) + lam[position] * float(values[index, other])
            assert abs(float(rows[row, other]) - expected) < 1e-5


@pytest.mark.parametrize("name", SPREADS)
def test_vmap_over_models_equals_a_loop(name: str) -> None:
    spread, scales = SPREADS[name]
    stacked = [torch.stack([t.detach(), 2 * t.detach(), t.detach() - 1]) for t in tensors(spread, scales)]

    def loss(weight: Tensor, auxiliary: Tensor, scale: Tensor) -> Tensor:
        return effective_weight(weight, [auxiliary], [scale], [spread]).sin().sum()

    gradient = torch.func.grad(loss, argnums=(0, 1, 2))
    together = torch.func.vmap(gradient)(*stacked)
    for index in range(3):
        alone = gradient(*(t[index] for t in stacked))
        for ours, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[index], theirs, rtol=1e-12, atol=1e-12)


def test_large_reductions_equal_float64() -> None:
    """Row blocks and the dot product agree with one float64 product, also beyond one block."""
    rows = 3 * BLOCK_ELEMENTS // 512 + 5
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 1e-2)):
        for axis, runs, count in ((0, ((0, 1, rows),), 1), (0, ((0, rows, rows),), rows), (1, ((0, 4, 512),), 4)):
            spread = Spread(((0, rows),), rows, axis, runs)
            weight, auxiliary, scale = tensors(spread, count, dtype, columns=512)
            probe = torch.randn_like(weight)
            effective_weight(weight, [auxiliary], [scale], [spread]).backward(probe)
            product = probe.double() * auxiliary.detach().double()
            exact = {1: product.sum().reshape(1), rows: product.sum(1), 4: product.reshape(rows, 4, -1).sum((0, 2))}[
                count
            ]
            size = float(exact.abs().max())
            torch.testing.assert_close(scale.grad.double(), exact, rtol=tolerance, atol=tolerance * size)


def test_gradient_that_is_not_contiguous() -> None:
    weight, auxiliary, scale = tensors(WHOLE, 1)
    probe = torch.randn(4, 6, dtype=torch.float64).t()
    effective_weight(weight, [auxiliary], [scale], [WHOLE]).backward(probe)
    torch.testing.assert_close(scale.grad, (probe * auxiliary.detach()).sum().reshape(1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_several_auxiliaries_in_half_precision_are_cast_once(dtype: torch.dtype) -> None:
    weight, auxiliary, scale = (t.detach() for t in tensors(WHOLE, 1, dtype))
    many = [auxiliary * (1 + index) for index in range(5)]
    result = effective_weight(weight, many, [scale] * 5, [WHOLE] * 5)
    total = weight.float()
    for values in many:
        total = torch.addcmul(total, scale.float(), values.float())
    assert torch.equal(result, total.to(dtype))


def test_second_derivatives_are_an_explicit_error() -> None:
    weight, auxiliary, scale = tensors(WHOLE, 1)
    loss = effective_weight(weight, [auxiliary], [scale], [WHOLE]).pow(2).sum()
    (gradient,) = torch.autograd.grad(loss, scale, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        gradient.sum().backward()


def test_frozen_parts_get_no_gradient_and_cost_no_product() -> None:
    weight, auxiliary, scale = tensors(WHOLE, 1)
    result = effective_weight(weight, [auxiliary.detach()], [scale.detach()], [WHOLE])
    probe = torch.randn_like(result)
    result.backward(probe)
    assert auxiliary.grad is None
    assert scale.grad is None
    assert torch.equal(weight.grad, probe)
