"""Recompute the tables of studies from their run folders, without crosspath: with Python, numpy and SciPy alone.

    python studies/check.py runs/thirty-directions runs/longer docs/results.json

Of a study's folder: every row of `results.json` and every digit of `results.md` from `runs/**/final/*/result.json`
(values, mean, standard deviation, paired difference, interval, p, adjusted p, verdict, seeds needed), label savings,
and the choice of rates from `runs/**/search/*/result.json`. Of a published `results.json`: every row from its own
values, and the tables of the pages beside it. Each difference is printed with its row. Exit code 1 if there is one, 2
for a folder that cannot be read.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from number_forms import METRICS, forms_of, read_tables
from printed_pages import wrong_numbers
from recompute import (
    STATISTICS,
    Cell,
    Numbers,
    Row,
    adjust,
    cell_of,
    chosen_decay,
    chosen_rate,
    core_seconds,
    detectable,
    heading,
    read_cells,
    row_name,
    saving_of,
    search_means,
    spread_of,
    statistics_of,
    turn,
)

RELATIVE = 1e-9
"""Numbers in JSON may differ by rounding; printed digits may not."""
PLAIN = {"arm": "none", "auxiliary": None}
BASELINES = ("none", "scratch")


@dataclass
class Check:
    """What was compared, and what differed."""

    numbers: int = 0
    differences: list[str] = field(default_factory=list)
    unknown_columns: set[str] = field(default_factory=set)
    has_spread: bool = False
    """Whether the study states the spread that it expects."""

    def compare(self, row: str, name: str, table: Any, runs: Any) -> None:
        """Note a value of a table that is not that of the runs."""
        self.numbers += 1
        if not equal(table, runs):
            self.differences.append(f"{row}: {name} is {table} in the table, {runs} from the runs")


def equal(one: Any, other: Any) -> bool:
    """Whether two values of a table are the same, but for rounding in the last digits of a float."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, Sequence) and isinstance(other, Sequence) and not isinstance(one, str):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=1e-12)
    return bool(one == other)


def check_study(folder: Path, check: Check) -> None:
    """Every row of a study's folder, from its runs."""
    summary = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    origins = json.loads((folder / "auxiliaries.json").read_text(encoding="utf-8"))
    cells = read_cells(folder, list(origins))
    rows: list[Row] = summary["rows"]
    study = folder / "study.yaml"
    text = study.read_text(encoding="utf-8") if study.is_file() else ""
    check.has_spread = re.search(r"^ +spread: *\d", text, re.MULTILINE) is not None
    numbers: list[Numbers] = []
    with_row: set[int] = set()
    for row in rows:
        cell, plain = cell_of(row, rows, cells, origins), cell_of({**row, **PLAIN}, rows, cells, origins)
        if cell is None or plain is None:
            check.differences.append(f"{row_name(row)}: no runs of {'it' if cell is None else 'none'} in {folder}")
            numbers.append(statistics_of(row["values"], None, row["metric"]))
            continue
        with_row |= {id(cell), id(plain)}
        numbers.append(check_values(row, cell, plain, check))
    adjust(rows, numbers)
    for row, of_row in zip(rows, numbers, strict=True):
        check_row(row, of_row, check)
    for entry in summary["search"]:
        metric = entry.get("metric", rows[0]["metric"])
        check_search(entry, cell_of(entry, summary["search"], cells, origins), metric, check)
    for entry in summary["label_savings"]:
        same = [row for row in rows if row_name({**row, "study": None}) == row_name(entry)]
        check_saving(entry, same[turn(entry, summary["label_savings"])], rows, check)
    check_sentence(summary.get("answer", {}).get("sentence", ""), rows, numbers, check)
    if not summary["unfinished"]:
        missing = [place for place, cell in cells.items() if id(cell) not in with_row]
        check.differences += [f"{' '.join(filter(None, place))}: runs without a row" for place in missing]
    check_page((folder / "results.md").read_text(encoding="utf-8"), rows, numbers, check)


