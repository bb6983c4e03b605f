"""The rows of a comparison: an arm's values, its difference from `none` and the verdict, from the results of its runs
alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from crosspath.errors import InputError
from crosspath.metrics import METRICS, metric_of
from crosspath.study.statistics import CONFIDENCE, Verdict, compare_paired, false_discovery, mean_and_sd
from crosspath.training.result import Result


@dataclass(frozen=True, kw_only=True)
class Row:
    """One arm. Values, means and differences are in the unit of the metric, fractions for percentages; None where not
    computed. A difference is that of the values: of a metric of which less is better, one below 0 helps."""

    target: str
    auxiliary: str | None
    """The recipe that the auxiliary's weights (or, for a control, its shapes) come from."""
    arm: str
    metric: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    """On `part`, one per seed."""
    mean: float
    std: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    seeds_needed: int | None = None
    p_adjusted: float | None = None
    """Benjamini and Hochberg (1995), over the directions of one arm. Where present, it decides the verdict."""
    part: str = "test"
    labels_per_class: int | None = None
    variant: str | None = None
    rate: float | None = None
    """The learning rate, the best of the search."""
    study: str | None = None
    command: str | None = None
    idle: str | None = None
    """That the pathway had no part in its runs, in words with what to try; None where it had in all of them."""
    idle_runs: int = 0
    """In how many of them."""
    grid: Mapping[str, Sequence[float | None]] | None = None
    """{"rates": those that its search tried, ascending, "validation": their mean scores, None where a trial diverged};
    None without a search."""
    at_edge: bool = False
    """Whether `rate` is the lowest or the highest of `grid`, or `weight_decay` the largest that was tried."""
    weight_decay: float | None = None
    """The best one of the search; None where the recipe's own was used."""
    expected_spread: float | None = None
    """The standard deviation over seeds expected of the paired difference: stated in the study, or that of the trials
    of the search."""
    detectable: float | None = None
    """The difference that would be detected in 80 % of cases with these seeds and `expected_spread`."""
    core_seconds: float | None = None
    """Seconds of its runs on the clock, those of its search among them, times their threads."""
    unsettled: str | None = None
    """Why there is no verdict, in words, where the search of the arm or of `none` ended at its edge; None elsewhere."""

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Row":
        """A row of a `results.json` or `demo.json`."""
        return cls(**{**entry, "seeds": tuple(entry["seeds"]), "values": tuple(entry["values"])})


def score(result: Result, part: str) -> float:
    """The value of `metric_of` on a part of a run. Raises `InputError` where nothing was measured there."""
    metrics = result.metrics[part]
    if (name := metric_of(metrics)) not in metrics:
        expected, todo = "samples that give a metric", "hold out others, with another --out"
        raise InputError(f"the {part} part of {result.recipe}", expected, "none", todo)
    return float(metrics[name])


def score_text(result: Result, part: str) -> str:
    """`score` as a person reads it: `71.3 %`."""
    value = score(result, part)
    return METRICS[metric_of(result.metrics[part])].text(value)


def goodness(result: Result, part: str) -> float:
    """`score`, turned so that more is better."""
    return METRICS[metric_of(result.metrics[part])].sign * score(result, part)


def make_row(
    runs: Sequence[Result],
    *,
    baseline: Sequence[float] | None,
    arm: str,
    auxiliary: str | None,
    metric: str,
    part: str = "test",
) -> Row:
    """The row of one arm; `baseline` has the values of `none` for the same seeds, and is None for `none` itself."""
    values = [result.metrics[part][metric] for result in runs]
    mean, std = mean_and_sd(values)
    comparison = {} if baseline is None else asdict(compare_paired(values, baseline, METRICS[metric].more_is_better))
    return Row(
        target=runs[0].recipe,
        auxiliary=auxiliary,
        arm=arm,
        metric=metric,
        seeds=tuple(result.seed for result in runs),
        values=tuple(values),
        mean=mean,
        std=std,
        part=part,
        **comparison,
    )


def leave_unsettled(row: Row, reason: str) -> Row:
    """The row without a verdict, because a search ended at the edge."""
    verdict: Verdict | None = None if row.verdict is None else "no evidence"
    return replace(row, verdict=verdict, reason=reason, seeds_needed=None, unsettled=reason)


def adjust_verdicts(rows: Sequence[Row]) -> list[Row]:
    """The rows with `p_adjusted`, and verdicts that follow it, wherever a study compares one arm in several directions.

    All comparisons of one arm in a study are a family. p and the interval stay unadjusted. An unsettled comparison has
    no verdict that could be adjusted, and counts as one of the family that shows nothing.
    """
    families: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if row.p is not None:
            families.setdefault(row.arm, []).append(index)
    result = list(rows)
    for members in families.values():
        if len(members) < 2:
            continue
        values = [1.0 if rows[i].unsettled else float(rows[i].p or 0.0) for i in members]
        for index, p in zip(members, false_discovery(values), strict=True):
            row = rows[index]
            if row.unsettled:
                continue
            verdict, reason = row.verdict, row.reason
            if verdict != "no evidence" and p >= 1 - CONFIDENCE:
                verdict = "no evidence"
                reason = f"p is {row.p:.3f} alone, and {p:.3f} as one of {len(members)} directions"
            result[index] = replace(row, p_adjusted=p, verdict=verdict, reason=reason)
    return result
