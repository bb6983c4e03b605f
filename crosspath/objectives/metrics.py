"""Metrics of classification, of one label a sample or several, as pure functions. Sums run in float64."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

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


def average_precisions(scores_NK: Tensor, labels_NK: Tensor) -> Tensor:
    """Average precision of each class (K,) in float64: the mean, over its positives, of the precision at their rank.

    Samples of equal score share a rank, as in scikit-learn. A class without positives has none: NaN.
    """
    order_NK = scores_NK.argsort(dim=0, descending=True, stable=True)
    sorted_NK = scores_NK.gather(0, order_NK)
    hits_NK = labels_NK.gather(0, order_NK).double()
    found_NK = hits_NK.cumsum(dim=0)
    ranks_N1 = torch.arange(1, len(scores_NK) + 1, dtype=torch.float64)[:, None]
    # Of a run of equal scores every sample has the precision at the end of the run.
    last_NK = torch.ones_like(hits_NK, dtype=torch.bool)
    last_NK[:-1] = sorted_NK[1:] != sorted_NK[:-1]
    precision_NK = torch.where(last_NK, found_NK / ranks_N1, torch.nan)
    filled_NK = _filled_backwards(precision_NK)
    return (filled_NK * hits_NK).sum(dim=0) / labels_NK.double().sum(dim=0)


def multi_label_metrics(logits_NK: Tensor, labels_NK: Tensor) -> dict[str, float]:
    """`map`, the mean of the classes' average precisions; `map_classes`, how many had a positive; `loss`.

    A class without positives has no average precision and is left out of the mean. Without samples, or without any
    positive, the result is empty. `loss` is the mean binary cross entropy in nats.
    """
    if len(labels_NK) == 0 or not labels_NK.any():
        return {}
    precisions_K = average_precisions(logits_NK, labels_NK)
    known_K = ~precisions_K.isnan()
    loss = binary_cross_entropy_with_logits(logits_NK.double(), labels_NK.double())
    return {
        "map": float(precisions_K[known_K].mean()),
        "map_classes": float(known_K.sum()),
        "loss": float(loss),
    }


def _filled_backwards(values_NK: Tensor) -> Tensor:
    """Each NaN replaced by the next value below it; the last row has none."""
    count = len(values_NK)
    places_NK = torch.where(values_NK.isnan(), count, torch.arange(count)[:, None])
    next_NK = places_NK.flip(0).cummin(dim=0).values.flip(0)
    return values_NK.gather(0, next_NK)
