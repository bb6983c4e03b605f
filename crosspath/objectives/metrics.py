"""Metrics of classification, with one label per sample or several, as pure functions that sum in float64."""

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

    Accuracies are fractions. Without samples the result is empty.
    """
    if len(labels_N) == 0:
        return {}
    labels_N = labels_N.to(torch.int64)
    metrics = {"accuracy": accuracy(logits_NK, labels_N), "loss": mean_loss(logits_NK, labels_N)}
    if logits_NK.shape[-1] > TOP:
        metrics["top5_accuracy"] = top_accuracy(logits_NK, labels_N)
    return metrics


def average_precisions(scores_NK: Tensor, labels_NK: Tensor) -> Tensor:
    """Average precision of each class (K,) in float64, as scikit-learn defines it: the mean, over the positives of the
    class, of the precision at their rank. Samples of equal score share a rank.

    A class without positives has no average precision: NaN. Scores that are not finite are ranked too, NaN first.
    """
    from sklearn.metrics import average_precision_score

    finite_NK = scores_NK.double().nan_to_num(nan=torch.finfo(torch.float64).max)
    scores, labels = finite_NK.cpu().numpy(), labels_NK.bool().cpu().numpy()
    values = [
        average_precision_score(labels[:, k], scores[:, k]) if labels[:, k].any() else torch.nan
        for k in range(labels.shape[1])
    ]
    return torch.tensor(values, dtype=torch.float64)


def f1_scores(logits_NK: Tensor, labels_NK: Tensor) -> dict[str, float]:
    """`macro_f1`, the mean of F1 over the classes with a positive, and `micro_f1`, of all labels together, each the
    harmonic mean of precision and recall; a label is predicted where its logit is above 0."""
    predicted_NK, actual_NK = logits_NK > 0, labels_NK.bool()
    right_K = (predicted_NK & actual_NK).sum(dim=0).double()
    marked_K = predicted_NK.sum(dim=0).double() + actual_NK.sum(dim=0)
    of_classes_K = 2 * right_K / marked_K.clamp_min(1)
    macro = of_classes_K[actual_NK.any(dim=0)].mean()
    return {"macro_f1": float(macro), "micro_f1": float(2 * right_K.sum() / marked_K.sum().clamp_min(1))}


def multi_label_metrics(logits_NK: Tensor, labels_NK: Tensor) -> dict[str, float]:
    """`map`, the mean of the classes' average precisions; `map_classes`, how many had a positive; `macro_f1` and
    `micro_f1`, of labels with a probability above a half; `loss`.

    A class without positives does not enter `map` and `macro_f1`. Without samples, or without any positive, the result
    is empty. `loss` is the mean binary cross entropy in nats.
    """
    if len(labels_NK) == 0 or not labels_NK.any():
        return {}
    precisions_K = average_precisions(logits_NK, labels_NK)
    with_positives_K = ~precisions_K.isnan()
    loss = binary_cross_entropy_with_logits(logits_NK.double(), labels_NK.double())
    return {
        "map": float(precisions_K[with_positives_K].mean()),
        "map_classes": float(with_positives_K.sum()),
        **f1_scores(logits_NK, labels_NK),
        "loss": float(loss),
    }
