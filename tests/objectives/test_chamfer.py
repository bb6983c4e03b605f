"""The Chamfer distance against loops, a k-d tree and its own gradient."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from torch import Tensor

from crosspath.modalities.errors import chamfer


def clouds(pairs: int, first: int, second: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    options = {"generator": generator, "dtype": torch.float64}
    return torch.randn(pairs, first, 3, **options), torch.randn(pairs, second, 3, **options)  # type: ignore[call-overload]


@given(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_it_is_what_loops_over_all_points_say(pairs: int, first: int, second: int, seed: int) -> None:
    ones, others = clouds(pairs, first, second, seed)
    expected = []
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        squared = [[sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) for q in other] for p in one]
        forth = sum(min(row) for row in squared) / first
        back = sum(min(row[j] for row in squared) for j in range(second)) / second
        expected.append(forth + back)
    torch.testing.assert_close(chamfer(ones, others), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_it_agrees_with_a_nearest_neighbour_library() -> None:
    (one,), (other,) = clouds(1, 32, 32)
    forth, back = cKDTree(other).query(one)[0], cKDTree(one).query(other)[0]
    assert abs(chamfer(one[None], other[None]).item() - ((forth**2).mean() + (back**2).mean())) < 1e-12


def test_the_order_of_points_and_of_sets_does_not_matter() -> None:
    one, other = clouds(3, 8, 8)
    shuffled = other[:, torch.randperm(8, generator=torch.Generator().manual_seed(1))]
    torch.testing.assert_close(chamfer(one, shuffled), chamfer(other, one))
    assert torch.equal(chamfer(other, shuffled), torch.zeros(3, dtype=torch.float64))


def test_its_gradient_is_the_numerical_one() -> None:
    one, other = (part.requires_grad_() for part in clouds(2, 5, 6))
    assert torch.autograd.gradcheck(chamfer, (one, other))
