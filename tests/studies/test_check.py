"""The check that shares no code with crosspath: it agrees with whole studies, and names every number that is wrong."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from crosspath.study.grid import Grid
from crosspath.study.results import write_results

REPOSITORY = Path(__file__).resolve().parent.parent.parent
STUDIES = REPOSITORY / "studies"
GOLDEN = REPOSITORY / "tests" / "golden"
GRID = Grid(rates=(0.0005, 0.001, 0.002), seeds=2, middle=0.001, factor=2.0, widenings=1)
SEEDS = (0, 1, 2, 3, 4)
AUXILIARIES = {
    "sounds": ("audio/sounds", "audio"),
    "more-sounds": ("audio/sounds", "audio"),
    "points": ("point/shapes", "point"),
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import check

        return check


def run_of(recipe: str, seed: int, validation: float, test: float | None) -> dict[str, Any]:
    """A result with these accuracies."""
    whole = json.loads(next(GOLDEN.glob("study/runs/**/final/*/result.json")).read_text(encoding="utf-8"))
    metrics = {"validation": {"accuracy": validation}, "test": {} if test is None else {"accuracy": test}}
    return {**whole, "recipe": recipe, "seed": seed, "metrics": metrics}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two targets, three auxiliaries of two recipes, two numbers of labels and two variants, drawn at
    random, and written by crosspath."""
    folder = tmp_path_factory.mktemp("made-up")
    targets = {"image/digits": {"labels": [10, 40]}, "image/cifar10": {"labels": [10, 40]}}
    study = {
        "name": "made-up",
        "targets": targets,
        "auxiliaries": dict.fromkeys(AUXILIARIES, "nowhere"),
        "seeds": len(SEEDS),
        "search": {"around": 0.001, "seeds": 2, "widenings": 1},
        "variants": {"": [], "start-1": ["pathway.scale_init=1"]},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    (folder / "auxiliaries.json").write_text(json.dumps(AUXILIARIES), encoding="utf-8")
    rng = np.random.default_rng(0)
    gains = {"none": 0.0, "pathway-sounds": 0.1, "pathway-more-sounds": 0.03, "pathway-points": -0.06}
    for target in targets:
        for labels in (10, 40):
            for variant in ("", "variant-start-1"):
                arms = [arm for arm in gains if arm != "none" or not variant]
                arms += [f"random-{name}" for name in AUXILIARIES]
                for arm in arms:
                    cell = folder.joinpath("runs", target.replace("/", "-"), f"labels-{labels}", variant, arm)
                    best = search(cell / "search", target, rng)
                    level = 0.4 * np.log10(labels) + gains.get(arm, 0.0)
                    for seed, score in zip(SEEDS, rng.normal(level, 0.03, len(SEEDS)), strict=True):
                        write(cell / "final" / f"lr-{best:g}-seed-{seed}", run_of(target, seed, score, score))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crosspath.study.results.write_study_report", lambda *_: None)
        write_results(folder)
    return folder


def search(folder: Path, target: str, rng: np.random.Generator) -> float:
    """The trials of one arm, of which one in twenty diverges; returns the best rate."""
    means: dict[float, float | None] = {}
    rates = list(GRID.rates)
    while rates:
        rate = rates.pop(0)
        # Scores of few samples are often equal.
        scores = rng.normal(0.5, 0.1, 2).round(1)
        means[rate] = None if rng.random() < 0.05 else float(scores.mean())
        for index, score in enumerate(scores):
            trial = folder / f"lr-{rate:g}-seed-{1000 + index}"
            write(trial, run_of(target, 0, score, None))
            if means[rate] is None and index:
                (trial / "result.json").rename(trial / "diverged.json")
        further = None if rates else GRID.further(means, len(GRID.rates))
        rates += [] if further is None else [further]
    return GRID.best(means)


def write(folder: Path, result: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({**result, "folder": str(folder)}, default=float), encoding="utf-8")


def checked(script: ModuleType, folder: Path) -> Any:
    check = script.Check()
    script.check_study(folder, check)
    return check


@pytest.mark.parametrize("name", ["study", "comparison"])
def test_it_agrees_with_studies_of_an_older_version(name: str, script: ModuleType) -> None:
    check = checked(script, GOLDEN / name)
    assert (check.differences, check.unknown_columns) == ([], set())
    assert check.numbers > 40


def test_it_agrees_with_every_number_that_crosspath_writes(made_up: Path, script: ModuleType) -> None:
    check = checked(script, made_up)
    assert (check.differences, check.unknown_columns) == ([], set())
    summary = json.loads((made_up / "results.json").read_text(encoding="utf-8"))
    assert len(summary["rows"]) == 56
    verdicts = [row["verdict"] for row in summary["rows"]]
    assert {"helps", "hurts", "no evidence"} <= set(verdicts), "every branch is compared"
    assert any(row["reason"] and row["reason"].startswith("p is") for row in summary["rows"])
    assert any(row["unsettled"] for row in summary["rows"])
    assert any(None in row["grid"]["validation"] for row in summary["rows"])
    assert any(saving["factor"] for saving in summary["label_savings"])


def change(row: dict[str, Any], name: str) -> None:
    value = row[name]
    if name == "verdict":
        row[name] = "hurts" if value == "helps" else "helps"
    else:
        row[name] = not value if isinstance(value, bool) else value * 1.01


@pytest.mark.parametrize(
    "name",
    [
        "rate",
        "at_edge",
        "expected_spread",
        "detectable",
        "core_seconds",
        "mean",
        "std",
        "difference",
        "low",
        "high",
        "p",
        "p_adjusted",
        "verdict",
        "seeds_needed",
    ],
)
def test_a_wrong_number_is_named_with_its_row(name: str, made_up: Path, script: ModuleType, tmp_path: Path) -> None:
    summary = json.loads((made_up / "results.json").read_text(encoding="utf-8"))
    rows = [row for row in summary["rows"] if row["arm"] == "pathway" and row["variant"]]
    row = next(row for row in rows if row["auxiliary"] == "point/shapes" and row["seeds_needed"])
    change(row, name)
    # The runs stay where they are.
    folder = copied(made_up, tmp_path, {"results.json": json.dumps(summary)})
    (difference,) = checked(script, folder).differences
    assert f"made-up {row['target']}, {row['labels_per_class']} labels per class, start-1 pathway from" in difference
    assert f": {name} is " in difference


def copied(study: Path, folder: Path, files: dict[str, str]) -> Path:
    """The study with some of its files changed, and its own runs."""
    for name in ("results.json", "results.md", "auxiliaries.json"):
        text = files.get(name) or (study / name).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "runs").symlink_to(study / "runs")
    return folder


