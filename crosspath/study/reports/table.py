"""The rows of a comparison as text: its table with headings and caption, and the notes below it."""

from collections.abc import Mapping, Sequence

from crosspath.escape import to_markdown
from crosspath.metrics import METRICS
from crosspath.study.rows import Row

CAPTION = (
    "Mean ± standard deviation over seeds. Differences are in {unit}, paired by seed with the arm none "
    "(same initial weights, order and labels); the 95 % interval and p come from the paired t test. Seeds needed: for "
    "80 % power, if the true effect and spread equal the observed ones."
)

POWER_CAPTION = (
    "the true difference that would be detected in 80 % of cases with these seeds (noncentral t distribution), from "
    "the spread in the trials of the search or the one that the study states; computed without the reported runs."
)


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
    """What limits the rows of a comparison: a sentence for every arm whose pathway had no part in its runs, and for
    every one that a best learning rate or weight decay at the edge of its search leaves unsettled.
    """
    return [f"{_name(row)}: {text}" for row in rows for text in (row.idle, row.unsettled) if text]


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
    interval = (
        ""
        if row.low is None or row.high is None
        else f"{metric.signed_number(row.low)} to {metric.signed_number(row.high)}"
    )
    return (
        row.arm,
        row.auxiliary or "",
        f"{metric.number(row.mean)}{spread}",
        "" if row.difference is None else metric.signed_number(row.difference),
        interval,
        p_text(row),
        "unsettled" if row.unsettled else row.verdict or "",
        "" if row.seeds_needed is None else f"{row.seeds_needed:,}",
    )


def p_text(row: Row) -> str:
    """p, and where the arm is one of several directions the adjusted p, which decides."""
    if row.p is None:
        return ""
    return ", adjusted ".join(_p_text(p) for p in (row.p, row.p_adjusted) if p is not None)


def _p_text(p: float) -> str:
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def signed_points(fraction: float) -> str:
    """A difference of accuracies, in percentage points with its sign."""
    return METRICS["accuracy"].signed_number(fraction)
