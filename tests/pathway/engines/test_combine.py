"""The formula by itself: gradcheck, batching over models, half precision, second derivatives, memory."""

import json

import pytest
import torch
from torch import Tensor

from crosspath.pathway.engines import combine
from crosspath.pathway.engines.combine import BLOCK_ELEMENTS, effective_weight, exact_blocks
from crosspath.pathway.engines.overlay import Overlay

WHOLE = Overlay(segments=((0, 6),), rows=6, axis=0, runs=((0, 1, 6),))
OVERLAYS = {
    "layer": (WHOLE, 1),
    "role": (Overlay(segments=((0, 6),), rows=6, axis=0, runs=((0, 1, 2), (1, 2, 4))), 2),
    "rows": (Overlay(segments=((0, 6),), rows=6, axis=0, runs=((0, 6, 6),)), 6),
    "columns": (Overlay(segments=((0, 6),), rows=6, axis=1, runs=((0, 2, 4),)), 2),
    "part": (Overlay(segments=((1, 2), (4, 6)), rows=6, axis=0, runs=((0, 1, 3),)), 1),
    "rows of a part": (Overlay(segments=((1, 2), (4, 6)), rows=6, axis=0, runs=((0, 3, 3),)), 3),
    "shared rows": (Overlay(segments=((0, 2), (4, 6)), rows=6, axis=0, runs=((0, 2, 2), (0, 2, 2))), 2),
    "columns of a part": (Overlay(segments=((2, 5),), rows=6, axis=1, runs=((0, 4, 4),)), 4),
    "columns stored as rows": (Overlay(segments=((1, 3),), rows=4, axis=1, runs=((0, 2, 2),), along=1), 2),
    "inputs of columns stored as rows": (
        Overlay(segments=((0, 1), (3, 4)), rows=4, axis=0, runs=((0, 3, 6),), along=1),
        3,
    ),
    "two of three roles in two heads": (
        Overlay(segments=((0, 1), (2, 3)), rows=6, axis=0, runs=((0, 1, 1), (1, 2, 1)), groups=2, repeats=2),
        2,
    ),
    "three roles in two heads": (
        Overlay(segments=((0, 3),), rows=6, axis=0, runs=((0, 1, 1), (1, 2, 1), (2, 3, 1)), groups=2, repeats=2),
        3,
    ),
    "one of three roles, one λ": (Overlay(segments=((1, 2),), rows=6, axis=0, runs=((0, 1, 2),), groups=2), 1),
    "heads of one role in heads": (Overlay(segments=((1, 2),), rows=6, axis=0, runs=((0, 2, 2),), groups=2), 2),
    "inputs of one role in heads": (Overlay(segments=((1, 2),), rows=6, axis=1, runs=((0, 2, 4),), groups=2), 2),
    "columns in groups": (Overlay(segments=((0, 1),), rows=4, axis=1, runs=((0, 2, 2),), along=1, groups=2), 2),
}


