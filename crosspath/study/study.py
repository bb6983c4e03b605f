"""The story of a study: plan every run, carry out those that are missing, write the tables and the report."""

import time
from pathlib import Path

from crosspath.checkpoints.files import checkpoint_files
from crosspath.counts import quantity
from crosspath.deprecated import older_keywords
from crosspath.errors import InputError
from crosspath.files import read_json_as, write_json
from crosspath.metrics import METRICS
from crosspath.modalities.memory import path_only
from crosspath.pickles import refuse_pickle
from crosspath.study.arms import PATHWAY
from crosspath.study.cells import Cell, Job
from crosspath.study.definition import Study, read_study
from crosspath.study.fit_check import require_fits
from crosspath.study.folder import AUXILIARIES, DEFINITION, RUNS, claim_folder, with_earlier_search
from crosspath.study.jobs import Place
from crosspath.study.plan import Comparison, auxiliaries_of, comparisons, refuse_idle_arms, refuse_shared_runs
from crosspath.study.pools import Pool, end_importing_worker, local_pool, ray_pool
from crosspath.study.power import power_of
from crosspath.study.reports.examples import EXAMPLES, Changes, write_examples
from crosspath.study.results import StudyResults, write_results
from crosspath.study.rows import score_text
from crosspath.study.search import final_jobs_of, read_choice, search_then_train, search_trials
from crosspath.study.statistics import FEWEST_SEEDS
from crosspath.study.steps import run_steps
from crosspath.training.progress import open_bar
from crosspath.training.result import Result


@older_keywords(data_root="data")
def run_study(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    workers: int = 1,
    threads: int = 1,
    ray: str | None = None,
    command: str | None = None,
    progress: bool = True,
) -> StudyResults:
    """Run a study, or the part of it that is missing, and write `results.json`, `results.md` and `report.html`.

    In a script the call stands below `if __name__ == "__main__":`, since every worker imports the script.

    Parameters
    ----------
    study
        A study, or the path of its YAML file.
    out
        Its folder; default: `runs/<name>`. A study that was stopped resumes there.
    data
        The folder that holds one sub-folder per data set.
    workers, threads
        Number of local processes, and of threads in each.
    ray
        Address of a Ray cluster that carries out the runs instead; `auto` for that of this machine.
    command
        The command that the tables name as their origin.

    Returns
    -------
    The content of `results.json`: answer, rows, search of the learning rates, label savings. It prints as the answer.

    Raises
    ------
    InputError
        For an invalid study, an `out` that holds another study or is in use, and any `InputError` of a run.
    """
    end_importing_worker()
    study = study if isinstance(study, Study) else read_study(Path(study))
    folder_with_data = path_only(data, "studies, whose runs are processes of their own")
    if workers < 1 or threads < 1:
        where = "--workers" if workers < 1 else "--threads"
        raise InputError(where, "1 or more", str(min(workers, threads)), "raise it")
    folder = Path("runs") / study.name if out is None else Path(out)
    study = with_earlier_search(folder, study)
    auxiliaries = auxiliaries_of(study)
    every = comparisons(study, auxiliaries)
    refuse_idle_arms(study, every)
    refuse_shared_runs(study, every)
    for target in study.targets.values():
        for checkpoint in target.checkpoints.values():
            refuse_pickle(checkpoint_files(checkpoint).weights)
    root = None if folder_with_data is None else folder_with_data.resolve()
    place = Place(runs=(folder / RUNS).resolve(), data_root=root, auxiliaries=dict(study.auxiliaries), threads=threads)
    require_fits(_cells(every), place)
    with claim_folder(folder, study):
        write_json(folder / AUXILIARIES, {name: list(origin) for name, origin in auxiliaries.items()})
        _announce(study, every, place.runs, progress)
        with ray_pool(ray, threads) if ray else local_pool(workers) as pool:
            _run_jobs(study, every, pool, place, progress)
        if study.part == "test":
            _write_examples(folder, study, every, root)
        return write_results(folder, command or f"crosspath study {folder / DEFINITION}")


