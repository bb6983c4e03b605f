"""The published tables are those of their machine-readable twin."""

import dataclasses
import importlib.util
import json
import re
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest

from crosspath.study.reports.answer import answer_of
from crosspath.study.reports.table import cells, columns_of
from crosspath.study.rows import Row as TableRow

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = json.loads((REPOSITORY / "docs" / "results.json").read_text(encoding="utf-8"))
FIELDS = {
    "study",
    "target",
    "auxiliary",
    "arm",
    "metric",
    "seeds",
    "mean",
    "std",
    "difference",
    "low",
    "high",
    "p",
    "verdict",
    "command",
}


def publish() -> ModuleType:
    spec = importlib.util.spec_from_file_location("publish", REPOSITORY / "studies" / "publish.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "studies"))
        spec.loader.exec_module(module)
    return module


TOOLS = publish()
NUMBER = re.compile(r"[+−]\d+\.\d")
COMMAND = re.compile(r"studies/([\w-]+)\.yaml|benchmarks/(pretraining)\.py")


def tables(study: str) -> str:
    """The published tables of a study, as text."""
    pages = "".join(page.read_text(encoding="utf-8") for page in TOOLS.PAGES)
    return "".join(marked[0] for marked in TOOLS.MARKED_TABLE.finditer(pages) if study in marked[2].split(","))


@pytest.mark.parametrize("page", TOOLS.PAGES, ids=lambda page: page.stem)
def test_every_marked_table_is_that_of_the_rows(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert TOOLS.with_tables(text, ROWS) == text


def test_every_study_has_a_published_table() -> None:
    assert all(tables(study) for study in {row["study"] for row in ROWS})


@pytest.mark.parametrize("name", ["README.md", "docs/will-it-help.md"])
def test_a_claim_stands_beside_the_command_that_made_its_numbers(name: str) -> None:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    text = TOOLS.MARKED_TABLE.sub("", text)
    text = re.sub(r"(?m)^> .*$", "", text)  # what a tutorial printed: tests/test_readme.py
    # A claim is a paragraph, an item of a list, or a row of a table.
    claims = re.split(r"\n\s*\n|\n\s*(?=- |\|)", text)
    claims = [claim for claim in claims if NUMBER.search(claim)]
    assert claims
    for claim in claims:
        studies = ["".join(names) for names in COMMAND.findall(claim)]
        assert studies, claim
        published = "".join(tables(study) for study in studies)
        assert [number for number in NUMBER.findall(claim) if number not in published] == [], claim


def test_every_row_has_the_agreed_fields_and_a_command_that_is_there() -> None:
    for row in ROWS:
        assert row.keys() >= FIELDS
        words = str(row["command"]).split()
        assert (REPOSITORY / next(word for word in words if "/" in word)).is_file(), row["command"]


def test_the_overview_has_what_a_widening_search_has_settled_with_its_controls() -> None:
    grid = {"rates": [1e-4, 2e-4, 4e-4], "validation": [0.1, 0.2, 0.1]}
    six = {"study": "six", "target": "t"}
    more = {"difference": 0.05, "low": 0.01, "high": 0.09, "verdict": "helps", "labels_per_class": 30, "grid": grid}
    plain = row("none", None, [0.2, 0.2, 0.2], labels_per_class=30, **six)
    pathway = row("pathway", "a", [0.2, 0.3, 0.4], variant="long", **six, **more)
    rows = [
        plain,
        pathway,
        row("random", "a", [0.2, 0.3, 0.4], variant="long", **six, **{**more, "difference": 0.02}),
        {**pathway, "variant": "listed", "grid": None},
        {**pathway, "variant": "edge", "unsettled": "at the edge"},
    ]
    (line,) = TOOLS.overview(rows).splitlines()[2:]
    assert line.split(" | ")[2:] == [
        "`a`",
        "long",
        "20.0 ± 0.0",
        "+5.0 (+1.0 to +9.0)",
        "helps",
        "+2.0 (+1.0 to +9.0)",
        " |",
    ]


def test_the_published_report_gives_the_answer_and_the_verdicts_of_the_rows() -> None:
    page = unescape((REPOSITORY / "docs" / "report.html").read_text(encoding="utf-8"))
    rows = [TableRow.from_json(row) for row in ROWS if row["study"] == "fair-search"]
    assert answer_of(rows).sentence in page
    for row in rows:
        assert (
            "".join(
                f'<td data-label="{column}">{cell}</td>'
                for column, cell in zip(columns_of(rows)[1:], cells(row)[1:], strict=True)
            )
            in page
        )
    verdicts = {(row.target, row.variant): row.verdict for row in rows if row.arm == "pathway"}
    assert verdicts == {
        ("audio/fsdd", "epochs-18"): "helps",
        ("audio/fsdd", "epochs-60"): "helps",
        ("image/cifar10", "epochs-18"): "helps",
        ("image/cifar10", "epochs-60"): "no evidence",
    }, "README and docs say this"


def test_the_main_study_has_all_twelve_directions_with_their_control() -> None:
    rows = [row for row in ROWS if row["study"] == "twelve-directions"]
    targets = {row["target"] for row in rows}
    assert len(targets) == 4
    for arm in ("pathway", "random"):
        directions = {(row["target"], row["auxiliary"]) for row in rows if row["arm"] == arm}
        assert len([pair for pair in directions if pair[0].split("/")[0] != pair[1].split("/")[0]]) >= 12
    assert all(len(row["seeds"]) >= 5 for row in rows)


def row(arm: str, auxiliary: str | None, values: list[float], **more: object) -> dict[str, object]:
    """A row as `docs/results.json` holds it."""
    fields = {field.name: None for field in dataclasses.fields(TableRow)}
    common = {"target": "t", "metric": "accuracy", "part": "test", "seeds": [0, 1, 2], "std": 0.0, "rate": 1e-3}
    return {**fields, **common, "arm": arm, "auxiliary": auxiliary, "values": values, "mean": sum(values) / 3, **more}


def test_a_table_of_controls_holds_one_direction_and_sets_the_pathway_against_each_arm() -> None:
    rows = [
        row("none", None, [0.1, 0.1, 0.1]),
        row("pathway", "a", [0.5, 0.6, 0.7]),
        row("pathway", "b", [0.9, 0.9, 0.9]),
        row("random", "a", [0.3, 0.35, 0.4]),
        row("copy", "a", [0.4, 0.6, 0.5]),
        row("mimetic", None, [0.2, 0.2, 0.3]),
        row("same-modality", "own", [0.6, 0.6, 0.6]),
    ]
    lines = TOOLS.controls(rows).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == [
        "`pathway`",
        "`random`",
        "`copy`",
        "`mimetic`",
        "`same-modality`",
    ]
    assert [line.split(" | ")[-1][:5] for line in lines] == [" |", "+25.0", "+10.0", "+36.7", "+0.0 "]


def test_a_table_of_label_savings_says_how_many_labels_none_would_need() -> None:
    rows = []
    for labels, plain, ours in ((10, 0.2, 0.3), (40, 0.4, 0.9)):
        rows.append(row("none", None, [plain] * 3, labels_per_class=labels))
        rows.append(row("pathway", "a", [ours] * 3, labels_per_class=labels))
    few, many = TOOLS.savings(rows).splitlines()[2:]
    # Half-way between 10 and 40 on a logarithmic axis stands 20.
    assert few.endswith("| 2.00 (2.00 to 2.00) |")
    assert many.endswith("| 3 of 3 seeds outside the range of `none` |")


def test_a_table_of_variants_names_none_once() -> None:
    rows = [
        row(arm, auxiliary, [0.2, 0.3, 0.4], variant=variant)
        for variant in ("start-0", "start-1")
        for arm, auxiliary in (("none", None), ("pathway", "a"))
    ]
    lines = TOOLS.variants(rows).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == ["`none`", "start-0", "start-1"]


def direction(target: str, auxiliary: str | None, arm: str, **more: object) -> dict[str, object]:
    names = {"target": target, "study": "six", "command": "crosspath study studies/six.yaml --data DATA"}
    return row(arm, auxiliary, [0.2, 0.3, 0.4], **names, **more)


SIX = [
    direction("audio/fsdd", None, "none", core_seconds=1800.0),
    direction("audio/fsdd", "image/cifar10", "pathway", difference=0.05, low=0.01, high=0.09, p=0.01, p_adjusted=0.03)
    | {"verdict": "helps", "detectable": 0.031, "core_seconds": 3600.0},
    direction("audio/fsdd", "image/cifar10", "random", difference=0.02, low=-0.01, high=0.05, verdict="no evidence"),
    direction("image/cifar10", None, "none"),
    direction("image/cifar10", "audio/fsdd", "pathway", difference=-0.04, low=-0.09, high=0.01, verdict="no evidence")
    | {"unsettled": "the best rate is the lowest", "at_edge": True},
]


def test_a_matrix_has_a_cell_for_each_direction_with_its_control_and_verdict() -> None:
    head, _, *lines = TOOLS.matrix(SIX).splitlines()
    assert head == "| target | `none` | from `image/cifar10` | from `audio/fsdd` |"
    assert lines == [
        "| `image/cifar10` | 30.0 ± 0.0 | – | −4.0 unsettled |",
        "| `audio/fsdd` | 30.0 ± 0.0 | **+5.0** helps (+2.0) | – |",
    ]


def test_the_table_of_a_question_says_what_was_searched_what_could_be_seen_and_what_it_cost() -> None:
    lines = TOOLS.question(SIX).splitlines()[2:]
    assert lines[1].endswith("| +5.0 (+1.0 to +9.0) | 0.010 | 0.030 | helps | 3.1 | 3 | 0.001 | 1.00 |")
    assert "| unsettled |" in lines[4]
    assert "| 0.001 (edge) |" in lines[4]
    (facts,) = TOOLS.facts(SIX).splitlines()[2:]
    assert facts == "| `crosspath study studies/six.yaml --data DATA` | 3 (0 to 2) | 3.1 to 3.1 | 1 of 5 | 1.5 |"


def test_a_page_for_a_question_begins_with_all_of_its_tables() -> None:
    page = TOOLS.with_tables(TOOLS.page_of("six", SIX), SIX)
    assert page.startswith("# Six\n")
    for table in (TOOLS.facts(SIX), TOOLS.matrix(SIX), TOOLS.question(SIX)):
        assert table in page
    assert TOOLS.with_tables(page, SIX) == page
