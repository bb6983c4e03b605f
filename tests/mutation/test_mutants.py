"""The mutation tool itself, and a small share of what it does."""

import ast
from pathlib import Path

import pytest

from tests.mutation.faults import FAULTS, Fault
from tests.mutation.operators import mutants
from tests.mutation.run import ROOT, Result, Tree, draw, run, table
from tests.mutation.tables import FILES, SEEDS

SOURCE = '''\
"""λ and 1 stay as they are."""


def scaled(values: list[int], λ: float = 0.5) -> float:
    """Not 2 either."""
    assert len(values) > 1, "3 values"
    if not values and λ < 1:
        raise ValueError(f"{len(values) + 1} values")
    total = 'λ', sum(values, 7) * -λ
    values.append(
        7
    )
    return sorted(total, reverse=True)
'''


def test_each_mutant_changes_one_expression_and_still_parses() -> None:
    changes = {(mutant.line, mutant.kind, mutant.after) for mutant in mutants(SOURCE)}
    for mutant in mutants(SOURCE):
        ast.parse(mutant.source)
    line = "total = 'λ', sum(values, 7) * -λ"
    assert {(number, kind, after) for number, kind, after in changes if number != 9} == {
        (4, "constant", "def scaled(values: list[int], λ: float = 1.5) -> float:"),
        (4, "constant", "def scaled(values: list[int], λ: float = -0.5) -> float:"),
        (7, "condition negated", "if (not (not values and λ < 1)):"),
        (7, "and or", "if (not values or λ < 1):"),
        (7, "sign or not dropped", "if (values) and λ < 1:"),
        (7, "comparison", "if not values and (λ <= 1):"),
        (7, "comparison", "if not values and (λ >= 1):"),
        (7, "constant", "if not values and λ < 2:"),
        (7, "constant", "if not values and λ < 0:"),
        (8, "statement dropped", "pass"),
        (10, "statement dropped", "pass"),
        (11, "constant", "8"),
        (11, "constant", "6"),
        (13, "None returned", "return None"),
        (13, "argument dropped", "return (sorted(total))"),
        (13, "constant", "return sorted(total, reverse=False)"),
    }
    assert {after for number, _, after in changes if number == 9} == {
        line.replace("sum(values, 7) * -λ", "(sum(values, 7) / -λ)"),
        line.replace("sum(values, 7)", "(sum(7, values))"),
        line.replace("7", "8"),
        line.replace("7", "6"),
        line.replace("-λ", "(λ)"),
    }


@pytest.mark.parametrize("file", FILES)
def test_the_seeds_draw_different_mutants_of_files_and_tests_that_exist(file: str) -> None:
    assert all((ROOT / "tests" / name).is_file() for name in FILES[file])
    sources = [draw(file, seed).source for seed in SEEDS]
    assert len({*sources, (ROOT / "crosspath" / file).read_text()}) == len(SEEDS) + 1
    assert sources == [draw(file, seed).source for seed in SEEDS]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_named_fault_can_still_be_made(fault: Fault) -> None:
    ast.parse(fault.applied((ROOT / "crosspath" / fault.file).read_text()))
    assert all((ROOT / "tests" / name).is_file() for name in fault.tests)


@pytest.mark.slow
def test_a_share_of_the_faults_is_caught_in_a_copy_of_the_tree(tmp_path: Path) -> None:
    file = "training/schedule.py"
    before = (ROOT / "crosspath" / file).read_text()
    faults = [fault for fault in FAULTS if fault.file in ("objectives/metrics.py", "data/splits.py")]
    results = list(run(Tree(tmp_path), [file], [0, 1], faults))
    assert [result.file for result in results] == [file, file, *(fault.file for fault in faults)]
    assert all(result.caught_by.startswith(("training/", "data/", "objectives/")) for result in results)
    assert (ROOT / "crosspath" / file).read_text() == before == (tmp_path / "crosspath" / file).read_text()


def test_the_table_counts_what_was_caught() -> None:
    columns = {"file": "a.py", "line": 3, "before": "x | y", "after": "x & y", "seconds": 1.0}
    results = [
        Result(seed="0", kind="arithmetic", caught_by="test_a.py::test_it", **columns),
        Result(seed="1", kind="arithmetic", caught_by="survived", **columns),
        Result(seed="2", kind="arithmetic", caught_by="equivalent: no bit is set twice", **columns),
        Result(seed="a name", kind="by hand", caught_by="test_a.py::test_it", **columns),
    ]
    text = table(results)
    assert "3 seeded mutants and 1 named faults: 2 caught, 1 equivalent, 1 survived" in text
    assert "| 0 | a.py:3 | `x \\| y` | `x & y` | test_a.py::test_it |" in text
