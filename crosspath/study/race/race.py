"""The story of `crosspath try`: understand what is asked, measure, plan, race, confirm the leader, answer."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crosspath.config import Settings, recipe_to_text
from crosspath.counts import quantity
from crosspath.files import write_text
from crosspath.study.pools import end_importing_worker, local_pool
from crosspath.study.race.advice import advice_in_words, advice_of
from crosspath.study.race.answer import ENOUGH_TEST_SAMPLES, Fit, conclude, read_answer, write_answer
from crosspath.study.race.check import check, without_unfit
from crosspath.study.race.costs import Costs
from crosspath.study.race.display import RaceDisplay, open_display
from crosspath.study.race.final import confirm
from crosspath.study.race.folder import ANSWER, COSTS, PLAN, RaceFolder, check_folder, open_race
from crosspath.study.race.measure import Samples, measure
from crosspath.study.race.plan import ENOUGH_VALIDATION, FOLDS, ROUND_FOLDS, Plan, make_plan
from crosspath.study.race.report import write_report
from crosspath.study.race.request import Request, understand
from crosspath.study.race.rounds import race
from crosspath.study.race.runs import AUXILIARIES, Runner
from crosspath.study.race.trials import TrialPool
from crosspath.study.sources import pretraining_of

RECIPE = "target.yaml"
"""The target's recipe in the folder, where it is not a shipped one."""


def fit(
    target: str | Path,
    *,
    auxiliaries: Mapping[str, str | Path] | Iterable[str | Path] = (),
    labels: int | None = None,
    budget: str | float = "20m",
    out: str | Path = "runs/try",
    data: str | Path | None = None,
    start_from: str | Path | None = None,
    settings: Settings = (),
    workers: int | None = None,
    threads: int = 1,
    progress: bool = True,
) -> Fit:
    """Find the best way to start training a target: the better model, or an honest no.

    All ways of starting are raced on validation alone. The leader and the plain model are then trained on fresh seeds,
    which redraw split, labels and initialisation and read the test part once each. `out` ends with `model/` (plain, of
    the first seed; trained as usual where there is no evidence), `report.html` and `answer.json`. A `fit` that was
    stopped resumes there.

    In a script the call stands below `if __name__ == "__main__":`, since every worker imports the script.

    Parameters
    ----------
    target
        A folder with one subfolder per class, a recipe's name or file, or a checkpoint.
    auxiliaries
        Folders (pretrained first), checkpoints, `timm:MODEL`, `hf:OWNER/MODEL` or `procedural`; {name: one of them}.
    labels
        Labels per class; all when not given.
    budget
        Time on the clock, such as `20m`, `1h` or a number of seconds; pretraining counts.
    data
        As for `train`, where the target is no folder.
    start_from
        A pretrained model of the target's own modality, which is raced too.
    settings
        For every run: {"section.field": value}, or texts `section.field=value`.
    workers, threads
        Number of runs at a time (as many as processors, or GPUs, when not given), and of threads in each.

    Raises
    ------
    InputError
        For anything that the user can put right, before the first run where it can be seen then.
    """
    end_importing_worker()
    request = understand(target, auxiliaries, labels, budget, data, start_from, settings, workers, threads)
    out = Path(out)
    check_folder(out, request.definition)
    if (out / ANSWER).is_file():
        return read_answer(out)
    with open_race(out, request.definition) as folder, open_display(progress, request.budget, folder.clock) as display:
        for note in folder.notes:
            display.line(note)
        samples = samples_of(request, display)
        request = without_unfit(request, display.line)
        request = as_begun(request, folder)
        # What is on a hub was fetched when it was checked: every run reads the same bytes, and waits for no network.
        with local_pool(request.workers, offline=True) as pool:
            runner = make_runner(request, samples, folder, TrialPool(pool), display)
            plan = measure_and_plan(request, samples, runner, display)
            advice = advice_in_words(runner.advice)
            if advice:
                display.line(f"earlier studies advise, {advice}")
            prepare_auxiliaries(request, runner, plan)
            leader = race(runner, plan)
            confirmation = confirm(runner, plan, leader)
        display.begin("writing model and report")
        again = partial(request.command, out=out)
        answer = conclude(
            folder, runner.place.runs, plan, leader, confirmation, again, advice=advice, notes=samples.notes
        )
        write_report(out, answer, request, plan)
        write_answer(out, answer)
    return answer


def as_begun(request: Request, folder: RaceFolder) -> Request:
    """The request with the ways that a race in this folder began with: an earlier version may have had fewer."""
    if COSTS not in folder.decisions:
        return request
    costs = folder.decide(COSTS, Costs, lambda: None)
    return replace(request, ways=tuple(way for way in request.ways if way.name in costs.of_ways))


