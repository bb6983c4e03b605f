"""What sentences say of one row: its direction, its controls, and the simpler arm that does as well."""

from collections.abc import Sequence

from crosspath.metrics import METRICS
from crosspath.study.arms import COPY, MASKED, MIMETIC, PATHWAY, RANDOM
from crosspath.study.reports.effects import Effect
from crosspath.study.reports.table import heading
from crosspath.study.rows import Row
from crosspath.study.statistics import compare_paired

WIDEN = (
    "raise widenings and repeat the command: finished runs count (for a list of rates: search without one, with "
    "another --out)"
)
"""What to do where a search ended at the edge."""
SIMPLER = (MASKED.name, COPY.name, MIMETIC.name)
"""Arms without a pathway, which are to be preferred where they do as well."""


def effect_of(row: Row, name: str | None = None) -> Effect:
    """A row that was compared with `none`, to be drawn."""
    assert row.difference is not None
    label = direction(row) if name is None else name
    return Effect(
        name=label, difference=row.difference, low=row.low, high=row.high, verdict=row.verdict, metric=row.metric
    )


def direction(row: Row) -> str:
    """An arm and its auxiliary: `pathway from audio/esc10`."""
    return row.arm if row.auxiliary is None else f"{row.arm} from {row.auxiliary}"


def beside_random(row: Row, rows: Sequence[Row]) -> str:
    """What the control with random weights says of a gain; empty without a gain or without the control."""
    same = (row.target, row.variant, row.labels_per_class, row.auxiliary)
    control = next((one for one in rows if one.arm == RANDOM.name and _direction_key(one) == same), None)
    if row.verdict != "helps" or control is None:
        return ""
    metric = METRICS[row.metric]
    comparison = compare_paired(row.values, control.values, metric.more_is_better)
    if control.unsettled:
        return f"; the control {RANDOM.name} is unsettled"
    gain = f"random weights of the same shapes: {metric.signed_number(control.difference or 0.0)}"
    return f"; {gain}" if comparison.verdict == "helps" else f"; not clearly more than {gain}"


def simpler_arm(row: Row, rows: Sequence[Row]) -> Row | None:
    """The best arm without a pathway that helps there too, and that the row is not clearly above; None without one."""
    if row.arm != PATHWAY.name:
        return None
    more_is_better = METRICS[row.metric].more_is_better
    others = [
        other
        for other in rows
        if other.arm in SIMPLER
        and other.verdict == "helps"
        and heading(other) == heading(row)
        and other.auxiliary in (None, row.auxiliary)
        and other.seeds == row.seeds
        and compare_paired(row.values, other.values, more_is_better).verdict != "helps"
    ]
    return max(others, key=gain, default=None)


def _direction_key(row: Row) -> tuple[str, str | None, int | None, str | None]:
    return row.target, row.variant, row.labels_per_class, row.auxiliary


def gain(row: Row) -> float:
    """The difference, turned so that more is better."""
    return METRICS[row.metric].sign * (row.difference or 0.0)


def with_labels(row: Row) -> str:
    """A target, and in brackets what else its comparison is about: `image/digits (10 labels per class)`."""
    details = heading(row).removeprefix(row.target).removeprefix(", ")
    return f"{row.target} ({details})" if details else row.target
