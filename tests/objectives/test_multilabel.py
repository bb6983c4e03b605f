"""Binary cross entropy of several labels a sample."""

import pytest
import torch

from crosspath.objectives.classification import binary_cross_entropies


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_agrees_with_the_formula_in_float64(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64) * 4
    targets = torch.rand(6, 4, generator=generator, dtype=torch.float64).round()
    targets[0] = 0.3
    smoothed = targets * (1 - smoothing) + smoothing / 2
    p = torch.sigmoid(logits)
    expected = -(smoothed * p.log() + (1 - smoothed) * (1 - p).log()).mean(1)
    torch.testing.assert_close(binary_cross_entropies(logits, targets, smoothing), expected)


def test_half_precision_logits_are_summed_in_float32_and_large_ones_stay_finite() -> None:
    logits = torch.tensor([[300.0, -300.0]]).to(torch.bfloat16)
    losses = binary_cross_entropies(logits, torch.tensor([[0, 1]], dtype=torch.uint8))
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, torch.tensor([300.0]))
