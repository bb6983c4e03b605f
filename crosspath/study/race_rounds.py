"""The race itself: rounds that grow longer, from which the ways that read validation worst are left out.

Successive halving (Jamieson and Talwalkar 2016) on complete runs: each round trains anew, with the full schedule of its
length, because a run that is cut short in the middle of its schedule says little about one that ends there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from crosspath.study.race_plan import RATES, Plan, Round, fresh_seconds, round_seconds
from crosspath.study.race_runs import Runner
from crosspath.study.statistics import FEWEST_SEEDS
from crosspath.study.table import score
from crosspath.study.trials import trial_folder
from crosspath.study.ways import Way
from crosspath.training.result import RESULT, read_result

GRACE = 1.1
"""Times the budget that a race may take in the end, on a machine that became slower than it was measured."""
FLAT = 0.01
"""`none` is flat where training it `GROWTH` times as long gains no more than this on the validation part."""

Scores = Mapping[Way, Mapping[float, float]]
"""{way: {learning rate: mean validation score over folds}}."""


@dataclass(frozen=True, kw_only=True)
class Leader:
    """How a race ended."""

    way: Way
    rate: float
    none_rate: float
    epochs: int
    flat: bool
    """Whether `none` gained nothing by training so long."""
    scores: tuple[tuple[int, Scores], ...]
    """(epochs, scores) of each round."""


def race(runner: Runner, plan: Plan) -> Leader:
    """Run the rounds; every decision in them is read from validation parts alone."""
    ways = list(runner.ways)
    base = runner.recipe.optimizer.lr
    first = RATES[-plan.rounds[0].rates :] if plan.rounds[0].rates > 1 else (1.0,)
    rates = {way: [factor * base for factor in first] for way in ways}
    history: list[tuple[int, Scores]] = []
    flat = False
    for number, one in enumerate(plan.rounds):
        late = partial(_is_late, runner, plan, number)
        if number and runner.folder.decide(f"stop before round {number + 1}", late):
            break
        runner.display.begin(f"round {number + 1} of {len(plan.rounds)}: {len(rates)} ways, {one.epochs} epochs")
        scores = run_round(runner, f"race-{number + 1}", one, rates, plan.folds)
        history.append((one.epochs, scores))
        runner.display.line(describe(scores, runner.ways[0]))
        flat = _is_flat(history, runner)
        if flat:
            break
        if number + 1 < len(plan.rounds):
            following = plan.rounds[number + 1]
            rates = keep_best(scores, following)
    last = history[-1][1]
    others = {way: by_rate for way, by_rate in last.items() if way is not runner.ways[0]}
    way = max(others, key=lambda way: max(others[way].values()))
    return Leader(
        way=way,
        rate=best(others[way]),
        none_rate=best(last[runner.ways[0]]),
        epochs=history[-1][0],
        flat=flat,
        scores=tuple(history),
    )


def run_round(
    runner: Runner, stage: str, one: Round, rates: Mapping[Way, Sequence[float]], folds: int
) -> dict[Way, dict[float, float]]:
    """Train every way with each of its rates on every fold."""
    steps, runs = [], []
    for seed in runner.race_seeds(folds):
        for way, own in rates.items():
            for rate in own:
                step = runner.training(way, stage=stage, epochs=one.epochs, rate=rate, seed=seed)
                steps.append(step)
                runs.append((way, rate, runner.place.runs / trial_folder(stage, way.name, rate, seed)))
    runner.run(steps)
    values: dict[Way, dict[float, list[float]]] = {}
    for way, rate, folder in runs:
        # A run without a result has diverged.
        value = score(read_result(folder), "validation") if (folder / RESULT).is_file() else 0.0
        values.setdefault(way, {}).setdefault(rate, []).append(value)
    return {way: {rate: fmean(some) for rate, some in by_rate.items()} for way, by_rate in values.items()}


def keep_best(scores: Scores, following: Round) -> dict[Way, list[float]]:
    """The ways and rates of the next round: `none` always, and those whose best rates read validation best."""
    none, *others = scores
    others.sort(key=lambda way: max(scores[way].values()), reverse=True)
    return {way: best_rates(scores[way], following.rates) for way in (none, *others[: following.ways - 1])}


def best_rates(by_rate: Mapping[float, float], count: int) -> list[float]:
    """The best rates, in ascending order; of equal ones the smallest."""
    return sorted(sorted(sorted(by_rate), key=by_rate.__getitem__, reverse=True)[:count])


def best(by_rate: Mapping[float, float]) -> float:
    """The best rate; of equal ones the smallest."""
    return best_rates(by_rate, 1)[0]


def describe(scores: Scores, none: Way) -> str:
    """What leads a round, in a line."""
    leader = max((way for way in scores if way is not none), key=lambda way: max(scores[way].values()))
    values = {way: f"{100 * max(scores[way].values()):.1f} %" for way in (leader, none)}
    return f"{leader.words} leads with {values[leader]} on validation; none has {values[none]}"


def _is_flat(history: Sequence[tuple[int, Scores]], runner: Runner) -> bool:
    """Whether `none` gained nothing by the last round's length, which must be the recipe's own or more."""
    if len(history) < 2 or history[-1][0] < runner.recipe.train.epochs:
        return False
    before, now = (max(scores[runner.ways[0]].values()) for _, scores in history[-2:])
    return now - before <= FLAT


def _is_late(runner: Runner, plan: Plan, number: int) -> bool:
    """Whether this round and the fewest fresh seeds would take too long, as much slower as the rounds before were."""
    assert runner.costs is not None
    costs, most = runner.costs, runner.most_pretraining

    def planned(one: Round) -> float:
        return round_seconds(runner.ways, costs, one, plan.folds, most) / runner.pool.size

    slower = max(1.0, runner.worked("race-*") / sum(map(planned, plan.rounds[:number])))
    fresh, _ = fresh_seconds(runner.ways, costs, plan.rounds[number].epochs, most, 0.0)
    needed = planned(plan.rounds[number]) + FEWEST_SEEDS * fresh / runner.pool.size
    return runner.spent + slower * needed > GRACE * runner.budget
