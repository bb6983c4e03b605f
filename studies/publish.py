"""Put studies into the documents: their rows into `docs/results.json`, their tables into `docs/results.md`.

    python studies/publish.py runs/twelve-directions runs/longer

A study's table stands in `docs/results.md` between `<!-- table: NAME KIND -->` and `<!-- end -->` and is written anew
from the rows of `docs/results.json`, so that the two cannot come apart; without a folder all tables are written again.
`KINDS` lists the kinds.
"""

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crosspath.study.labels import label_savings
from crosspath.study.statistics import compare_paired
from crosspath.study.table import Row as TableRow

DOCS = Path(__file__).resolve().parent.parent / "docs"
MARKED = re.compile(r"(<!-- table: ([\w-]+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = dict[str, Any]


def main() -> None:
    """Take in the studies that are named, then write every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", type=Path, help="folders of studies, each with a results.json")
    options = parser.parse_args()
    rows: list[Row] = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))
    for folder in options.studies:
        summary = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        command = f"crosspath study studies/{summary['study']}.yaml --data DATA"
        taken = [{**row, "command": command} for row in summary["rows"]]
        rows = [row for row in rows if row["study"] != summary["study"]] + taken
    (DOCS / "results.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    (DOCS / "results.md").write_text(with_tables(page, rows), encoding="utf-8")


def with_tables(page: str, rows: list[Row]) -> str:
    """The page with every marked table written from the rows."""

    def written(found: re.Match[str]) -> str:
        table = KINDS[found[3]]([row for row in rows if row["study"] == found[2]])
        return f"{found[1]}{table}\n{found[4]}"

    return MARKED.sub(written, page)


def directions(rows: list[Row]) -> str:
    """One line a direction, with its control `random` beside it."""
    plain = {row["target"]: row for row in rows if row["arm"] == "none"}
    random = {(row["target"], row["auxiliary"]): row for row in rows if row["arm"] == "random"}
    columns = ("target", "auxiliary", "`none`, %", "`pathway` − `none`", "p", "p adjusted", "verdict")
    columns += ("`random` − `none`", "`pathway` − `random`")
    lines = []
    for row in (row for row in rows if row["arm"] == "pathway"):
        key = row["target"], row["auxiliary"]
        said = (named(row["target"]), named(row["auxiliary"]), spread(plain[key[0]]), *compared(row))
        lines.append((*said, interval(random[key]), over(row, random[key])))
    return table(columns, lines)


def controls(rows: list[Row]) -> str:
    """One line an arm, of the one direction a target that has controls; the pathway itself first."""
    columns = ("target", "arm", "auxiliary", "test, %", "− `none`", "p", "p adjusted", "verdict", "`pathway` − arm")
    lines = []
    for copied in (row for row in rows if row["arm"] == "copy"):
        target, auxiliary = copied["target"], copied["auxiliary"]
        own = [row for row in rows if row["target"] == target and row["arm"] != "none"]
        own = [row for row in own if row["auxiliary"] == auxiliary or row["arm"] in ("mimetic", "same-modality")]
        pathway = next(row for row in own if row["arm"] == "pathway")
        for row in own:
            difference = "" if row is pathway else over(pathway, row)
            said = (named(target), named(row["arm"]), named(row["auxiliary"]), spread(row), *compared(row), difference)
            lines.append(said)
    return table(columns, lines)


def variants(rows: list[Row]) -> str:
    """One line a variant of the pathway, and `none` once for all of them."""
    columns = ("target", "setting", "rate", "test, %", "− `none`", "p", "p adjusted", "verdict")
    lines = []
    for target in dict.fromkeys(row["target"] for row in rows):
        own = [row for row in rows if row["target"] == target]
        lines += [(named(target), named("none"), f"{row['rate']:g}", spread(row)) for row in own[:1]]
        lines += [
            (named(target), row["variant"], f"{row['rate']:g}", spread(row), *compared(row))
            for row in own
            if row["arm"] != "none"
        ]
    return table(columns, lines)


def savings(rows: list[Row]) -> str:
    """One line a number of labels: accuracy of both arms, and how many labels `none` would need for the same."""
    columns = ("target", "auxiliary", "labels a class", "`none`, %", "`pathway`, %", "difference", "p", "p adjusted")
    columns += ("verdict", "worth as many labels times")
    found = label_savings([TableRow(**{**row, "seeds": tuple(row["seeds"])}) for row in rows])
    factors = {(one.target, one.labels_per_class): one for one in found if one.arm == "pathway"}
    plain = {(row["target"], row["labels_per_class"]): row for row in rows if row["arm"] == "none"}
    lines = []
    for row in (row for row in rows if row["arm"] == "pathway"):
        key = row["target"], row["labels_per_class"]
        one = factors[key]
        factor = f"{one.beyond} of {one.seeds} seeds beyond what `none` reached"
        if one.factor is not None and one.low is not None and one.high is not None:
            factor = f"{one.factor:.2f} ({one.low:.2f} to {one.high:.2f})"
        said = (named(key[0]), named(row["auxiliary"]), str(key[1]), spread(plain[key]), spread(row), *compared(row))
        lines.append((*said, factor))
    return table(columns, lines)


def arms(rows: list[Row]) -> str:
    """One line a row."""
    columns = ("target", "labels", "arm", "auxiliary", "test, %", "− `none`", "p", "verdict")
    lines = []
    for row in rows:
        arm = named(row["arm"]) + (f" {row['variant']}" if row["variant"] else "")
        said = (named(row["target"]), str(row["labels_per_class"]), arm, named(row["auxiliary"]), spread(row))
        lines.append((*said, interval(row), small(row["p"]), row["verdict"] or ""))
    return table(columns, lines)


KINDS = {"directions": directions, "controls": controls, "arms": arms, "variants": variants, "savings": savings}
"""What a marked table shows of its study's rows."""


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Markdown; short lines are filled up with empty cells."""
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join(head + [f"| {' | '.join((*line, *[''] * (len(columns) - len(line))))} |" for line in lines])


def named(name: str | None) -> str:
    """As code; nothing for nothing."""
    return f"`{name}`" if name else ""


def compared(row: Row) -> tuple[str, str, str, str]:
    """Difference to `none`, p, adjusted p, verdict."""
    return interval(row), small(row["p"]), small(row["p_adjusted"]), row["verdict"] or ""


def spread(row: Row) -> str:
    """Mean and standard deviation in percent."""
    return f"{100 * row['mean']:.1f} ± {100 * row['std']:.1f}"


def interval(row: Row) -> str:
    """The difference to `none` with its 95 % interval, in percentage points."""
    if row["difference"] is None or row["low"] is None:
        return ""
    mean, low, high = (signed(row[name]) for name in ("difference", "low", "high"))
    return f"{mean} ({low} to {high})"


def over(row: Row, other: Row) -> str:
    """The difference of two arms, paired by seed, with its 95 % interval."""
    return interval(asdict(compare_paired(row["values"], other["values"])))


def signed(fraction: float) -> str:
    """Percentage points with their sign."""
    return f"{100 * fraction:+.1f}".replace("-", "−")


def small(p: float | None) -> str:
    """A p-value; very small ones by their exponent."""
    return "" if p is None else f"{p:.3f}" if p >= 0.0095 else f"{p:.1e}"


if __name__ == "__main__":
    main()
