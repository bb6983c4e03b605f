import pytest
import torch

from crosspath.pathway.finite import all_finite

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_anywhere_is_enough(dtype: torch.dtype, value: float) -> None:
    for count in (1, 3, 17, 1000):
        for place in (0, count // 2, count - 1):
            tensor = torch.linspace(-1, 1, count).to(dtype)
            assert all_finite(tensor)
            tensor[place] = value
            assert not all_finite(tensor)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_largest_values_are_finite(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max
    assert all_finite(torch.tensor([largest, -largest, largest], dtype=dtype))


def test_views_types_without_an_order_and_nothing() -> None:
    matrix = torch.ones(6, 6)
    matrix[0, 3] = float("nan")
    assert not all_finite(matrix.T[::3])
    assert all_finite(matrix.T[:3])
    assert all_finite(torch.empty(0))
    assert all_finite(torch.arange(3))
    assert not all_finite(torch.tensor([1 + 1j, complex("nan")]))
    eighths = torch.tensor([1.0, float("nan")]).to(torch.float8_e5m2)
    assert not all_finite(eighths)
    assert all_finite(eighths[:1])
    assert all_finite(torch.nn.Parameter(torch.ones(2)))
