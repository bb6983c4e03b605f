"""Metrics of classification, as pure functions of logits and labels. Sums run in float64."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

TOP = 5


def accuracy(logits_NK: Tensor, labels_N: Tensor) -> float:
    """Fraction of samples whose largest logit is the label's."""
    return float((logits_NK.argmax(dim=-1) == labels_N).double().mean())


def top_accuracy(logits_NK: Tensor, labels_N: Tensor, count: int = TOP) -> float:
    """Fraction of samples whose label is among the `count` largest logits."""
    largest_NC = logits_NK.topk(count, dim=-1).indices
    return float((largest_NC == labels_N[:, None]).any(dim=-1).double().mean())


def mean_loss(logits_NK: Tensor, labels_N: Tensor) -> float:
    """Mean cross entropy in nats, without label smoothing."""
    return float(cross_entropy(logits_NK.double(), labels_N))


def classification_metrics(logits_NK: Tensor, labels_N: Tensor) -> dict[str, float]:
    """`accuracy`, `loss`, and `top5_accuracy` where there are more than five classes.

    Accuracies are fractions; without samples there is no metric and the result is empty.
    """
    if len(labels_N) == 0:
        return {}
    labels_N = labels_N.to(torch.int64)
    metrics = {"accuracy": accuracy(logits_NK, labels_N), "loss": mean_loss(logits_NK, labels_N)}
    if logits_NK.shape[-1] > TOP:
        metrics["top5_accuracy"] = top_accuracy(logits_NK, labels_N)
    return metrics
