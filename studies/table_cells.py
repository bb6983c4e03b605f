"""How the published tables write a number, an interval, a verdict; for `publish.py` and `question_tables.py`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from crosspath.metrics import METRICS, Metric
from crosspath.study.statistics import compare_paired

Row = dict[str, Any]


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown; short lines are filled up with empty cells."""
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join(head + [f"| {' | '.join((*line, *[''] * (len(columns) - len(line))))} |" for line in lines])


def code(name: str | None) -> str:
    """The name as code; empty for None."""
    return f"`{name}`" if name else ""


def verdict(row: Row) -> tuple[str, str, str, str]:
    """Difference to `none`, p, adjusted p, verdict."""
    words = "unsettled" if row.get("unsettled") else row["verdict"] or ""
    return interval(row), small(row["p"]), small(row["p_adjusted"]), words


def score(row: Row) -> str:
    """Mean and standard deviation, of accuracies in percent."""
    metric = metric_of(row)
    return metric.number(row["mean"]) + ("" if row["std"] is None else f" ± {metric.number(row['std'])}")


def interval(row: Row) -> str:
    """The difference to `none` with its 95 % interval, of accuracies in percentage points."""
    if row["difference"] is None or row["low"] is None:
        return ""
    mean, low, high = (metric_of(row).signed_number(row[name]) for name in ("difference", "low", "high"))
    return f"{mean} ({low} to {high})"


def over(row: Row, other: Row) -> str:
    """The difference of two arms, paired by seed, with its 95 % interval."""
    return interval(asdict(compare_paired(row["values"], other["values"])))


def metric_of(row: Row) -> Metric:
    """The metric of a row; accuracy where it does not say."""
    return METRICS[row.get("metric", "accuracy")]


def small(p: float | None) -> str:
    """A p-value; very small ones by their exponent."""
    return "" if p is None else f"{p:.3f}" if p >= 0.0095 else f"{p:.1e}"
