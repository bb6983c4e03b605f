"""The plan of a race: it keeps to the budget, spends more of it on what matters more, and refuses what cannot be."""

import re

import pytest

from crosspath.files import as_kind
from crosspath.study.race.costs import Cost, Costs, clock_seconds, none_epochs
from crosspath.study.race.plan import (
    AUXILIARY_SHARE,
    FEWEST_PLANNED_SEEDS,
    SHARE,
    Plan,
    estimate_of,
    make_plan,
    plan_rest,
    rounds_of,
)
from crosspath.study.race.ways import Way, ways_of
from tests.errors import refused

WAYS = tuple(ways_of(["sounds"], target=None, pretrained=None))


def costs(epoch: float = 0.3) -> Costs:
    one = Cost(fixed=0.5, epoch=epoch)
    return Costs(
        of_ways={way.name: Cost(fixed=0.5, epoch=1.4 * epoch) if way.auxiliary else one for way in WAYS},
        masked=Cost(fixed=0.5, epoch=2 * epoch),
        auxiliaries={"sounds": Cost(fixed=1.0, epoch=2.0)},
    )


def plan(
    minutes: float,
    *,
    folds: int = 3,
    test: int = 60,
    cost: Costs | None = None,
    processes: int = 1,
    so_far: float = 0.0,
) -> Plan:
    return make_plan(
        WAYS,
        cost or costs(),
        seconds=60 * minutes,
        folds=folds,
        test=test,
        recipe_epochs=30,
        pretraining_epochs=50,
        auxiliary_epochs={"sounds": 50},
        processes=processes,
        seconds_so_far=so_far,
    )


@pytest.mark.parametrize("minutes", [8, 20, 40, 200])
@pytest.mark.parametrize("test", [60, 300, 3000])
def test_a_plan_keeps_to_its_share_of_the_budget(minutes: float, test: int) -> None:
    made = plan(minutes, test=test)
    assert made.seconds <= SHARE * 60 * minutes
    assert made.rounds[-1].epochs <= 240
    assert as_kind(made.to_json(), Plan, "plan") == made
    assert as_kind(costs().to_json(), Costs, "costs") == costs()


def test_more_time_gives_epochs_first_and_then_seeds() -> None:
    plans = [plan(minutes, test=300) for minutes in (10, 40, 80, 160)]
    epochs = [made.rounds[-1].epochs for made in plans]
    seeds = [made.seeds for made in plans]
    assert seeds == sorted(seeds)
    assert seeds[0] == FEWEST_PLANNED_SEEDS
    assert seeds[-1] == plans[-1].seeds_wanted == 12
    assert epochs[0] < 30 <= epochs[1]


def test_folds_are_given_up_after_seeds() -> None:
    assert (plan(40).folds, plan(40, folds=1).folds) == (3, 1)
    short = plan(9)
    assert (short.seeds, short.folds) == (FEWEST_PLANNED_SEEDS, 1)


def test_an_auxiliary_takes_a_fifth_at_most() -> None:
    made = plan(10)
    assert 1.0 + 2.0 * made.auxiliary_epochs["sounds"] <= 0.2 * SHARE * 600
    assert plan(500).auxiliary_epochs["sounds"] == 50


def test_one_auxiliary_keeps_to_its_share_of_the_clock_however_many_runs_there_are_at_a_time() -> None:
    for processes in (1, 2, 8):
        made = plan(10, processes=processes)
        assert 1.0 + 2.0 * made.auxiliary_epochs["sounds"] <= AUXILIARY_SHARE * SHARE * 600
        assert made.seconds <= SHARE * 600


def test_runs_wait_for_a_free_process() -> None:
    assert clock_seconds([], 2) == 0
    assert clock_seconds([4.0, 1.0, 1.0, 1.0], 1) == 7
    assert clock_seconds([4.0, 1.0, 1.0, 1.0], 2) == 4
    assert clock_seconds([1.0, 1.0, 1.0, 4.0], 2) == 5


def test_the_first_round_fills_the_processes_beside_an_auxiliary() -> None:
    estimate = estimate_of(costs(), {"sounds": 10}, 50, 2)
    assert estimate.auxiliaries == {"sounds": 21.0}
    alone, needing = (estimate.of_round(ways, 4, 3, 1) for ways in (WAYS[:3], WAYS[3:]))
    assert alone < 21
    assert estimate.of_first_round(WAYS, 4, 3, 1) == pytest.approx(21 + needing)


def test_masked_modelling_is_shared_by_the_rates_of_a_round() -> None:
    estimate, masked = estimate_of(costs(), {}, 50, 1), [WAYS[2]]
    before = costs().before(WAYS[2], 30, 50)
    assert before > 9
    assert estimate.of_round(masked, 30, 3, 2) == pytest.approx(2 * before + 6 * (0.5 + 9))


def test_the_rest_is_planned_for_the_ways_that_reach_it_at_the_pace_of_the_rounds_before() -> None:
    def rest(ways: tuple[Way, ...], pace: float, seconds: float = 600.0) -> tuple[int, int]:
        estimate = estimate_of(costs().times(pace), {"sounds": 10}, 50, 2)
        made = plan_rest(ways, estimate, seconds=seconds, folds=1, most_seeds=8, recipe_epochs=30)
        total = estimate.of_round(ways, made.epochs, 1, 1) + estimate.of_fresh(ways, made.epochs, made.seeds, 1)
        assert total <= seconds or not made.epochs
        return made.epochs, made.seeds

    short, dear = WAYS[:2], (WAYS[0], WAYS[4])
    assert rest(short, 1.0)[0] > rest(dear, 1.0)[0] > rest(dear, 2.0)[0] >= 30
    assert rest(short, 1.0)[1] == 8
    assert rest(dear, 1.0, seconds=150.0)[1] < 8
    assert rest(dear, 1.0, seconds=5.0)[0] == 0


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
        left = 60 * minutes - spent
        return make_plan(WAYS, costs(epoch=3.0), seconds=left, processes=processes, seconds_so_far=spent, **fixed)  # type: ignore[arg-type]

    with refused("--budget", "4.0") as caught:
        of(4)
    enough = int(re.search(r"--budget (\d+)m", caught.value.todo)[1])  # type: ignore[index]
    assert of(enough).rounds[-1].epochs >= 6
    with refused("--budget"):
        of(enough - 2)


def test_a_budget_that_measuring_exceeded_does_not_count_it_as_a_part() -> None:
    with refused("--budget", "0.3 minutes; measuring alone took 3.7"):
        plan(20 / 60 - 3.7, so_far=60 * 3.7)
    with refused("--budget", "4.0 minutes, of which measuring took 3.7"):
        plan(0.3, so_far=60 * 3.7)


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
