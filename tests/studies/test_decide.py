"""The shipped decision lists and the section of the page are those of the published results."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from crosspath.study.decision.decision import Case, DecisionList, Readings
from crosspath.study.decision.lists import WITH_OWN_FILES, WITHOUT

STUDIES = Path(__file__).resolve().parent.parent.parent / "studies"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import decide

        return decide


@pytest.fixture(scope="module")
def cases(script: ModuleType) -> list[Case]:
    rows = json.loads(script.ROWS.read_text(encoding="utf-8"))
    return list(script.cases_of(rows, script.pretrained_targets()))


def test_the_shipped_lists_are_fitted_to_the_published_results(script: ModuleType, cases: list[Case]) -> None:
    assert list(script.lists_of(cases).values()) == [WITH_OWN_FILES, WITHOUT]


def test_the_section_of_the_page_is_that_of_the_results(script: ModuleType, cases: list[Case]) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.with_section(page, script.section_of(cases)) == page


def test_a_case_is_what_the_studies_measured(script: ModuleType, cases: list[Case]) -> None:
    rows = json.loads(script.ROWS.read_text(encoding="utf-8"))
    (case,) = [
        case
        for case in cases
        if (case.target, case.readings.kind, case.readings.labels) == ("point/modelnet10", "video", 30)
    ]
    own = [row for row in rows if row["target"] == "point/modelnet10" and not row.get("unsettled")]
    (pathway,) = [row["difference"] for row in own if (row["auxiliary"], row["arm"]) == ("video/grid", "pathway")]
    (masked,) = [row["difference"] for row in own if row["arm"] == "masked-modelling"]
    assert case.settled
    assert case.gains == {"plain": 0.0, "pathway": pathway, "masked": masked}
    pretrained = [case for case in cases if case.readings.pretrained]
    assert {case.target for case in pretrained} == {"audio/fsdd", "image/cifar10"}
    assert all(case.gains["masked"] == 0.0 for case in pretrained), "they have had it"


def test_settled_comparisons_count_alone_where_there_are_any(script: ModuleType) -> None:
    row = {"metric": "accuracy", "labels_per_class": 30, "target": "audio/fsdd", "study": "s", "variant": None}
    pathway = {**row, "arm": "pathway", "auxiliary": "image/cifar10"}
    masked = {**row, "arm": "masked-modelling", "auxiliary": None}
    unsettled = [
        {**pathway, "difference": 0.4, "unsettled": "at the edge"},
        {**masked, "difference": 0.2, "unsettled": "at the edge"},
    ]
    (case,) = script.cases_of(unsettled, set())
    assert (case.gains, case.settled) == ({"plain": 0.0, "pathway": 0.4, "masked": 0.2}, False)
    (case,) = script.cases_of([*unsettled, {**pathway, "difference": 0.3}], set())
    assert (case.gains, case.settled) == ({"plain": 0.0, "pathway": 0.3, "masked": 0.2}, False)
    (case,) = script.cases_of([*unsettled, {**pathway, "difference": 0.3}, {**masked, "difference": 0.1}], set())
    assert (case.gains, case.settled) == ({"plain": 0.0, "pathway": 0.3, "masked": 0.1}, True)


def test_a_list_is_followed_where_it_beats_every_constant_rule_and_only_there(script: ModuleType) -> None:
    def case(target: str, kind: str, pathway: float) -> Case:
        readings = Readings(labels=30, pretrained=False, kind=kind)
        return Case(target=target, readings=readings, gains={"plain": 0.0, "pathway": pathway})

    choices = ("plain", "pathway")
    clear = [case(target, kind, gain) for target in "abcd" for kind, gain in (("image", 0.1), ("video", -0.1))]
    assert script.advise(clear, choices).rules
    one_odd = [case(target, "image", 0.1) for target in "abc"] + [case("d", "video", -0.004)]
    assert script.advise(one_odd, choices) == DecisionList(rules=(), otherwise="pathway")
    assert "Rule" in script.module_of({"a": script.advise(clear, choices), "b": script.advise(clear, choices)})
    constant = script.advise(one_odd, choices)
    assert "Rule" not in script.module_of({"a": constant, "b": constant})