def check_values(row: Row, cell: Cell, plain: Cell, check: Check) -> Numbers:
    """Rate, seeds and values of a row; returns what follows from the values of the runs."""
    name, metric, part = row_name(row), row["metric"], row.get("part", "test")

    def values_of(of: Cell) -> dict[int, float]:
        runs = of.final.get((chosen_rate(of, metric), chosen_decay(of, metric)), {})
        return {seed: run["metrics"][part][metric] for seed, run in runs.items()}

    values, baseline = values_of(cell), values_of(plain)
    check.compare(name, "rate", row["rate"], chosen_rate(cell, metric))
    check_grid(name, row, cell, plain, check)
    final = cell.final.get((chosen_rate(cell, metric), chosen_decay(cell, metric)), {})
    runs = [run for seed, run in final.items() if seed in row["seeds"]]
    power = {"detectable": check_power(name, row, cell, plain, runs, check)}
    check.compare(name, "seeds", sorted(row["seeds"]), sorted(values))
    if set(values) - set(baseline) or not set(row["seeds"]) <= set(values):
        check.differences.append(f"{name}: runs of seeds {sorted(values)}, of none {sorted(baseline)}")
        return statistics_of(row["values"], None, metric) | power
    check.compare(name, "values", row["values"], [values[seed] for seed in row["seeds"]])
    others = None if row["arm"] == PLAIN["arm"] else [baseline[seed] for seed in row["seeds"]]
    return statistics_of([values[seed] for seed in row["seeds"]], others, metric) | power


def check_grid(name: str, row: Row, cell: Cell, plain: Cell, check: Check) -> None:
    """What the search of a row tried, whether its choice lies at the edge, and whether it may be unsettled."""
    means = search_means(cell, row["metric"])
    if "grid" in row:
        grid = {"rates": list(means), "validation": list(means.values())} if len(means) > 1 else None
        check.compare(name, "grid", row["grid"], grid)
        check.compare(name, "at_edge", row["at_edge"], is_at_edge(cell, row["metric"]))
    if row.get("unsettled"):
        check.compare(name, "unsettled", True, any(is_at_edge(of, row["metric"]) for of in (cell, plain)))


def check_power(name: str, row: Row, cell: Cell, plain: Cell, runs: Sequence[Any], check: Check) -> float | None:
    """Weight decay, cost, and what the comparison could show, by the trials or a spread that the study states."""
    if "core_seconds" not in row:
        return None
    check.compare(name, "weight_decay", row["weight_decay"], chosen_decay(cell, row["metric"]))
    check.compare(name, "core_seconds", row["core_seconds"], sum(map(core_seconds, runs), cell.trial_seconds))
    spread = row["expected_spread"]
    if row["arm"] != PLAIN["arm"] and not check.has_spread:
        spread = spread_of(cell, plain, row["metric"])
        check.compare(name, "expected_spread", row["expected_spread"], spread)
    expected = None if spread is None else detectable(spread, len(row["seeds"]))
    check.compare(name, "detectable", row["detectable"], expected)
    return expected


def is_at_edge(cell: Cell, metric: str) -> bool:
    """Whether the best rate is the lowest or the highest of those tried, or the best weight decay the largest."""
    rate, decay, rates = chosen_rate(cell, metric), chosen_decay(cell, metric), search_means(cell, metric)
    decays = [value for at, value in cell.decays if at == rate and value is not None]
    return (len(rates) > 1 and rate in (min(rates), max(rates))) or (decay is not None and decay == max(decays))


def check_results(path: Path, check: Check) -> None:
    """Every row of a published `results.json`, from its own values and those of its `none`."""
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    numbers = []
    for row in rows:
        same = [other for other in rows if comparison(other) == comparison(row) and other["arm"] in BASELINES]
        baseline = None if row["arm"] in BASELINES else same[0]["values"]
        numbers.append(statistics_of(row["values"], baseline, row["metric"]))
    adjust(rows, numbers)
    for row, of_row in zip(rows, numbers, strict=True):
        check_row(row, of_row, check)
    pages = (path.parent.parent / "README.md", path.parent / "results.md", *sorted(path.parent.glob("results/*.md")))
    for place, number in wrong_numbers([page for page in pages if page.is_file()], rows):
        check.numbers += 1
        if number is not None:
            check.differences.append(f"{place}: {number} is printed, and follows from no values of these studies")


def comparison(row: Row) -> tuple[Any, ...]:
    """What rows share with the `none` that they are compared with."""
    return tuple(row.get(name) for name in ("study", "target", "labels_per_class", "variant"))


