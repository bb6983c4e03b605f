"""The tutorials run as they stand, and their stored outputs are those of this code."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

DOCS = Path(__file__).resolve().parent.parent / "docs"
SHORT_RACE = """
import sklearn.datasets

few = sklearn.datasets.load_digits()
few.images, few.target = few.images[::2], few.target[::2]
sklearn.datasets.load_digits = lambda: few

from crosspath.study.race import race
from crosspath.study.race.plan import Plan, Round

rounds = (Round(epochs=1, ways=7, rates=1), Round(epochs=2, ways=2, rates=1))
short = Plan(rounds=rounds, folds=1, seeds=3, seeds_wanted=6, auxiliary_epochs={"sounds": 1}, seconds=1.0)
race.make_plan = lambda *arguments, **options: short
"""
"""What stands in the place of ten minutes: the same race with fewer pictures, and runs of one or two epochs."""


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_tutorial", DOCS / "write_tutorial.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(notebook: Any) -> list[str]:
    """What each cell printed, without its numbers, which differ from processor to processor."""
    texts = ["".join(part.get("text", "") for part in cell.get("outputs", [])) for cell in notebook["cells"]]
    return [re.sub(r" *[-+]?\d+(\.\d+)?", "#", text) for text in texts]


@pytest.mark.slow
def test_the_tutorial_runs_and_prints_what_it_shows() -> None:
    import nbformat

    stored = nbformat.read(DOCS / "tutorial.ipynb", as_version=4)
    assert any("crosspath.connect(" in cell.source for cell in stored.cells)
    assert any("crosspath train" in cell.source for cell in stored.cells)
    assert outputs(tool().execute(DOCS / "tutorial.ipynb")) == outputs(stored)


@pytest.mark.slow
def test_two_folders_become_a_model_of_timm() -> None:
    import nbformat

    stored = nbformat.read(DOCS / "two-folders.ipynb", as_version=4)
    fresh = tool().execute(DOCS / "two-folders.ipynb", before=SHORT_RACE)
    assert [cell.source for cell in fresh.cells] == [cell.source for cell in stored.cells]
    for cells in zip(fresh.cells, stored.cells, strict=True):
        kinds = [[part["output_type"] for part in cell.get("outputs", [])] for cell in cells]
        assert kinds[0] == kinds[1]
    (answer,) = (text for text in outputs(stored) if "fresh seeds" in text)
    assert "runs/try/model" in answer
    for notebook in (fresh, stored):
        printed = "".join(outputs(notebook))
        assert printed.count("VisionTransformer") == 1
        assert printed.count("same logits: True") == 1
        assert printed.count("same logits in timm: True") == 1
        accuracies = re.search(r"connected ([\d.]+), merged ([\d.]+)", str(notebook))
        assert accuracies is not None
        assert accuracies[1] == accuracies[2]
        assert "/tmp" not in str(notebook)
