"""The tutorial runs as it stands, and its stored outputs are those of this code."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

TOOL = Path(__file__).resolve().parent.parent / "docs" / "write_tutorial.py"


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_tutorial", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(notebook: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[str]:
    """What each cell printed, without its numbers, which differ from processor to processor."""
    texts = ["".join(part["text"] for part in cell.get("outputs", [])) for cell in notebook["cells"]]
    return [re.sub(r" *[-+]?\d+(\.\d+)?", "#", text) for text in texts]


def test_the_tutorial_runs_and_prints_what_it_shows() -> None:
    import nbformat

    write_tutorial = tool()
    stored = nbformat.read(write_tutorial.NOTEBOOK, as_version=4)
    assert any("crosspath.connect(" in cell.source for cell in stored.cells)
    assert any("crosspath train" in cell.source for cell in stored.cells)
    assert outputs(write_tutorial.execute(write_tutorial.NOTEBOOK)) == outputs(stored)
