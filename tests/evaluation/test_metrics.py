"""Metrics against scikit-learn."""

import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from crosspath.evaluation.metrics import classification_metrics


def _sample(classes: int, samples: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    labels_N = torch.randint(classes, (samples,), generator=generator)
    logits_NK = torch.randn(samples, classes, generator=generator)
    logits_NK[torch.arange(samples), labels_N] += 1.0
    return logits_NK, labels_N


@pytest.mark.parametrize("classes", [3, 10])
def test_agrees_with_scikit_learn(classes: int) -> None:
    logits_NK, labels_N = _sample(classes)
    found = classification_metrics(logits_NK, labels_N)
    names = list(range(classes))
    assert found["accuracy"] == accuracy_score(labels_N, logits_NK.argmax(dim=-1))
    assert found["loss"] == pytest.approx(
        log_loss(labels_N, logits_NK.double().softmax(dim=-1), labels=names), rel=1e-9
    )
    if classes > 5:
        assert found["top5_accuracy"] == top_k_accuracy_score(labels_N, logits_NK, k=5, labels=names)
    assert set(found) == ({"accuracy", "loss", "top5_accuracy"} if classes > 5 else {"accuracy", "loss"})
    assert all(type(value) is float for value in found.values())


def test_no_samples_no_metrics() -> None:
    assert classification_metrics(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)) == {}
