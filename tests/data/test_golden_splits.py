"""A split never moves: the parts of every shipped set are those of version 0.1.0."""

import json
from pathlib import Path

import pytest

from tests.golden.splits import SPLITS, split_of
from tests.golden.write import SPLITS as TABLE

GOLDEN: dict[str, dict[str, str]] = json.loads(TABLE.read_text(encoding="utf-8"))


def test_every_split_has_a_golden_row() -> None:
    assert list(GOLDEN) == list(SPLITS)


@pytest.mark.parametrize("name", SPLITS)
def test_the_parts_of_a_shipped_set_stay(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    described = SPLITS[name]
    root = None
    if described.real:
        root = request.getfixturevalue("data_root")
        if not any(root.glob(f"{name}*")):
            pytest.skip(f"no {name} below the root of the real data")
    elif described.write is not None:
        root = tmp_path
        described.write(root)
    assert split_of(name, root) == GOLDEN[name]
