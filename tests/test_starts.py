"""The table of starts: what it states is what the studies that it cites measured."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from crosspath.starts import PAPER, PLACES, STARTS, describe_start, start_named, starts_table
from tests.errors import refused

STUDIES = Path(__file__).resolve().parent.parent / "studies"


@pytest.mark.parametrize(
    ("start", "study", "variant"),
    [
        ("paper", "ablations", "start-0"),
        ("whole-body", "fair-search", None),
        ("whole-body", "ablations", "whole-body"),
        ("frozen-anchor", "ablations", "frozen"),
        ("gentle", "ablations-pretrained", "start-0.1"),
    ],
)
def test_a_start_is_what_its_study_measured(start: str, study: str, variant: str | None) -> None:
    tree = yaml.safe_load((STUDIES / f"{study}.yaml").read_text(encoding="utf-8"))
    settings = tree["settings"] if variant is None else tree["variants"][variant]
    given: dict[str, Any] = dict(setting.split("=") for setting in settings)
    values = {
        place: yaml.safe_load(given[place]) if place in given else PAPER.settings[place] for place in PLACES.values()
    }
    values = {place: None if value is None else float(value) for place, value in values.items()}
    assert STARTS[start].settings == values
    assert f"{study}.yaml" in STARTS[start].gain


def test_every_start_says_when_it_is_meant() -> None:
    assert all(start.meant_for and start.gain and start.name == name for name, start in STARTS.items())


def test_the_documents_have_the_table() -> None:
    assert starts_table() in (STUDIES.parent / "docs" / "method.md").read_text(encoding="utf-8")


def test_an_unknown_start_is_refused() -> None:
    with refused("pathway.start", "wholebody", "whole-body"):
        start_named("wholebody")


def test_a_description_shows_what_was_given_instead() -> None:
    assert "instead" not in describe_start("whole-body", {"scale_init": 1, "shrink": 0.4, "auxiliary_lr": 1e-4})
    assert describe_start("whole-body", {"shrink": 0.3, "auxiliary_lr": None}).endswith("shrink=0.3, auxiliary_lr=as W")