def tensors(overlay: Overlay, scales: int, dtype: torch.dtype = torch.float64, columns: int = 4) -> list[Tensor]:
    torch.manual_seed(0)
    shapes: list[tuple[int, ...]] = [(overlay.rows, columns), (overlay.covered_count, columns), (scales,)]
    if overlay.along == 1:
        shapes = [(6, overlay.rows), (6, overlay.covered_count), (scales,)]
    return [torch.randn(shape, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("name", OVERLAYS)
def test_gradcheck(name: str) -> None:
    overlay, scales = OVERLAYS[name]
    weight, auxiliary, scale = tensors(overlay, scales)
    other, second = torch.randn_like(auxiliary).requires_grad_(), torch.randn_like(scale).requires_grad_()

    def both(*t: Tensor) -> Tensor:
        return effective_weight(t[0], [t[1], t[3]], [t[2], t[4]], [overlay, overlay])

    assert torch.autograd.gradcheck(both, (weight, auxiliary, scale, other, second))


def row_by_row(weight: Tensor, auxiliary: Tensor, scale: Tensor, overlay: Overlay) -> Tensor:
    """W + λ·W' in float64, entry by entry: an account that shares no code with the formula."""
    total = weight.detach().double().movedim(overlay.along, 0).clone()
    values = auxiliary.detach().double().movedim(overlay.along, 0)
    factors = [
        float(scale.detach()[first + entry * (last - first) // length])
        for _ in range(overlay.repeats)
        for first, last, length in overlay.runs
        for entry in range(length)
    ]
    period = overlay.rows // overlay.groups
    rows = [
        group * period + row
        for group in range(overlay.groups)
        for start, stop in overlay.segments
        for row in range(start, stop)
    ]
    for index, row in enumerate(rows):
        for other in range(values.shape[1]):
            total[row, other] += factors[index if overlay.axis == overlay.along else other] * values[index, other]
    return total.movedim(0, overlay.along)


@pytest.mark.parametrize("elements", [1, 8, 1000])
@pytest.mark.parametrize("name", OVERLAYS)
def test_the_sum_in_blocks_equals_the_account_row_by_row(
    name: str, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row, two rows and all rows at a time; two auxiliaries that lie differently."""
    monkeypatch.setattr(combine, "BLOCK_ELEMENTS", elements)
    overlay, scales = OVERLAYS[name]
    weight, auxiliary, scale = (t.detach() for t in tensors(overlay, scales, torch.float32))
    whole = Overlay.single(len(weight))
    blocks = list(exact_blocks(weight, [auxiliary, weight.flip(0)], [scale, scale[:1]], [overlay, whole]))
    assert [row for rows, _, _ in blocks for row in range(rows.start, rows.stop)] == list(range(len(weight)))
    first = row_by_row(weight, auxiliary, scale, overlay)
    expected = row_by_row(first, weight.flip(0), scale[:1], whole)
    assert torch.equal(torch.cat([own for _, own, _ in blocks]), weight.double())
    torch.testing.assert_close(torch.cat([block for _, _, block in blocks]), expected, rtol=1e-14, atol=1e-14)


def test_the_drawn_example() -> None:
    """The docstring of Overlay: query and value of six rows, one λ each; and the same rows head by head."""
    weight, auxiliary, scale = torch.zeros(6, 4), torch.ones(4, 4), torch.tensor([2.0, 3.0])
    runs = ((0, 1, 2), (1, 2, 2))
    flat = Overlay(segments=((0, 2), (4, 6)), rows=6, axis=0, runs=runs)
    assert effective_weight(weight, [auxiliary], [scale], [flat])[:, 0].tolist() == [2, 2, 0, 0, 3, 3]
    runs = ((0, 1, 1), (1, 2, 1))
    by_head = Overlay(segments=((0, 1), (2, 3)), rows=6, axis=0, runs=runs, groups=2, repeats=2)
    assert effective_weight(weight, [auxiliary], [scale], [by_head])[:, 0].tolist() == [2, 0, 3, 2, 0, 3]
    heads = Overlay(segments=((0, 6),), rows=6, axis=1, runs=((0, 2, 4),))
    assert effective_weight(weight, [torch.ones(6, 4)], [scale], [heads])[0].tolist() == [2, 2, 3, 3]


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_comes_back_from_its_saved_entry(name: str) -> None:
    overlay, _ = OVERLAYS[name]
    shape = (overlay.rows, 4) if overlay.along == 0 else (6, overlay.rows)
    assert Overlay.from_json(json.loads(json.dumps(overlay.to_json())), shape) == overlay


@pytest.mark.parametrize("name", OVERLAYS)
def test_rows_without_auxiliary_stay_bitwise(name: str) -> None:
    overlay, scales = OVERLAYS[name]
    weight, auxiliary, scale = tensors(overlay, scales, torch.float32)
    result = effective_weight(weight, [auxiliary], [scale], [overlay])
    probe = torch.randn_like(result)
    result.backward(probe)
    period = overlay.rows // overlay.groups
    indices = [
        group * period + row
        for group in range(overlay.groups)
        for start, stop in overlay.segments
        for row in range(start, stop)
    ]
    rows, plain = result.detach().movedim(overlay.along, 0), weight.detach().movedim(overlay.along, 0)
    for row in set(range(overlay.rows)) - set(indices):
        assert torch.equal(rows[row], plain[row])
    assert torch.equal(weight.grad, probe)
    exact = row_by_row(weight, auxiliary, scale, overlay)
    torch.testing.assert_close(result.detach().double(), exact, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", OVERLAYS)
def test_vmap_over_models_equals_a_loop(name: str) -> None:
    overlay, scales = OVERLAYS[name]
    stacked = [torch.stack([t.detach(), 2 * t.detach(), t.detach() - 1]) for t in tensors(overlay, scales)]

    def loss(weight: Tensor, auxiliary: Tensor, scale: Tensor) -> Tensor:
        return effective_weight(weight, [auxiliary], [scale], [overlay]).sin().sum()

    gradient = torch.func.grad(loss, argnums=(0, 1, 2))
    together = torch.func.vmap(gradient)(*stacked)
    for index in range(3):
        alone = gradient(*(t[index] for t in stacked))
        for ours, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[index], theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("rows", [24, 3 * BLOCK_ELEMENTS // 512 + 5])
def test_sums_of_products_are_rounded_once(rows: int, axis: int, dtype: torch.dtype) -> None:
    """λ's gradient by row blocks, also beyond one block, against one float64 product.

    Sums run in float32, in blocks whose errors mostly cancel: 1e-6 of the sum of all sizes is more than they leave. In
    half precision the result is rounded once more, by half a unit in its last place at most; were the products
    rounded too, most of these λ would lie further off, since their sums cancel.
    """
    runs = {0: ((0, rows, rows),), 1: ((0, 256, 512),)}[axis]
    count = rows if axis == 0 else 256
    overlay = Overlay(segments=((0, rows),), rows=rows, axis=axis, runs=runs)
    weight, auxiliary, scale = tensors(overlay, count, dtype, columns=512)
    probe = torch.randn(weight.shape).to(dtype)
    effective_weight(weight, [auxiliary], [scale], [overlay]).backward(probe)
    product = (probe.double() * auxiliary.detach().double()).reshape((rows, 512) if axis == 0 else (rows, 256, 2))
    others = 1 if axis == 0 else (0, 2)
    assert_rounded_once(scale.grad, product.sum(others), product.abs().sum(others))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_sum_over_a_whole_layer_is_rounded_once(dtype: torch.dtype) -> None:
    rows = 3 * BLOCK_ELEMENTS // 512 + 5
    for size in (*[12] * 20, rows):
        overlay = Overlay(segments=((0, size),), rows=size, axis=0, runs=((0, 1, size),))
        weight, auxiliary, scale = tensors(overlay, 1, dtype, columns=512)
        auxiliary = torch.randn(auxiliary.shape).to(dtype)
        probe = torch.randn(weight.shape).to(dtype)
        effective_weight(weight, [auxiliary], [scale], [overlay]).backward(probe)
        product = probe.double() * auxiliary.double()
        assert_rounded_once(scale.grad, product.sum().reshape(1), product.abs().sum().reshape(1))


def assert_rounded_once(actual: Tensor, exact: Tensor, size: Tensor) -> None:
    """Half a unit in the last place of the exact value, where the type is narrower than float32, and float32's sums."""
    half = 0.0
    if actual.dtype != torch.float32:
        half = torch.finfo(actual.dtype).eps / 2 * torch.exp2(torch.floor(torch.log2(exact.abs())))
    assert bool(((actual.double() - exact).abs() <= half + 1e-6 * size).all())


def test_gradient_that_is_not_contiguous() -> None:
    weight, auxiliary, scale = tensors(WHOLE, 1)
    probe = torch.randn(4, 6, dtype=torch.float64).t()
    effective_weight(weight, [auxiliary], [scale], [WHOLE]).backward(probe)
    torch.testing.assert_close(scale.grad, (probe * auxiliary.detach()).sum().reshape(1))


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_several_auxiliaries_in_half_precision_are_cast_once(dtype: torch.dtype, count: int) -> None:
    weight, auxiliary, scale = (t.detach() for t in tensors(WHOLE, 1, dtype, columns=200))
    many = [auxiliary.roll(index, 1) * (1 + index) for index in range(count)]
    result = effective_weight(weight, many, [scale] * count, [WHOLE] * count)
    total, narrow = weight.float(), weight
    for values in many:
        total = torch.addcmul(total, scale.float(), values.float())
        narrow = torch.addcmul(narrow, scale, values)
    assert torch.equal(result, total.to(dtype))
    # A sum that rounds after every auxiliary is another one, so that equality says something.
    assert not torch.equal(result, narrow)


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
