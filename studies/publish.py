"""Publish studies: their rows in `docs/results.json`, their tables in the pages.

    python studies/publish.py runs/twelve-directions runs/longer

A table stands between `<!-- table: STUDY KIND -->` and `<!-- end -->` (several studies: `STUDY,STUDY`) and is written
from the rows of `docs/results.json`, so that page and rows cannot disagree. Without a folder, every table is written
again. `KINDS` lists the kinds, `PAGES` the pages. `--page` begins a page for the question of each named study.
"""

import argparse
import json
import re
from pathlib import Path

from listed_rates import settle
from matrix_picture import write_matrices
from question_tables import facts, matrix, page_of, question
from table_cells import Row, code, interval, over, score, table, verdict

from crosspath.study.reports.labels import label_savings
from crosspath.study.rows import Row as TableRow

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = REPOSITORY / "docs" / "results.json"
PAGES = (
    REPOSITORY / "README.md",
    REPOSITORY / "docs" / "results.md",
    *sorted((REPOSITORY / "docs" / "results").glob("*.md")),
)
MARKED_TABLE = re.compile(r"(<!-- table: ([\w,-]+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Add the rows of the named studies, then write every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", type=Path, help="folders of studies, each with a results.json")
    parser.add_argument("--page", action="store_true", help="begin docs/results/STUDY.md where there is none")
    options = parser.parse_args()
    rows: list[Row] = json.loads(ROWS.read_text(encoding="utf-8"))
    for folder in options.studies:
        summary = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        command = f"crosspath study studies/{summary['study']}.yaml --data DATA"
        new = [{**row, "command": command} for row in summary["rows"]]
        rows = [row for row in rows if row["study"] != summary["study"]] + new
        page = REPOSITORY / "docs" / "results" / f"{summary['study']}.md"
        if options.page and not page.exists():
            page.write_text(with_tables(page_of(summary["study"], new), rows), encoding="utf-8")
    rows = settle(rows)
    ROWS.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for page in PAGES:
        text = with_tables(page.read_text(encoding="utf-8"), rows)
        page.write_text(text, encoding="utf-8")
        write_matrices(text, REPOSITORY / "docs", rows)


def with_tables(page: str, rows: list[Row]) -> str:
    """The page with every marked table written from the rows."""

    def write(match: re.Match[str]) -> str:
        opening, studies, kind, end = match.groups()
        table = KINDS[kind]([row for row in rows if row["study"] in studies.split(",")])
        return f"{opening}{table}\n{end}"

    return MARKED_TABLE.sub(write, page)


def overview(rows: list[Row]) -> str:
    """One line a direction and variant that a search which widens has settled, with its controls beside it."""
    columns = ("target", "labels", "auxiliary", "variant", "`none`, %", "`pathway` − `none`", "verdict")
    columns += ("`random` − `none`", "`copy` − `none`")
    arms = {(row["arm"], *_direction(row)): row for row in rows}
    lines = []
    for row in rows:
        if row["arm"] != "pathway" or row.get("unsettled") or not row.get("grid"):
            continue
        beside = [arms.get((arm, *_direction(row))) for arm in ("random", "copy")]
        plain = _plain(row, rows)
        line = (code(row["target"]), str(row["labels_per_class"]), code(row["auxiliary"]))
        line += (row["variant"] or row["study"], score(plain), interval(row), row["verdict"])
        lines.append((*line, *("" if other is None else interval(other) for other in beside)))
    return table(columns, lines)


def copies(rows: list[Row]) -> str:
    """One line a settled direction that has a copy of the auxiliary's weights beside its pathway: which does better."""
    columns = (
        "target",
        "labels",
        "auxiliary",
        "variant",
        "`pathway` − `none`",
        "`copy` − `none`",
        "`pathway` − `copy`",
    )
    beside = {_direction(row): row for row in rows if row["arm"] == "copy" and not row.get("unsettled")}
    lines = []
    for row in rows:
        copy = beside.get(_direction(row))
        if row["arm"] != "pathway" or row.get("unsettled") or copy is None:
            continue
        line = (
            code(row["target"]),
            str(row["labels_per_class"]),
            code(row["auxiliary"]),
            row["variant"] or row["study"],
        )
        lines.append((*line, interval(row), interval(copy), over(row, copy)))
    return table(columns, lines)


def _direction(row: Row) -> tuple[object, ...]:
    """What a pathway shares with its controls."""
    return tuple(row[name] for name in ("study", "target", "labels_per_class", "auxiliary", "variant"))


def _plain(row: Row, rows: list[Row]) -> Row:
    """The `none` of a row, which all variants share where it has none of its own."""
    same = ("study", "target", "labels_per_class")
    plain = [other for other in rows if other["arm"] == "none" and all(other[name] == row[name] for name in same)]
    return next((other for other in plain if other["variant"] == row["variant"]), plain[0])


