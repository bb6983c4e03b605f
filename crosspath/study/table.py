"""The table of a comparison, from the results of its runs and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crosspath.study.statistics import Verdict, compare_paired, mean_and_sd
from crosspath.training.result import Result

BASELINE = "none"
CAPTION = (
    "Mean ± standard deviation over seeds. Differences, in percentage points, are paired by seed against the arm none "
    "(same initial weights, order and labels); their 95 % interval and p are those of the paired t test. Seeds needed: "
    "for 80 % power, were the true effect and spread those seen here."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One arm. Values, means and differences are fractions; null where not computed."""

    target: str
    auxiliary: str | None
    """The recipe that the auxiliary's weights (or, for a control, its shapes) come from."""
    arm: str
    metric: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    """On the test part, one a seed."""
    mean: float
    std: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    seeds_needed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def compare_arms(
    results: Mapping[str, Sequence[Result]], auxiliaries: Mapping[str, str | None], metric: str = "accuracy"
) -> list[Row]:
    """One row an arm, in the order given; entry i of every arm has the same seed. `none` must be among them.

    `auxiliaries` is {arm: recipe name}, None for an arm without one.
    """
    baseline = [result.metrics["test"][metric] for result in results[BASELINE]]
    rows = []
    for arm, runs in results.items():
        values = [result.metrics["test"][metric] for result in runs]
        mean, std = mean_and_sd(values)
        found = {} if arm == BASELINE else asdict(compare_paired(values, baseline))
        rows.append(
            Row(
                target=runs[0].recipe,
                auxiliary=auxiliaries[arm],
                arm=arm,
                metric=metric,
                seeds=tuple(result.seed for result in runs),
                values=tuple(values),
                mean=mean,
                std=std,
                **found,
            )
        )
    return rows


COLUMNS = ("arm", "auxiliary", "test accuracy, %", "difference", "95 % interval", "p", "verdict", "seeds needed")


def cells(row: Row) -> tuple[str, ...]:
    """The row in words, under `COLUMNS`; accuracies in percent, differences in percentage points."""
    spread = "" if row.std is None else f" ± {100 * row.std:.1f}"
    interval = "" if row.low is None or row.high is None else f"{signed_points(row.low)} to {signed_points(row.high)}"
    return (
        row.arm,
        row.auxiliary or "",
        f"{100 * row.mean:.1f}{spread}",
        "" if row.difference is None else signed_points(row.difference),
        interval,
        "" if row.p is None else f"{row.p:.3f}",
        row.verdict or "",
        "" if row.seeds_needed is None else f"{row.seeds_needed:,}",
    )


def signed_points(fraction: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    return f"{100 * fraction:+.1f}".replace("-", "−")