def _announce(study: Study, every: tuple[Comparison, ...], runs: Path, progress: bool) -> None:
    """Before the first run: how many there are, and whether a verdict can come of them."""
    cells = _cells(every)
    search = sum(len(search_trials(runs, cell)) for cell in cells)
    final = len(cells) * len(study.seed_list)
    searching = f"{search} to search learning rates" if search else "no search of learning rates"
    if any(cell.grid.may_grow for cell in cells):
        searching += ", and more as these turn out"
    with open_bar(progress) as bar:
        bar.line(f"{quantity(search + final, 'run')}: {final} reported, {searching}")
        if len(study.seed_list) < FEWEST_SEEDS:
            seeds = quantity(len(study.seed_list), "seed")
            bar.line(f"{seeds}: differences only, no verdict, which needs at least {FEWEST_SEEDS} seeds")


def _cells(every: tuple[Comparison, ...]) -> list[Cell]:
    """All cells, each once."""
    return list(dict.fromkeys(cell for comparison in every for cell in (comparison.none, *comparison.others)))


def _run_jobs(study: Study, every: tuple[Comparison, ...], pool: Pool, place: Place, progress: bool) -> None:
    cells = _cells(every)
    steps = tuple(search_then_train(cell, study, place.runs) for cell in cells)
    totals = {cell: len(search_trials(place.runs, cell)) + len(study.seed_list) for cell in cells}
    start = time.perf_counter()
    with open_bar(progress, sum(totals.values())) as bar:
        count = 0
        silent = {(one.none, cell) for one in every for cell in one.others}

        def announce_power(about: Cell | None = None) -> None:
            """Once for each comparison, when its searches have ended and before its result is known."""
            for none, cell in sorted(silent, key=lambda pair: pair[1].label):
                if about in (None, none, cell) and (line := _power_line(study, place.runs, none, cell)) is not None:
                    silent.remove((none, cell))
                    bar.line(line)

        announce_power()

        def report(job: Job, result: Result | None) -> None:
            nonlocal count
            count += 1
            if job.search:
                totals[job.cell] = len(search_trials(place.runs, job.cell)) + len(study.seed_list)
            total, part = sum(totals.values()), "validation" if job.search else study.part
            reading = "diverged" if result is None else f"{part} {score_text(result, part)}"
            seconds = time.perf_counter() - start
            bar.advance(1, job.label)
            bar.expect(total)
            bar.line(f"{count}/{total}  {job.label}: {reading}  ({seconds:.0f} s in all)")
            if job.search:
                announce_power(job.cell)

        run_steps(steps, pool, place, report)


def _power_line(study: Study, runs: Path, none: Cell, cell: Cell) -> str | None:
    """What a comparison could show; None while its searches go on, and where nothing tells the spread."""
    baseline, choice = read_choice(runs, none), read_choice(runs, cell)
    if baseline is None or choice is None:
        return None
    _, detectable = power_of(study, cell, choice, baseline)
    if detectable is None:
        return None
    metric = METRICS[choice.metric]
    size = f"{metric.number(detectable)} {metric.unit_of_differences}" if choice.scores else f"{detectable:.3g}"
    return f"{cell.label}: a true difference of {size.strip()} would be detected in 80 % of cases"


def _write_examples(folder: Path, study: Study, every: tuple[Comparison, ...], root: Path | None) -> None:
    """Pictures of predictions that changed, of the first seed and pathway of each target, where not there yet."""
    for comparison in every:
        pathway_cells = [cell for cell in comparison.others if cell.arm.name == PATHWAY.name]
        path = folder / EXAMPLES / f"{comparison.none.folder.as_posix().replace('/', '-')}.json"
        if not pathway_cells:
            continue
        cell = pathway_cells[0]
        jobs = [final_jobs_of(folder / RUNS, arm, study)[0] for arm in (comparison.none, cell)]
        runs = tuple(job.folder.as_posix() for job in jobs)
        # A search that was widened since may have chosen other runs.
        if path.exists() and read_json_as(path, Changes).runs == runs:
            continue
        without, with_pathway = (folder / RUNS / run for run in runs)
        header = {"target": cell.target, "auxiliary": cell.auxiliary_recipe, "seed": jobs[0].seed, "runs": runs}
        write_examples(without, with_pathway, path, root, header)
