"""Put studies into the documents: their rows into `docs/results.json`, their tables into `docs/results.md`.

    python studies/publish.py runs/twelve-directions runs/longer

A study's table stands in `docs/results.md` between `<!-- table: NAME -->` and `<!-- end -->` and is written anew from
the rows of `docs/results.json`, so that the two cannot come apart; without a folder all tables are written again.
"""

import argparse
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crosspath.study.statistics import compare_paired

DOCS = Path(__file__).resolve().parent.parent / "docs"
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
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
        chosen = [row for row in rows if row["study"] == found[2]]
        table = directions(chosen) if found[2].startswith("twelve-directions") else arms(chosen)
        return f"{found[1]}{table}\n{found[3]}"

    return MARKED.sub(written, page)


def directions(rows: list[Row]) -> str:
    """One line a direction, with its control `random` beside it."""
    plain = {row["target"]: row for row in rows if row["arm"] == "none"}
    random = {(row["target"], row["auxiliary"]): row for row in rows if row["arm"] == "random"}
    columns = ("target", "auxiliary", "`none`, %", "`pathway` − `none`", "p", "p adjusted", "verdict")
    columns += ("`random` − `none`", "`pathway` − `random`")
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for row in (row for row in rows if row["arm"] == "pathway"):
        key = row["target"], row["auxiliary"]
        lines.append(
            f"| `{key[0]}` | `{key[1]}` | {spread(plain[key[0]])} | {interval(row)} | {small(row['p'])} | "
            f"{small(row['p_adjusted'])} | {row['verdict']} | {interval(random[key])} | {over(row, random[key])} |"
        )
    return "\n".join(lines)


def arms(rows: list[Row]) -> str:
    """One line a row."""
    lines = [
        "| target | labels | arm | auxiliary | test, % | − `none` | p | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"`{row['arm']}`" + (f" {row['variant']}" if row["variant"] else "")
        auxiliary = f"`{row['auxiliary']}`" if row["auxiliary"] else ""
        start = f"| `{row['target']}` | {row['labels_per_class']} | {name} | {auxiliary} | "
        lines.append(f"{start}{spread(row)} | {interval(row)} | {small(row['p'])} | {row['verdict'] or ''} |")
    return "\n".join(lines)


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