@pytest.mark.parametrize("digits", ["accuracy", "interval", "verdict"])
def test_a_wrong_printed_digit_is_named(digits: str, made_up: Path, script: ModuleType, tmp_path: Path) -> None:
    page = (made_up / "results.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if "| helps |" in line)
    cells = line.split(" | ")
    column = {"accuracy": 2, "interval": 4, "verdict": 6}[digits]
    cells[column] = "hurts" if digits == "verdict" else cells[column].replace(".", "9.", 1)
    folder = copied(made_up, tmp_path, {"results.md": page.replace(line, " | ".join(cells))})
    (difference,) = checked(script, folder).differences
    assert digits in difference
    assert cells[column] in difference


def damage_values(folder: Path) -> None:
    path = next(folder.glob("runs/**/final/*-seed-2/result.json"))
    result = json.loads(path.read_text(encoding="utf-8"))
    result["metrics"]["test"]["accuracy"] += 0.001
    path.write_text(json.dumps(result), encoding="utf-8")


def damage_search(folder: Path) -> None:
    path = next(folder.glob("runs/**/search/lr-0.001-*/result.json"))
    result = json.loads(path.read_text(encoding="utf-8"))
    result["metrics"]["validation"]["accuracy"] = 0.9
    path.write_text(json.dumps(result), encoding="utf-8")


def remove_a_run(folder: Path) -> None:
    shutil.rmtree(next(folder.glob("runs/**/final/*-seed-2")))


def remove_a_row(folder: Path) -> None:
    path = folder / "results.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    del summary["rows"][1]
    path.write_text(json.dumps(summary), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_values, "values is"),
        (damage_search, "chosen is 0.002 in the table, 0.001 from the runs"),
        (remove_a_run, "seeds is [0, 1, 2] in the table, [0, 1] from the runs"),
        (remove_a_row, "runs without a row"),
    ],
)
def test_what_the_runs_do_not_bear_is_named(
    damage: Callable[[Path], None], words: str, script: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(GOLDEN / "study", folder)
    damage(folder)
    assert any(words in difference for difference in checked(script, folder).differences)


def test_the_command_says_by_its_exit_code_what_differs(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "study"
    shutil.copytree(GOLDEN / "study", wrong)
    page = (wrong / "results.md").read_text(encoding="utf-8")
    (wrong / "results.md").write_text(page.replace("0.184", "0.183"), encoding="utf-8")
    assert script.main([str(GOLDEN / "comparison"), str(wrong)]) == 1
    assert "golden image/digits pathway from audio/sounds: p is printed '0.183'" in capsys.readouterr().out
    assert script.main([str(tmp_path)]) == 2
    # As a user starts it, without crosspath on the path.
    command = [sys.executable, str(STUDIES / "check.py"), str(REPOSITORY / "docs" / "results.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env={})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("digits", "wrong"), [("+41.2 (+25.0", "+41.3 (+25.0"), ("28.2 ± 1.5", "28.2 ± 1.6"), ("1.39 (1.08", "1.39 (1.07")]
)
def test_a_wrong_digit_of_a_published_page_is_named(
    digits: str, wrong: str, script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    pages = [page for page in (REPOSITORY / "docs" / "results").glob("*.md") if digits in page.read_text("utf-8")]
    (docs / "results").mkdir(parents=True)
    shutil.copy(REPOSITORY / "docs" / "results.json", docs)
    page = docs / "results" / pages[0].name
    page.write_text(pages[0].read_text(encoding="utf-8").replace(digits, wrong), encoding="utf-8")
    assert script.main([str(docs / "results.json")]) == 1
    told = capsys.readouterr().out
    assert page.name in told
    assert wrong in told


@pytest.mark.parametrize("name", ["check.py", "recompute.py", "number_forms.py", "printed_pages.py"])
def test_it_imports_nothing_of_crosspath(name: str) -> None:
    tree = ast.parse((STUDIES / name).read_text(encoding="utf-8"))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add(str(node.module).partition(".")[0])
    allowed = {"numpy", "scipy", "recompute", "number_forms", "printed_pages"}
    assert modules - sys.stdlib_module_names <= allowed
    assert "importlib" not in modules
