"""A choice at the edge of a list that was not widened settles nothing, in the published rows and tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ROWS = json.loads((REPOSITORY / "docs" / "results.json").read_text(encoding="utf-8"))
NONE, HELPED = (0.1, 0.12, 0.11, 0.1), (0.4, 0.43, 0.4, 0.42)


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "studies"))
        import listed_rates

        yield listed_rates


def row(arm: str, values: tuple[float, ...], rate: float, study: str = "twelve-directions") -> dict[str, object]:
    own = {"study": study, "target": "audio/fsdd", "auxiliary": None if arm == "none" else "image/cifar10", "arm": arm}
    numbers = {"values": list(values), "mean": sum(values) / 4, "std": 0.01, "rate": rate, "metric": "accuracy"}
    return {
        **own,
        **numbers,
        "seeds": [0, 1, 2, 3],
        "labels_per_class": 30,
        "variant": None,
        "verdict": "hurts",
        "p": 0,
    }


@pytest.mark.parametrize(
    ("of_none", "of_pathway", "words"),
    [
        (0.001, 0.001, ()),
        (0.0005, 0.001, ("none, 0.0005, is the lowest",)),
        (0.001, 0.002, ("pathway, 0.002, is the highest",)),
        (0.002, 0.0005, ("none, 0.002, is the highest", "pathway, 0.0005, is the lowest")),
    ],
)
def test_a_comparison_with_a_choice_at_the_edge_of_its_list_is_unsettled(
    script: ModuleType, of_none: float, of_pathway: float, words: tuple[str, ...]
) -> None:
    rows = [row("none", NONE, of_none), row("pathway", HELPED, of_pathway)]
    plain, pathway = script.settle(rows)
    assert pathway["verdict"] == ("no evidence" if words else "helps")
    assert all(word in pathway["unsettled"] for word in words)
    assert bool(pathway["unsettled"]) == bool(words)
    assert (plain["at_edge"], pathway["at_edge"]) == (of_none != 0.001, of_pathway != 0.001)
    assert script.settle([plain, pathway]) == [plain, pathway]
    assert {name: plain[name] for name in rows[0] if name not in script.JUDGEMENTS} == {
        name: value for name, value in rows[0].items() if name not in script.JUDGEMENTS
    }


def test_a_search_that_widens_and_a_single_rate_are_left_alone(script: ModuleType) -> None:
    rows = [row("none", NONE, 0.0005, "fair-search"), row("pathway", HELPED, 0.0005, "fair-search")]
    assert script.settle(rows) == rows
    assert script.listed_rates("fair-search", "audio/fsdd") == ()
    assert script.listed_rates("a study that has no file", "audio/fsdd") == ()


def test_no_published_choice_at_an_edge_has_a_verdict(script: ModuleType) -> None:
    assert script.settle(ROWS) == ROWS
    judged = [row for row in ROWS if row["verdict"] in ("helps", "hurts")]
    assert judged
    assert not any(row["at_edge"] or row["unsettled"] for row in judged)
    for one in judged:
        rates = script.listed_rates(one["study"], one["target"])
        assert not rates or min(rates) < one["rate"] < max(rates)
