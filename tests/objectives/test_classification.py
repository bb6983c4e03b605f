"""Soft-target cross entropy against PyTorch's own and against the formula in float64."""

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from crosspath.objectives.classification import soft_cross_entropies


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_agrees_with_pytorch(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits_BK = torch.randn(7, 5, generator=generator, dtype=torch.float64) * 3
    mixed_BK = torch.rand(7, 5, generator=generator, dtype=torch.float64).softmax(dim=-1)
    ours = soft_cross_entropies(logits_BK, mixed_BK, smoothing).mean()
    torch.testing.assert_close(ours, cross_entropy(logits_BK, mixed_BK, label_smoothing=smoothing))
    labels_B = torch.arange(7) % 5
    ours = soft_cross_entropies(logits_BK, one_hot(labels_B, 5), smoothing).mean()
    torch.testing.assert_close(ours, cross_entropy(logits_BK, labels_B, label_smoothing=smoothing))


def test_smoothing_by_hand() -> None:
    logits_BK = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    log_p = logits_BK.log_softmax(dim=-1)[0]
    expected = -(0.9 * log_p[0] + 0.1 * log_p[1])
    found = soft_cross_entropies(logits_BK, torch.tensor([[1.0, 0.0]]), 0.2)
    torch.testing.assert_close(found.mean(), expected)


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits_BK = (torch.arange(40.0).reshape(4, 10) / 7).to(torch.bfloat16)
    targets_BK = torch.eye(10)[:4]
    loss = soft_cross_entropies(logits_BK, targets_BK).mean()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, cross_entropy(logits_BK.float(), targets_BK))