def check_row(row: Row, numbers: Numbers, check: Check) -> None:
    """The numbers of `results.json`."""
    for name in STATISTICS:
        if name in row:
            check.compare(row_name(row), name, row[name], numbers[name])
    match = re.fullmatch(r"p is (\S+) alone, and (\S+) as one of (\d+) directions", row.get("reason") or "")
    if match is not None:
        texts = (f"{numbers['p']:.3f}", f"{numbers['p_adjusted']:.3f}", str(numbers["family"]))
        check.compare(row_name(row), "reason", match.groups(), texts)


def check_search(entry: Row, cell: Cell | None, metric: str, check: Check) -> None:
    """The validation scores of an arm, the rate chosen by them, and whether it lies at the edge."""
    name = f"search of {row_name(entry)}"
    if cell is None:
        check.differences.append(f"{name}: no runs")
        return
    means, rate = search_means(cell, metric), chosen_rate(cell, metric)
    trials = {f"{rate:g}": mean for rate, mean in means.items()} if len(means) > 1 else {}
    check.compare(name, "validation", entry["validation"], trials)
    check.compare(name, "chosen", entry["chosen"], rate)
    check.compare(name, "at_edge", entry["at_edge"], is_at_edge(cell, metric))


def check_saving(entry: Row, row: Row, rows: Sequence[Row], check: Check) -> None:
    """The label-saving factor of a row; the values of the rows are those of the runs, or a difference was noted."""
    curves = [row for row in rows if row["arm"] == "none" and row["labels_per_class"] is not None]
    same = ("target", "variant")
    curve = {row["labels_per_class"]: row["values"] for row in curves if all(row[key] == entry[key] for key in same)}
    for name, value in saving_of(row, row["values"], curve).items():
        check.compare(f"label savings of {row_name(row)}", name, entry[name], value)


def check_sentence(sentence: str, rows: Sequence[Row], numbers: Sequence[Numbers], check: Check) -> None:
    """The accuracies and differences that the answer names."""
    parts = set()
    for row, of_row in zip(rows, numbers, strict=True):
        for column in (METRICS[row["metric"]][0], "difference", "95 % interval"):
            for text in forms_of(of_row, column, row["metric"]) or ():
                parts |= set(re.split(" ± | to ", text))
    for number in re.findall(r"[+−]\d+\.\d+|\d+\.\d+(?= %)", sentence):
        check.compare("answer", "number", number, number if number in parts else "in none of the rows")


def check_page(page: str, rows: Sequence[Row], numbers: Sequence[Numbers], check: Check) -> None:
    """Every printed digit of `results.md`."""
    lines = list(read_tables(page))
    expected: dict[str, list[tuple[Row, Numbers]]] = {}
    for row, of_row in zip(rows, numbers, strict=True):
        expected.setdefault(heading(row), []).append((row, of_row))
    in_order = [(title, *pair) for title, pairs in expected.items() for pair in pairs]
    titles = [(title, row["arm"], row["auxiliary"] or "") for title, row, _ in in_order]
    check.compare("results.md", "lines", [(title, line["arm"], line["auxiliary"]) for title, line in lines], titles)
    for (_, line), (_, row, of_row) in zip(lines, in_order, strict=False):
        for column, text in line.items():
            unsettled = bool(row.get("unsettled"))
            texts = {text} if column in ("arm", "auxiliary") else forms_of(of_row, column, row["metric"], unsettled)
            if texts is None:
                check.unknown_columns.add(column)
            elif text not in texts:
                check.differences.append(f"{row_name(row)}: {column} is printed {text!r}, not {' or '.join(texts)!r}")
            check.numbers += texts is not None


def main(arguments: Sequence[str] | None = None) -> int:
    """Check everything named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="folders of studies, or a published results.json")
    check = Check()
    for path in parser.parse_args(arguments).results:
        try:
            (check_study if path.is_dir() else check_results)(path, check)
        except (OSError, ValueError, KeyError) as error:
            print(f"{path}: cannot be read: {type(error).__name__} {error}", file=sys.stderr)
            return 2
    print("\n".join(check.differences) or f"{check.numbers} numbers agree")
    if check.unknown_columns:
        print(f"not checked: the columns {', '.join(sorted(check.unknown_columns))}")
    return 1 if check.differences else 0


if __name__ == "__main__":
    sys.exit(main())
