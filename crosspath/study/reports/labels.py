"""How many labels does a pathway save? The number that the plain model needs for the same accuracy."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crosspath.study.arms import NONE
from crosspath.study.rows import Row
from crosspath.study.statistics import CONFIDENCE, mean_and_sd


@dataclass(frozen=True, kw_only=True)
class Saving:
    """The label-saving factor of one arm at one number of labels."""

    target: str
    auxiliary: str | None
    arm: str
    variant: str | None
    labels_per_class: int
    factor: float | None
    """Labels that `none` needs for the same accuracy, divided by the labels of the arm; the geometric mean over seeds.
    None if the accuracy of some seed lies outside the range of `none`."""
    low: float | None
    high: float | None
    """95 % interval, of the paired t test on the logarithm."""
    seeds: int
    beyond: int
    """Seeds whose accuracy lies outside the range of `none`, and which have no factor."""

    def to_json(self) -> dict[str, Any]:
        """The saving as plain data."""
        return asdict(self)


def label_savings(rows: Sequence[Row]) -> list[Saving]:
    """The factor of every arm at every number of labels, for targets with at least two numbers of labels.

    The curve of `none` is computed for each seed: monotone by isotonic regression, and linear in the logarithm of the
    number of labels.
    """
    curves: dict[tuple[str, str | None], dict[int, Row]] = {}
    for row in rows:
        if row.arm == NONE.name and row.labels_per_class is not None:
            curves.setdefault((row.target, row.variant), {})[row.labels_per_class] = row
    savings = []
    for row in rows:
        curve = curves.get((row.target, row.variant), {})
        if row.arm == NONE.name or row.labels_per_class is None or len(curve) < 2:
            continue
        savings.append(_saving(row, curve))
    return savings


def _saving(row: Row, curve: dict[int, Row]) -> Saving:
    from scipy.stats import t as student

    labels = sorted(curve)
    logs = []
    for index, value in enumerate(row.values):
        count = labels_for(value, labels, [curve[size].values[index] for size in labels])
        if count is not None:
            logs.append(math.log(count / float(row.labels_per_class or 1)))
    mean = spread = None
    if len(logs) == len(row.values) and logs:
        mean, spread = mean_and_sd(logs)
    half = None
    if spread is not None and len(logs) > 2:
        half = float(student.ppf(0.5 + CONFIDENCE / 2, len(logs) - 1)) * spread / math.sqrt(len(logs))
    return Saving(
        target=row.target,
        auxiliary=row.auxiliary,
        arm=row.arm,
        variant=row.variant,
        labels_per_class=int(row.labels_per_class or 0),
        factor=None if mean is None else math.exp(mean),
        low=None if mean is None or half is None else math.exp(mean - half),
        high=None if mean is None or half is None else math.exp(mean + half),
        seeds=len(row.values),
        beyond=len(row.values) - len(logs),
    )


def labels_for(value: float, labels: Sequence[int], values: Sequence[float]) -> float | None:
    """The labels per class at which a curve of accuracies reaches `value`; None outside the curve."""
    from sklearn.isotonic import IsotonicRegression

    logs = np.log(np.asarray(labels, dtype=float))
    fit = IsotonicRegression().fit_transform(logs, np.asarray(values, dtype=float))
    if not fit[0] <= value <= fit[-1] or fit[0] == fit[-1]:
        return None
    # The smallest such number: the left end of a flat piece.
    right = int(np.searchsorted(fit, value))
    if right == 0:
        return float(labels[0])
    share = (value - fit[right - 1]) / (fit[right] - fit[right - 1])
    return float(np.exp(logs[right - 1] + share * (logs[right] - logs[right - 1])))
