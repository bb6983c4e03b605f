"""The table of a comparison, from the results of its runs alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from crosspath.escape import to_markdown
from crosspath.metrics import METRICS, metric_of
from crosspath.study.statistics import CONFIDENCE, Verdict, compare_paired, false_discovery, mean_and_sd
from crosspath.training.result import Result

BASELINE = "none"
CAPTION = (
    "Mean ± standard deviation over seeds. Differences are in {unit}, paired by seed with the arm none "
    "(same initial weights, order and labels); the 95 % interval and p come from the paired t test. Seeds needed: for "
    "80 % power, if the true effect and spread equal the observed ones."
)

POWER_CAPTION = (
    "the true difference that would have a verdict in 80 % of cases with these seeds (noncentral t distribution), from "
    "the spread in the trials of the search or the one that the study states; computed without the reported runs."
)


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
    """Whether `rate` is the lowest or the highest of `grid`."""
    weight_decay: float | None = None
    """The best one of the search; None where the recipe's own was used."""
    expected_spread: float | None = None
    """The standard deviation over seeds expected of the paired difference: stated in the study, or that of the trials
    of the search."""
    detectable: float | None = None
    """The difference that would have a verdict in 80 % of cases with these seeds and `expected_spread`."""
    core_seconds: float | None = None
    """Seconds of its runs on the clock, those of its search among them, times their threads."""
    unsettled: str | None = None
    """Why there is no verdict, in words, where the search of the arm or of `none` ended at the edge although it may
    widen; None elsewhere."""

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Row":
        """A row of a `results.json` or `demo.json`."""
        return cls(**{**entry, "seeds": tuple(entry["seeds"]), "values": tuple(entry["values"])})


def score(result: Result, part: str) -> float:
    """The value of `metric_of` on a part of a run."""
    return float(result.metrics[part][metric_of(result.metrics[part])])


def score_text(result: Result, part: str) -> str:
    """`score` as a person reads it: `71.3 %`."""
    return METRICS[metric_of(result.metrics[part])].text(score(result, part))


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


def markdown(title: str, rows: Sequence[Row], settings: Mapping[str, Sequence[str]]) -> str:
    """The table as Markdown, one section per comparison, and the settings in which runs differ from recipes."""
    lines = [
        f"# {to_markdown(title)}",
        "",
        caption_of(rows),
        "Where an arm is compared in several directions, adjusted p decides its verdict.",
        "",
    ]
    for name, members in group_rows(rows).items():
        columns, table = table_of(members)
        lines += [f"## {to_markdown(name)}", "", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
        lines += [f"| {' | '.join(map(to_markdown, line))} |" for line in table]
        lines += ["", *(f"{to_markdown(note)}\n" for note in notes_on(members))]
    lines += [f"Settings of {to_markdown(scope)}: {to_markdown(' '.join(of))}\n" for scope, of in settings.items()]
    return "\n".join(lines)


def notes_on(rows: Sequence[Row]) -> list[str]:
    """What limits the rows of a comparison: a sentence for every arm whose pathway had no part in its runs, and one for
    best rates at the edge of a list, beyond which no search went.
    """
    notes = [f"{_name(row)}: {text}" for row in rows for text in (row.idle, row.unsettled) if text]
    edges = [row for row in rows if row.at_edge and row.unsettled is None]
    if edges:
        names = ", ".join(f"{_name(row)} ({row.rate:g})" for row in edges)
        notes.append(f"Best rate at the edge of the list, beyond which a better one may lie: {names}")
    return notes


def _name(row: Row) -> str:
    return f"{row.arm} from {row.auxiliary}" if row.auxiliary else row.arm


def group_rows(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """{title: rows} of every comparison."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(heading(row), []).append(row)
    return groups


def heading(row: Row) -> str:
    """The title of a comparison: target, labels, variant, and the part unless it is the test part."""
    labels = row.labels_per_class and f"{row.labels_per_class} labels per class"
    parts = (labels, row.variant, None if row.part == "test" else f"{row.part} part")
    return ", ".join([row.target, *(str(part) for part in parts if part)])


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The headings of a comparison's table, its metric with its unit."""
    heading = METRICS[rows[0].metric if rows else "accuracy"].heading
    return ("arm", "auxiliary", heading, "difference", "95 % interval", "p", "verdict", "seeds needed")


DETECTABLE = "detectable"


def table_of(rows: Sequence[Row]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The headings and lines of a comparison's table, with the difference that it could show where that is known."""
    columns, lines = columns_of(rows), [cells(row) for row in rows]
    if all(row.detectable is None for row in rows):
        return columns, lines
    return (*columns, DETECTABLE), [(*line, detectable_text(row)) for line, row in zip(lines, rows, strict=True)]


def detectable_text(row: Row) -> str:
    """The difference that the comparison of a row could show; empty where it was not computed."""
    return "" if row.detectable is None else METRICS[row.metric].number(row.detectable)


def caption_of(rows: Sequence[Row]) -> str:
    """What stands above or below a table: what its columns mean, and in which direction its metric is better."""
    metrics = [METRICS[name] for name in dict.fromkeys(row.metric for row in rows)] or [METRICS["accuracy"]]
    units = dict.fromkeys("percentage points" if metric.percent else f"units of {metric.title}" for metric in metrics)
    less = [metric.title for metric in metrics if not metric.more_is_better]
    caption = CAPTION.format(unit=" or ".join(units))
    if any(row.detectable is not None for row in rows):
        caption += f" {DETECTABLE.capitalize()}: {POWER_CAPTION}"
    return caption + (f" Less is better: {', '.join(less)}." if less else "")


def cells(row: Row) -> tuple[str, ...]:
    """The row as text, for `columns_of`: accuracies in percent, differences in percentage points."""
    metric = METRICS[row.metric]
    spread = "" if row.std is None else f" ± {metric.number(row.std)}"
    interval = "" if row.low is None or row.high is None else f"{metric.signed(row.low)} to {metric.signed(row.high)}"
    return (
        row.arm,
        row.auxiliary or "",
        f"{metric.number(row.mean)}{spread}",
        "" if row.difference is None else metric.signed(row.difference),
        interval,
        p_text(row),
        "unsettled" if row.unsettled else row.verdict or "",
        "" if row.seeds_needed is None else f"{row.seeds_needed:,}",
    )


def p_text(row: Row) -> str:
    """p, and where the arm is one of several directions the adjusted p, which decides."""
    if row.p is None:
        return ""
    return ", adjusted ".join(_rounded(p) for p in (row.p, row.p_adjusted) if p is not None)


def _rounded(p: float) -> str:
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def signed_points(fraction: float) -> str:
    """A difference of accuracies, in percentage points with its sign."""
    return METRICS["accuracy"].signed(fraction)
