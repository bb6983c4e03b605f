"""The plan of a race: it keeps to the budget, spends more of it on what matters more, and refuses what cannot be."""

import re

import pytest

from crosspath.study.race_plan import FEWEST_SEEDS, SHARE, Cost, Costs, Plan, make_plan, none_epochs, rounds_of
from crosspath.study.ways import Way, ways_of
from tests.errors import refused

WAYS = tuple(ways_of(["sounds"], target=None, pretrained=None))


def costs(epoch: float = 0.3) -> Costs:
    one = Cost(fixed=0.5, epoch=epoch)
    return Costs(
        of_ways={way.name: Cost(fixed=0.5, epoch=1.4 * epoch) if way.auxiliary else one for way in WAYS},
        masked=Cost(fixed=0.5, epoch=2 * epoch),
        auxiliaries={"sounds": Cost(fixed=1.0, epoch=2.0)},
    )


def plan(minutes: float, *, folds: int = 3, test: int = 60, cost: Costs | None = None) -> Plan:
    return make_plan(
        WAYS,
        cost or costs(),
        seconds=60 * minutes,
        folds=folds,
        test=test,
        recipe_epochs=30,
        pretraining_epochs=50,
        auxiliary_epochs={"sounds": 50},
    )


@pytest.mark.parametrize("minutes", [8, 20, 40, 200])
@pytest.mark.parametrize("test", [60, 300, 3000])
def test_a_plan_keeps_to_its_share_of_the_budget(minutes: float, test: int) -> None:
    made = plan(minutes, test=test)
    assert made.seconds <= SHARE * 60 * minutes
    assert made.rounds[-1].epochs <= 240
    assert Plan.from_json(made.to_json()) == made
    assert Costs.from_json(costs().to_json()) == costs()


def test_more_time_gives_epochs_first_and_then_seeds() -> None:
    plans = [plan(minutes, test=300) for minutes in (10, 40, 80, 160)]
    epochs = [made.rounds[-1].epochs for made in plans]
    seeds = [made.seeds for made in plans]
    assert seeds == sorted(seeds)
    assert seeds[0] == FEWEST_SEEDS
    assert seeds[-1] == plans[-1].seeds_wanted == 12
    assert epochs[0] < 30 <= epochs[1]


def test_folds_are_given_up_after_seeds() -> None:
    assert (plan(40).folds, plan(40, folds=1).folds) == (3, 1)
    short = plan(9)
    assert (short.seeds, short.folds) == (FEWEST_SEEDS, 1)


def test_an_auxiliary_takes_a_fifth_at_most() -> None:
    made = plan(10)
    assert 1.0 + 2.0 * made.auxiliary_epochs["sounds"] <= 0.2 * SHARE * 600
    assert plan(500).auxiliary_epochs["sounds"] == 50


def test_a_budget_for_nothing_is_refused_with_one_that_is_enough() -> None:
    with refused("--budget"):
        plan(1)
    slow = costs(epoch=30.0)
    with refused("--budget", "minutes"):
        plan(10, cost=slow)


def test_the_budget_that_a_refusal_names_is_enough_on_that_machine() -> None:
    fixed = {"folds": 3, "test": 60, "recipe_epochs": 30, "pretraining_epochs": 50, "auxiliary_epochs": {"sounds": 50}}
    spent, processes = 57.0, 2

    def of(minutes: int) -> Plan:
        left = (60 * minutes - spent) * processes
        return make_plan(WAYS, costs(epoch=3.0), seconds=left, processes=processes, spent=spent, **fixed)  # type: ignore[arg-type]

    with refused("--budget", "4.0") as caught:
        of(4)
    enough = int(re.search(r"--budget (\d+)m", caught.value.todo)[1])  # type: ignore[index]
    assert of(enough).rounds[-1].epochs >= 6
    with refused("--budget"):
        of(enough - 2)


def test_every_round_is_longer_with_fewer_ways_and_rates() -> None:
    rounds = rounds_of(90, 7)
    assert [(one.epochs, one.ways, one.rates) for one in rounds] == [(10, 7, 3), (30, 4, 2), (90, 3, 1)]
    assert [one.ways for one in rounds_of(9, 2)] == [2, 2, 2]


def test_none_gets_the_time_of_the_leader() -> None:
    by_name: dict[str, Way] = {way.name: way for way in WAYS}
    # Masked modelling before 30 epochs takes as long as they do.
    assert none_epochs(by_name["masked-modelling"], costs(), 30, 50, 0.0) == pytest.approx(60, abs=3)
    assert none_epochs(by_name["whole-body-sounds"], costs(), 30, 50, 0.0) == 42
    assert none_epochs(by_name["whole-body-sounds"], costs(), 30, 50, 6.0) == 62
    assert none_epochs(by_name["whole-body-sounds"], costs(), 30, 50, 1e4) == 90
    assert none_epochs(by_name["mimetic"], costs(), 30, 50, 0.0) == 30


def test_every_way_is_there_and_none_comes_first() -> None:
    names = [way.name for way in WAYS]
    pathways = ["paper-sounds", "whole-body-sounds", "frozen-anchor-sounds", "copy-sounds"]
    assert names == ["none", "mimetic", "masked-modelling", *pathways]
    assert all((way.control is None) == (way.auxiliary is None) for way in WAYS)