def starts(rows: list[Row]) -> str:
    """One line per target: masked modelling first against training from scratch."""
    columns = ("target", "labels per class", "from scratch", "pretrained", "difference", "p", "p adjusted")
    columns += ("verdict",)
    scratch = {row["target"]: row for row in rows if row["arm"] == "scratch"}
    pretrained = {row["target"]: row for row in rows if row["arm"] == "pretrained"}
    lines = []
    for target in ("image/cifar10", "audio/esc10", "point/modelnet10", "video/grid"):
        row = pretrained[target]
        accuracies = score(scratch[target]), score(row)
        lines.append((code(target), str(row["labels_per_class"]), *accuracies, *verdict(row)))
    return table(columns, lines)


def directions(rows: list[Row]) -> str:
    """One line per direction, with its control `random` beside it."""
    plain = {row["target"]: row for row in rows if row["arm"] == "none"}
    random = {(row["target"], row["auxiliary"]): row for row in rows if row["arm"] == "random"}
    columns = ("target", "auxiliary", "`none`, %", "`pathway` − `none`", "p", "p adjusted", "verdict")
    columns += ("`random` − `none`", "`pathway` − `random`")
    lines = []
    for row in (row for row in rows if row["arm"] == "pathway"):
        key = row["target"], row["auxiliary"]
        line = (code(row["target"]), code(row["auxiliary"]), score(plain[key[0]]), *verdict(row))
        lines.append((*line, interval(random[key]), over(row, random[key])))
    return table(columns, lines)


def controls(rows: list[Row]) -> str:
    """One line an arm, of the one direction a target that has controls; the pathway itself first."""
    columns = ("target", "arm", "auxiliary", "test, %", "− `none`", "p", "p adjusted", "verdict", "`pathway` − arm")
    lines = []
    for copy in (row for row in rows if row["arm"] == "copy"):
        target, auxiliary = copy["target"], copy["auxiliary"]
        own = [row for row in rows if row["target"] == target and row["arm"] != "none"]
        own = [row for row in own if row["auxiliary"] == auxiliary or row["arm"] in ("mimetic", "same-modality")]
        pathway = next(row for row in own if row["arm"] == "pathway")
        for row in own:
            difference = "" if row is pathway else over(pathway, row)
            line = (code(target), code(row["arm"]), code(row["auxiliary"]), score(row), *verdict(row), difference)
            lines.append(line)
    return table(columns, lines)


def variants(rows: list[Row]) -> str:
    """One line per variant of the pathway, and `none` once for all of them."""
    columns = ("target", "setting", "rate", "test, %", "− `none`", "p", "p adjusted", "verdict")
    lines = []
    for target in dict.fromkeys(row["target"] for row in rows):
        own = [row for row in rows if row["target"] == target]
        lines += [(code(target), code("none"), f"{row['rate']:g}", score(row)) for row in own[:1]]
        lines += [
            (code(target), row["variant"], f"{row['rate']:g}", score(row), *verdict(row))
            for row in own
            if row["arm"] != "none"
        ]
    return table(columns, lines)


def savings(rows: list[Row]) -> str:
    """One line per number of labels: accuracy of both arms, and how many labels `none` would need for the same."""
    columns = ("target", "auxiliary", "labels per class", "`none`, %", "`pathway`, %", "difference", "p", "p adjusted")
    columns += ("verdict", "label factor")
    savings_of_arms = label_savings([TableRow(**{**row, "seeds": tuple(row["seeds"])}) for row in rows])
    factors = {(one.target, one.labels_per_class): one for one in savings_of_arms if one.arm == "pathway"}
    plain = {(row["target"], row["labels_per_class"]): row for row in rows if row["arm"] == "none"}
    lines = []
    for row in (row for row in rows if row["arm"] == "pathway"):
        key = row["target"], row["labels_per_class"]
        one = factors[key]
        factor = f"{one.beyond} of {one.seeds} seeds outside the range of `none`"
        if one.factor is not None and one.low is not None and one.high is not None:
            factor = f"{one.factor:.2f} ({one.low:.2f} to {one.high:.2f})"
        line = (code(key[0]), code(row["auxiliary"]), str(key[1]), score(plain[key]), score(row), *verdict(row))
        lines.append((*line, factor))
    return table(columns, lines)


def arms(rows: list[Row]) -> str:
    """One line per row."""
    columns = ("target", "labels", "arm", "auxiliary", "test, %", "− `none`", "p", "verdict")
    lines = []
    for row in rows:
        arm = code(row["arm"]) + (f" {row['variant']}" if row["variant"] else "")
        line = (code(row["target"]), str(row["labels_per_class"]), arm, code(row["auxiliary"]), score(row))
        difference, p, _, words = verdict(row)
        lines.append((*line, difference, p, words))
    return table(columns, lines)


KINDS = {
    "overview": overview,
    "copies": copies,
    "starts": starts,
    "directions": directions,
    "controls": controls,
    "arms": arms,
    "variants": variants,
    "savings": savings,
    "matrix": matrix,
    "question": question,
    "facts": facts,
}
"""What a marked table shows of its studies' rows."""


if __name__ == "__main__":
    main()
