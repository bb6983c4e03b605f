"""The published tables are those of their machine-readable twin."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

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
    spec.loader.exec_module(module)
    return module


def test_every_marked_table_says_what_the_rows_say() -> None:
    page = (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")
    tools = publish()
    names = [found[2] for found in tools.MARKED.finditer(page)]
    assert "twelve-directions" in names
    assert set(names) <= {row["study"] for row in ROWS}
    assert tools.with_tables(page, ROWS) == page


def test_every_row_has_the_agreed_fields_and_a_command_that_is_there() -> None:
    for row in ROWS:
        assert row.keys() >= FIELDS
        words = str(row["command"]).split()
        assert (REPOSITORY / next(word for word in words if "/" in word)).is_file(), row["command"]


def test_the_main_study_has_all_twelve_directions_with_their_control() -> None:
    rows = [row for row in ROWS if row["study"] == "twelve-directions"]
    targets = {row["target"] for row in rows}
    assert len(targets) == 4
    for arm in ("pathway", "random"):
        directions = {(row["target"], row["auxiliary"]) for row in rows if row["arm"] == arm}
        assert len([pair for pair in directions if pair[0].split("/")[0] != pair[1].split("/")[0]]) >= 12
    assert all(len(row["seeds"]) >= 5 for row in rows)
