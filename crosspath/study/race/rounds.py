"""The race itself: rounds that grow longer, from which the ways that read validation worst are left out.

Successive halving (Jamieson and Talwalkar 2016) on complete runs: each round trains anew, with the full schedule of its
length, because a run that is cut short in the middle of its schedule says little about one that ends there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.config import Recipe, apply_overrides
from crosspath.counts import quantity
from crosspath.study.grid import best_rates
from crosspath.study.race.advice import order_by_advice
from crosspath.study.race.costs import Estimate
from crosspath.study.race.plan import RATES, Last, Plan, Round, estimate_of, plan_rest, round_seconds
from crosspath.study.race.runs import FIRST_ROUND, Runner, last_step
from crosspath.study.race.trials import trial_folder
from crosspath.study.race.ways import Way
from crosspath.study.rows import score
from crosspath.study.statistics import FEWEST_SEEDS
from crosspath.study.steps import Step
from crosspath.training.result import RESULT, read_result

MOST = 2
"""Times the planned length of the last round, at most, where the runs before it were faster than measured."""
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
    validation_samples: int
    """That each score rests on, in all folds together."""


def race(runner: Runner, plan: Plan) -> Leader:
    """Run the rounds; every decision in them is read from validation parts alone."""
    ways = list(runner.ways)
    first = RATES[-plan.rounds[0].rates :] if plan.rounds[0].rates > 1 else (1.0,)
    middles = {way: middle_rate(way, runner.recipe, runner.settings) for way in ways}
    rates = {way: [factor * middles[way] for factor in first] for way in ways}
    history: list[tuple[int, Scores]] = []
    flat = False
    for number, one in enumerate(plan.rounds):
        if 0 < number < len(plan.rounds) - 1:
            late = partial(_is_late, runner, plan, number)
            if runner.folder.decide(f"stop before round {number + 1}", bool, late):
                break
        elif number:
            rest = runner.folder.decide("last round", Last, partial(_plan_rest, runner, plan, list(rates)))
            if rest.epochs <= history[-1][0]:
                break
            one = replace(one, epochs=min(rest.epochs, MOST * one.epochs))
        beside = "" if number or not runner.pretraining else f", and pretraining {', '.join(runner.pretraining)}"
        ways_and_epochs = f"{len(rates)} ways, {quantity(one.epochs, 'epoch')}"
        runner.display.begin(f"round {number + 1} of {len(plan.rounds)}: {ways_and_epochs}{beside}")
        scores = run_round(runner, f"race-{number + 1}", one, rates, plan.folds)
        history.append((one.epochs, scores))
        samples = _validation_samples(runner, plan)
        runner.display.line(describe(scores, runner.ways[0], samples))
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
        rate=best_rates(others[way], 1)[0],
        none_rate=best_rates(last[runner.ways[0]], 1)[0],
        epochs=history[-1][0],
        flat=flat,
        scores=tuple(history),
        validation_samples=samples,
    )


def middle_rate(way: Way, recipe: Recipe, settings: tuple[str, ...]) -> float:
    """The learning rate around which a way is tried: the recipe's own, and of a foundation model the one with which it
    trains (`BODY_RATE`): ten times as much, as for weights that begin at random, undoes what it has learned. The head
    of a frozen body begins at random.
    """
    own = apply_overrides(recipe, way.arm.settings)
    return fit_to_start(own, way.from_, (*settings, *way.arm.settings), shipped=True).optimizer.lr


def run_round(
    runner: Runner,
    stage: str,
    one: Round,
    rates: Mapping[Way, Sequence[float]],
    folds: int,
    beside: Sequence[Step] = (),
) -> dict[Way, dict[float, float]]:
    """Train every way with each of its rates on every fold; further steps `beside` them, once these leave room."""
    steps, runs = [last_step(trial) for trial in runner.unfinished_pretraining()], []
    for seed in runner.selection_seeds(folds):
        for way in order_by_advice(tuple(rates), runner.advice):
            for rate in rates[way]:
                step = runner.training(way, stage=stage, epochs=one.epochs, rate=rate, seed=seed)
                steps.append(step)
                runs.append((way, rate, runner.place.runs / trial_folder(stage, way.name, rate, seed)))
    runner.run([*steps, *beside])
    values: dict[Way, dict[float, list[float]]] = {way: {} for way in rates}
    for way, rate, folder in runs:
        # A run without a result has diverged.
        value = score(read_result(folder), "validation") if (folder / RESULT).is_file() else 0.0
        values[way].setdefault(rate, []).append(value)
    return {way: {rate: fmean(some) for rate, some in by_rate.items()} for way, by_rate in values.items()}


def keep_best(scores: Scores, following: Round) -> dict[Way, list[float]]:
    """The ways and rates of the next round: `none` always, and those whose best rates read validation best."""
    none, *others = scores
    others.sort(key=lambda way: max(scores[way].values()), reverse=True)
    return {way: best_rates(scores[way], following.rates) for way in (none, *others[: following.ways - 1])}


def describe(scores: Scores, none: Way, samples: int) -> str:
    """What leads a round, in a line."""
    reads = {way: max(by_rate.values()) for way, by_rate in scores.items()}
    other = max((way for way in scores if way is not none), key=reads.__getitem__)
    values = {way: f"{100 * reads[way]:.1f} %" for way in (other, none)}
    if reads[other] > reads[none]:
        return f"{other.words} leads with {values[other]} on {samples} validation samples; none has {values[none]}"
    return f"none leads with {values[none]} on {samples} validation samples; next is {other.words} with {values[other]}"


def _validation_samples(runner: Runner, plan: Plan) -> int:
    """Of the folds of a round."""
    none = runner.place.runs / FIRST_ROUND / runner.ways[0].name
    samples = {
        seed: read_result(path.parent).samples["validation"]
        for seed in runner.selection_seeds(plan.folds)
        for path in none.glob(f"*-seed-{seed}/{RESULT}")
    }
    return sum(samples.values())


def _is_flat(history: Sequence[tuple[int, Scores]], runner: Runner) -> bool:
    """Whether `none` gained nothing by the last round's length, which must be the recipe's own or more."""
    if len(history) < 2 or history[-1][0] < runner.recipe.train.epochs:
        return False
    before, now = (max(scores[runner.ways[0]].values()) for _, scores in history[-2:])
    return now - before <= FLAT


def _is_late(runner: Runner, plan: Plan, number: int) -> bool:
    """Whether this round and the fewest fresh seeds would take too long, as slow as the rounds before were."""
    one, estimate = plan.rounds[number], _estimate(runner, plan, number)
    ways = estimate.longest(runner.ways, one.ways, one.epochs)
    seconds = estimate.of_round(ways, one.epochs, one.rates, plan.folds)
    seconds += estimate.of_fresh(ways, one.epochs, FEWEST_SEEDS, plan.folds)
    return runner.seconds_so_far + seconds > runner.budget


def _plan_rest(runner: Runner, plan: Plan, ways: Sequence[Way]) -> dict[str, int]:
    """The last round of these ways and the fresh seeds, at the pace of the rounds before."""
    rest = plan_rest(
        ways,
        _estimate(runner, plan, len(plan.rounds) - 1),
        seconds=runner.budget - runner.seconds_so_far,
        folds=plan.folds,
        most_seeds=plan.seeds_wanted,
        recipe_epochs=runner.recipe.train.epochs,
    )
    return asdict(rest)


def _estimate(runner: Runner, plan: Plan, number: int) -> Estimate:
    """What runs take, by the time that those before round `number`, from 0, have taken against what was measured."""

    def estimate(pace: float) -> Estimate:
        assert runner.costs is not None
        return estimate_of(runner.costs.times(pace), plan.auxiliary_epochs, runner.most_pretraining, runner.pool.size)

    forecast = sum(round_seconds(estimate(1.0), runner.ways, plan.rounds[:number], plan.folds))
    return estimate(sum(runner.seconds_by_stage().values()) / forecast)
