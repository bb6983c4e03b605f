"""JSON is read as what it stands for, and every fault is one line."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from crosspath.files import (
    as_kind,
    read_json,
    read_json_as,
    write_json,
)
from tests.errors import refused


def test_json_holds_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_broken_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with refused("x.json", "JSON"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("[]")
    with refused("x.json", "JSON"):
        read_json(tmp_path / "x.json")


@dataclass(frozen=True)
class Place:
    """What a file of the tests stands for."""

    step: int
    names: tuple[str, ...] = ()
    shares: dict[str, float] | None = None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"step": "x"}, ["expected step: a valid integer"]),
        ({"step": 1.5}, ["step"]),
        ({"step": "1"}, ["step"]),
        ({"step": True}, ["step"]),
        ({"step": 1, "shares": {"a": "nan"}}, ["shares.a"]),
        ({"names": []}, ["step"]),
        ({"step": 1, "names": [1]}, ["names.0"]),
        ({"step": 1, "shares": {"a": [0.5]}}, ["shares.a"]),
        ({"step": 1, "shares": {"a": float("nan")}}, ["finite"]),
        ({"step": 1, "stop": 2}, ["stop"]),
        ([1], []),
    ],
)
def test_json_of_other_types_is_refused_with_the_place(value: object, words: list[str], tmp_path: Path) -> None:
    (tmp_path / "place.json").write_text(json.dumps(value))
    with refused("place.json", *words):
        read_json_as(tmp_path / "place.json", Place)


def test_json_is_read_as_what_it_stands_for(tmp_path: Path) -> None:
    (tmp_path / "place.json").write_text('{"step": 3, "names": ["a"], "shares": {"b": 1}}')
    assert read_json_as(tmp_path / "place.json", Place) == Place(3, ("a",), {"b": 1.0})
    (tmp_path / "pairs.json").write_text('{"a": ["b", null]}')
    assert read_json_as(tmp_path / "pairs.json", dict[str, tuple[str, str | None]]) == {"a": ("b", None)}
    assert as_kind({"step": 3, "names": ("a", "b")}, Place, "a tuple, as in plain data") == Place(3, ("a", "b"))
    with refused("tuple", "finite"):
        as_kind({"step": 3, "names": ("a", float("inf"))}, Place, "tuple")
