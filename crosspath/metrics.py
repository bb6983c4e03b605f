"""The metrics of all objectives: which direction is better, and how a value and a difference are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

SIGNIFICANT = 4
"""Digits of a value in the user's own units."""
ROUNDING = 1e-9
"""A difference below it is one of rounding, and has no sign."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric."""

    name: str
    title: str
    """As a person calls it, without its unit."""
    more_is_better: bool = True
    percent: bool = False
    """Whether values are fractions, which are shown in percent, and their differences in percentage points."""
    digits: int | None = 3
    """Behind the point of a shown number; None for values in the user's own units, of any size: four that signify."""

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.more_is_better else -1

    @property
    def heading(self) -> str:
        """Title and unit, for a column or an axis: `accuracy, %`."""
        return f"{self.title}, %" if self.percent else self.title

    @property
    def unit_of_differences(self) -> str:
        """`points` of a percentage; nothing else has a unit that is known here."""
        return "points" if self.percent else ""

    def number(self, value: float) -> str:
        """A value without its unit: `71.3`."""
        return _format(100 * value if self.percent else value, self.digits)

    def text(self, value: float) -> str:
        """A value with its unit: `71.3 %`."""
        return f"{self.number(value)} %" if self.percent else self.number(value)

    def signed_number(self, difference: float) -> str:
        """A difference with its sign: `+1.2` percentage points, or in the units of the metric."""
        value = difference if abs(difference) > ROUNDING else 0.0
        return _format(100 * value if self.percent else value, self.digits, "+").replace("-", "\u2212")


_METRICS = (
    Metric(name="map", title="mean average precision", percent=True, digits=1),
    Metric(name="box_ap", title="box AP", percent=True, digits=1),
    Metric(name="instance_miou", title="instance mIoU", percent=True, digits=1),
    Metric(name="miou", title="mIoU", percent=True, digits=1),
    Metric(name="r2", title="R²"),
    Metric(name="accuracy", title="accuracy", percent=True, digits=1),
    Metric(name="loss", title="loss", more_is_better=False, digits=4),
    Metric(name="top5_accuracy", title="top-5 accuracy", percent=True, digits=1),
    Metric(name="map_classes", title="classes with a positive", digits=0),
    Metric(name="macro_f1", title="macro F1", percent=True, digits=1),
    Metric(name="micro_f1", title="micro F1", percent=True, digits=1),
    Metric(name="class_miou", title="class mIoU", percent=True, digits=1),
    Metric(name="iou", title="IoU", percent=True, digits=1),
    Metric(name="pixel_accuracy", title="pixel accuracy", percent=True, digits=1),
    Metric(name="point_accuracy", title="point accuracy", percent=True, digits=1),
    Metric(name="box_ap50", title="box AP at IoU 0.5", percent=True, digits=1),
    Metric(name="box_ap75", title="box AP at IoU 0.75", percent=True, digits=1),
    Metric(name="box_ap_small", title="box AP, small", percent=True, digits=1),
    Metric(name="box_ap_medium", title="box AP, medium", percent=True, digits=1),
    Metric(name="box_ap_large", title="box AP, large", percent=True, digits=1),
    Metric(name="mae", title="mean absolute error", more_is_better=False, digits=None),
    Metric(name="rmse", title="root mean squared error", more_is_better=False, digits=None),
)
OF_CLASSES = frozenset({"iou"})
"""Metrics of each class, by its number: `iou/3`."""
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _METRICS}
"""By name. The order is that of `metric_of`: what is compared stands before what is only reported."""


def plain_text(name: str, value: float) -> str:
    """A value as it is in files: fractions stay such, `0.7134`; in the user's own units four digits that signify."""
    metric = METRICS.get(name.partition("/")[0])
    return _format(value, None if metric is not None and metric.digits is None else 4)


def _format(value: float, digits: int | None, sign: str = "") -> str:
    if digits is not None:
        return format(value, f"{sign}.{digits}f")
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return format(value, f"{sign}.{SIGNIFICANT}g")
    return format(value, f"{sign}.{max(0, SIGNIFICANT - 1 - floor(log10(abs(value))))}f")


def metric_of(metrics: Mapping[str, float]) -> str:
    """The name of the metric by which runs are compared, and by which an objective selects: the first of the table
    that was measured; `accuracy` where none was."""
    return next((name for name in METRICS if name in metrics), "accuracy")


def with_class_names(metrics: Mapping[str, float], classes: Sequence[str]) -> dict[str, float]:
    """The metrics with the names of classes for their numbers: `iou/3` is `iou/sky`."""
    return {
        f"{head}/{classes[int(tail)]}" if tail.isdecimal() and head in OF_CLASSES else name: value
        for name, value in metrics.items()
        for head, _, tail in (name.partition("/"),)
    }