def dry_run(request: Request, progress: bool = True) -> dict[str, Any]:
    """The plan of a request and what it costs, from a measurement in a folder that is removed."""
    with (
        TemporaryDirectory() as name,
        open_race(Path(name) / "try", request.definition) as folder,
        open_display(progress, request.budget, folder.clock) as display,
        local_pool(request.workers, offline=True) as pool,
    ):
        samples = samples_of(request, display)
        request = without_unfit(request, display.line)
        runner = make_runner(request, samples, folder, TrialPool(pool), display)
        plan = measure_and_plan(request, samples, runner, display)
        assert runner.costs is not None
        return {
            "target": request.target.recipe.name,
            "ways": {way.name: way.words for way in request.ways},
            "budget_s": request.budget,
            "processes": request.workers,
            "samples": samples.to_json(),
            "plan": plan.to_json(),
            "costs": runner.costs.to_json(),
        }


def samples_of(request: Request, display: RaceDisplay) -> Samples:
    """Samples of the target's parts, and those that every auxiliary is pretrained on; all data are checked.

    What the data have to say is shown at once: whoever has too few files should know before the budget is spent.
    """
    everything = check(request)
    target, whole = everything.pop("target"), everything.pop("unlabelled")
    by_name = {"": target, **everything}
    notes = [f"{name}: {note}" if name else note for name, data in by_name.items() for note in data.notes]
    if len(target.test) < ENOUGH_TEST_SAMPLES:
        notes.append(f"a test part of {quantity(len(target.test), 'sample')} shows large differences only")
    for note in notes:
        display.line(note)
    return Samples(
        train=len(target.train),
        validation=len(target.validation),
        test=len(target.test),
        unlabelled=len(whole.train) - len(target.train),
        classes=len(target.classes),
        auxiliaries={name: (len(data.train), len(data.classes)) for name, data in everything.items()},
        notes=tuple(notes),
    )


def make_runner(
    request: Request, samples: Samples, folder: RaceFolder, pool: TrialPool, display: RaceDisplay
) -> Runner:
    """What all runs share. A recipe that is not shipped is written into the folder, where every run finds it."""
    recipe = request.target.recipe
    name = recipe.name
    if not request.is_shipped:
        path = (folder.path / RECIPE).resolve()
        write_text(path, recipe_to_text(recipe))
        name = str(path)
    labels = recipe.data.labels_per_class or FOLDS
    few = samples.validation < ENOUGH_VALIDATION
    return Runner(
        folder=folder,
        pool=pool,
        recipe=recipe,
        target=name,
        settings=request.settings,
        data_root=request.target.data_root,
        sources=request.sources,
        ways=request.ways,
        folds=max(2, min(FOLDS, labels)) if few else 0,
        threads=request.threads,
        budget=request.budget,
        display=display,
        advice=advice_of(
            {source.name: source.kind for source in request.sources},
            labels=recipe.data.labels_per_class,
            pretrained=request.target.checkpoint is not None,
            own_files=samples.unlabelled > 0,
        ),
    )


def measure_and_plan(request: Request, samples: Samples, runner: Runner, display: RaceDisplay) -> Plan:
    """Measure what runs cost, and decide how long they train; both are written, and read again by a resumed race."""
    if COSTS not in runner.folder.decisions:
        display.begin("measuring what runs cost")
    costs = runner.folder.decide(COSTS, Costs, lambda: measure(runner, samples).to_json())
    runner.costs = costs

    def plan() -> dict[str, Any]:
        return make_plan(
            request.ways,
            costs,
            seconds=request.budget - runner.folder.clock(),
            processes=request.workers,
            seconds_so_far=runner.folder.clock(),
            folds=min(ROUND_FOLDS, runner.folds) or 1,
            test=samples.test,
            recipe_epochs=request.target.recipe.train.epochs,
            pretraining_epochs=pretraining_of(request.target.recipe).train.epochs,
            auxiliary_epochs={
                source.name: source.recipe.train.epochs for source in request.sources if source.recipe is not None
            },
        ).to_json()

    result = runner.folder.decide(PLAN, Plan, plan)
    runner.planned_at = runner.folder.decide("planned at", float, runner.folder.clock)
    return result


def prepare_auxiliaries(request: Request, runner: Runner, plan: Plan) -> None:
    """Where every auxiliary is or will be; those that are no checkpoints are pretrained for as long as the plan says,
    beside the runs of the first round that do not need them.
    """
    for source in request.sources:
        if source.recipe is not None:
            trial = runner.auxiliary(source, stage=AUXILIARIES, epochs=plan.auxiliary_epochs[source.name])
            runner.pretraining[source.name] = trial
        folder = None if source.recipe is None else runner.result_folder(runner.pretraining[source.name])
        runner.auxiliaries[source.name] = source.checkpoint or str(folder)
