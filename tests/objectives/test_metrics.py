"""Metrics against scikit-learn, and average precision against its definition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss, top_k_accuracy_score

from crosspath.objectives.metrics import average_precisions, classification_metrics, f1_scores, multi_label_metrics


def _sample(classes: int, samples: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    labels_N = torch.randint(classes, (samples,), generator=generator)
    logits_NK = torch.randn(samples, classes, generator=generator)
    logits_NK[torch.arange(samples), labels_N] += 1.0
    return logits_NK, labels_N


# Of five classes every label is among the five best: a top-5 accuracy would always be 1.
@pytest.mark.parametrize("classes", [3, 5, 6, 10])
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


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Written out: for every positive, the share of positives among the samples that score at least as high."""
    return float(np.mean([positive[scores >= score].mean() for score in scores[positive]]))


@given(seed=st.integers(0, 10**6), samples=st.integers(2, 40), levels=st.sampled_from([2, 5, 10**6]))
def test_average_precision_follows_its_definition_with_ties_too(seed: int, samples: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, levels, (samples, 3)) / levels
    labels = generator.random((samples, 3)) < 0.4
    labels[0] = True
    precisions = average_precisions(torch.from_numpy(scores), torch.from_numpy(labels))
    expected = [average_precision(scores[:, k], labels[:, k]) for k in range(3)]
    assert precisions.tolist() == pytest.approx(expected, abs=1e-12)


def test_scores_of_a_diverged_model_are_ranked_rather_than_refused() -> None:
    scores = torch.tensor([[float("nan")], [float("inf")], [1.0], [-float("inf")]])
    assert average_precisions(scores, torch.tensor([[0], [0], [1], [0]])).tolist() == pytest.approx([1 / 3])


def test_a_class_without_positives_is_left_out_and_counted() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 2.0, 5.0]])
    labels = torch.tensor([[1, 0, 0], [0, 0, 1], [1, 0, 1]], dtype=torch.uint8)
    metrics = multi_label_metrics(logits, labels)
    assert metrics["map_classes"] == 2.0
    assert metrics["map"] == pytest.approx(1.0)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits.double(), labels.double())
    assert metrics["loss"] == pytest.approx(float(expected))
    assert multi_label_metrics(logits, torch.zeros_like(labels)) == {}


def test_f1_is_scikit_learns_over_the_classes_with_a_positive() -> None:
    generator = torch.Generator().manual_seed(3)
    labels = (torch.rand(40, 6, generator=generator) < 0.3).to(torch.uint8)
    labels[:, 4] = 0
    logits = torch.randn(40, 6, generator=generator)
    found, predicted = f1_scores(logits, labels), (logits > 0).numpy()
    assert found["micro_f1"] == pytest.approx(f1_score(labels.numpy(), predicted, average="micro"), rel=1e-12)
    of_classes = f1_score(labels.numpy(), predicted, average=None, zero_division=0.0)
    assert found["macro_f1"] == pytest.approx(np.delete(of_classes, 4).mean(), rel=1e-12)
    assert f1_scores(-torch.ones(3, 2), torch.ones(3, 2)) == {"macro_f1": 0.0, "micro_f1": 0.0}
