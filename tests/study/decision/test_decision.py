"""Decision lists: the first rule that holds decides; the fit finds a rule where there is one, and only there."""

import itertools

import numpy as np
import pytest

from crosspath.study.decision.decision import Advice, Case, DecisionList, Readings, Rule, regret
from crosspath.study.decision.fit import WORTH, fit_list, held_out_regret, with_choices
from crosspath.study.race.advice import advice_in_words, advice_of, order_by_advice
from crosspath.study.race.ways import ways_of

KINDS = ("image", "audio", "text")
FEW = Rule(reading="labels", value=30, advice="pathway")
CHOICES: tuple[Advice, ...] = ("plain", "masked", "pathway")


def readings(labels: int | None = 30, *, pretrained: bool = False, kind: str | None = "image") -> Readings:
    return Readings(labels=labels, pretrained=pretrained, kind=kind)


def cases(gain_of: dict[int, float], noise: float = 0.0) -> list[Case]:
    """Five targets with every kind and number of labels; a pathway gains what the labels say."""
    rng = np.random.default_rng(0)
    return [
        Case(
            target=f"target-{target}",
            readings=readings(labels, kind=kind),
            gains={"plain": 0.0, "masked": 0.04, "pathway": gain_of[labels] + float(rng.normal(0, noise))},
        )
        for target, labels, kind in itertools.product(range(5), gain_of, KINDS)
    ]


def test_the_first_rule_that_holds_decides() -> None:
    decision = DecisionList(rules=(Rule(reading="pretrained", value=True, advice="plain"), FEW), otherwise="masked")
    assert decision.advise(readings(10, pretrained=True)) == "plain"
    assert decision.advise(readings(30)) == "pathway"
    assert decision.advise(readings(31)) == "masked"
    assert decision.advise(readings(None)) == "masked", "all labels are not few"
    assert decision.lines[1] == ("30 labels a class or fewer", "a pathway at full strength, or a copy")


def test_a_rule_that_is_there_is_found_again_on_targets_that_were_left_out() -> None:
    some = cases({10: 0.2, 30: 0.1, 100: -0.1}, noise=0.01)
    decision = fit_list(some, CHOICES)
    assert decision == DecisionList(rules=(FEW,), otherwise="masked")
    assert regret(decision, some) == pytest.approx(0.0, abs=1e-12)
    assert held_out_regret(some, CHOICES) == pytest.approx({f"target-{number}": 0.0 for number in range(5)}, abs=1e-12)


def test_a_rule_must_be_worth_more_than_a_study_can_show() -> None:
    assert fit_list(cases({10: 0.041, 30: 0.039}), CHOICES).rules == ()
    assert fit_list(cases({10: 0.04 + 3 * WORTH, 30: 0.0}), CHOICES).rules != ()


def test_no_list_of_two_rules_costs_less() -> None:
    some = cases({10: 0.0, 30: 0.03, 100: 0.06}, noise=0.05)
    chosen = fit_list(some, CHOICES)
    rules = [Rule(reading="kind", value=kind, advice=advice) for kind in KINDS for advice in CHOICES]
    rules += [Rule(reading="labels", value=labels, advice=advice) for labels in (10, 30) for advice in CHOICES]
    lists = [DecisionList(rules=pair, otherwise=last) for pair in itertools.permutations(rules, 2) for last in CHOICES]
    best = min(regret(one, some) for one in lists)
    assert regret(chosen, some) + WORTH * len(chosen.rules) <= best + 2 * WORTH + 1e-12


def test_targets_count_alike_however_many_cases_they_have() -> None:
    some = [Case(target="a", readings=readings(), gains={"plain": 0.0, "pathway": 0.1})] * 9
    some += [Case(target="b", readings=readings(), gains={"plain": 0.0, "pathway": -0.2})]
    assert regret(DecisionList(rules=(), otherwise="pathway"), some) == pytest.approx(0.1)
    assert regret(DecisionList(rules=(), otherwise="plain"), some) == pytest.approx(0.05)


def test_lists_are_compared_where_every_choice_was_measured() -> None:
    measured = Case(target="a", readings=readings(), gains={"plain": 0.0, "masked": 0.1, "pathway": 0.2})
    other = Case(target="b", readings=readings(), gains={"plain": 0.0, "pathway": 0.2})
    (one,) = with_choices([measured, other], ("plain", "masked"))
    assert one.gains == {"plain": 0.0, "masked": 0.1}


def test_a_race_begins_with_what_is_advised_and_leaves_nothing_out() -> None:
    ways = tuple(ways_of(["clips", "pictures"], target=None, pretrained=None))
    assert order_by_advice(ways, {}) == ways
    order = order_by_advice(ways, {"clips": "plain", "pictures": "pathway"})
    assert order[0] is ways[0]
    assert sorted(way.name for way in order) == sorted(way.name for way in ways)
    assert [way.name for way in order[1:4]] == ["whole-body-pictures", "frozen-anchor-pictures", "copy-pictures"]
    assert [way.name for way in order_by_advice(ways, {"clips": "masked", "pictures": "masked"})[:3]] == [
        "none",
        "masked-modelling",
        "mimetic",
    ]


def test_advice_needs_no_kind_and_is_said_by_auxiliary() -> None:
    kinds = {"clips": "video", "pictures": "image", "weights": None}
    advice = advice_of(kinds, labels=30, pretrained=False, own_files=False)
    assert advice.keys() == kinds.keys()
    assert advice_in_words({"a": "plain", "b": "masked", "c": "plain"}) == (
        "with a, c: the plain model; with b: masked modelling of your own files"
    )
    assert advice_in_words({}) == ""
