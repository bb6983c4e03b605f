"""A study, told from top to bottom: plan every run, carry out what is missing, read its result files, write tables."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from crosspath.checkpoints.load import checkpoint_files
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, read_json, write_json, write_text
from crosspath.pickles import refuse_pickle
from crosspath.study.arms import NONE, PATHWAY
from crosspath.study.definition import Search, Study, TargetSection, read_study
from crosspath.study.examples import write_examples
from crosspath.study.folder import DEFINITION, claimed
from crosspath.study.jobs import Place, Pool, Step, carry_out_all, local_pool, ray_pool
from crosspath.study.labels import label_savings
from crosspath.study.plan import Cell, Comparison, Job, auxiliaries_of, comparisons, final_jobs, search_jobs
from crosspath.study.progress import overall_progress
from crosspath.study.study_report import EXAMPLES, write_study_report
from crosspath.study.table import Row, adjusted, compared, markdown
from crosspath.training.result import RESULT, Result, read_result

RESULTS, TABLE, REPORT = "results.json", "results.md", "report.html"
RUNS = "runs"
AUXILIARIES = "auxiliaries.json"
"""{name: [recipe, modality]} of the auxiliaries, as their files said when the study was carried out."""


def run_study(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    workers: int = 1,
    threads: int = 1,
    ray: str | None = None,
    command: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Carry out a study, or what is missing of it, and write `results.json`, `results.md` and `report.html`.

    Parameters
    ----------
    study
        A study, or the path of its YAML file.
    out
        Its folder, `runs/<name>` when not given. One with finished runs of the same study goes on where it stopped.
    data_root
        The folder that holds one folder per data set.
    workers, threads
        Local processes, and threads of each.
    ray
        The address of a Ray cluster (`auto` for this machine's) that carries the runs out instead.
    command
        What the tables name as their origin.

    Returns
    -------
    What `results.json` holds: rows, chosen rates, label savings.

    Raises
    ------
    InputError
        For a faulty study, an `out` that holds another one or is at work, and whatever a run raises.
    """
    planned = study if isinstance(study, Study) else read_study(Path(study))
    if workers < 1 or threads < 1:
        where = "--workers" if workers < 1 else "--threads"
        raise InputError(where, "1 or more", str(min(workers, threads)), "raise it")
    folder = Path("runs") / planned.name if out is None else Path(out)
    known = auxiliaries_of(planned)
    all_of_them = comparisons(planned, known)
    for target in planned.targets.values():
        if target.from_ is not None:
            refuse_pickle(checkpoint_files(target.from_).weights)
    with claimed(folder, planned):
        write_json(folder / AUXILIARIES, {name: list(found) for name, found in known.items()})
        root = None if data_root is None else Path(data_root).resolve()
        place = Place(
            runs=(folder / RUNS).resolve(), data_root=root, auxiliaries=dict(planned.auxiliaries), threads=threads
        )
        with ray_pool(ray, threads) if ray else local_pool(workers) as pool:
            _carry_out(planned, all_of_them, pool, place, progress)
        if planned.part == "test":
            _show_changes(folder, planned, all_of_them, root)
        return write_results(folder, command or f"crosspath study {folder / DEFINITION}")


def compare(
    recipe: str,
    *,
    auxiliaries: Mapping[str, str | Path],
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    from_checkpoint: str | Path | None = None,
    arms: tuple[str, ...] = ("none", "pathway", "random"),
    seeds: int = 5,
    rates: tuple[float, ...] = (),
    search_seeds: int = 1,
    settings: tuple[str, ...] = (),
    workers: int = 1,
    threads: int = 1,
    command: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Compare the arms on one target: equal budget, equal search of the learning rate, test read once a run.

    See `run_study`, which does it: a comparison is a study of one target. `rates` are half, once and twice the
    recipe's own when not given.
    """
    if seeds < 1 or search_seeds < 1:
        raise InputError("--seeds", "1 or more", str(min(seeds, search_seeds)), "give at least one")
    target = TargetSection.model_validate({"from": from_checkpoint, "settings": settings})
    study = Study(
        name=f"compare-{recipe.replace('/', '-')}",
        targets={recipe: target},
        auxiliaries={name: str(given) for name, given in auxiliaries.items()},
        arms=tuple(arms),
        seeds=seeds,
        search=Search(rates=rates, seeds=search_seeds),
    )
    return run_study(
        study, out=out, data_root=data_root, workers=workers, threads=threads, command=command, progress=progress
    )


def write_results(folder: Path, command: str | None = None) -> dict[str, Any]:
    """The tables and the report of a study, from its definition and the result files of its runs alone.

    Raises
    ------
    InputError
        Where the folder holds no study, or one without a single finished comparison; unfinished ones are left out,
        and named.
    """
    study = read_study(folder / DEFINITION)
    # Auxiliaries may lie elsewhere by now: what the tables say of them was written down.
    noted = folder / AUXILIARIES
    known = None
    if noted.is_file():
        known = {name: (recipe, modality) for name, (recipe, modality) in read_json(noted).items()}
    planned = comparisons(study, known)
    read = {
        comparison: cells for comparison in planned if (cells := _read(folder / RUNS, comparison, study)) is not None
    }
    if not read:
        raise InputError(folder, "finished runs", "no whole comparison", "carry the study out first")
    rows = adjusted([row for comparison, cells in read.items() for row in _rows(study, comparison, cells, command)])
    summary = {
        "format_version": FORMAT_VERSION,
        "study": study.name,
        "command": command,
        "unfinished": [f"{one.target} {one.variant}".strip() for one in planned if one not in read],
        "rows": [row.to_json() for row in rows],
        "label_savings": [saving.to_json() for saving in label_savings(rows)],
        "search": _searched(folder / RUNS, study, read),
    }
    write_json(folder / RESULTS, summary)
    write_text(folder / TABLE, markdown(study.name, rows))
    write_study_report(folder / REPORT, study, read, rows, summary)
    return {"folder": str(folder), **summary}


Cells = dict[Cell, list[Result]]


def _carry_out(study: Study, planned: tuple[Comparison, ...], pool: Pool, place: Place, progress: bool) -> None:
    cells = list(dict.fromkeys(cell for comparison in planned for cell in (comparison.none, *comparison.others)))
    steps = tuple(_step(cell, study) for cell in cells)
    total = sum(len(search_jobs(cell, study.search.seeds)) + len(study.seed_list) for cell in cells)
    began = time.perf_counter()
    with overall_progress(progress, total) as overall:
        done = 0

        def finished(job: Job, result: Result) -> None:
            nonlocal done
            done += 1
            part = "validation" if job.search else study.part
            read = result.metrics[part].get("accuracy", result.metrics[part].get("map", float("nan")))
            passed = time.perf_counter() - began
            overall.show(job.label, "", 1.0)
            overall.finished(f"{done}/{total}  {job.label}: {part} {100 * read:.1f} %  ({passed:.0f} s in all)")

        carry_out_all(steps, pool, place, finished)


def _show_changes(folder: Path, study: Study, planned: tuple[Comparison, ...], root: Path | None) -> None:
    """Pictures of predictions that changed, of the first seed and each target's first pathway; kept if there."""
    for comparison in planned:
        connected = [cell for cell in comparison.others if cell.arm.name == PATHWAY.name]
        path = folder / EXAMPLES / f"{comparison.none.folder.as_posix().replace('/', '-')}.json"
        if not connected or path.exists():
            continue
        cell, seed = connected[0], study.seed_list[0]
        none, ours = (_final_folder(folder / RUNS, arm, study, seed) for arm in (comparison.none, cell))
        said = {"target": cell.target, "auxiliary": cell.auxiliary_recipe, "seed": seed}
        write_examples(none, ours, path, root, said)


def _final_folder(runs: Path, cell: Cell, study: Study, seed: int) -> Path:
    trials = [read_result(runs / job.folder) for job in search_jobs(cell, study.search.seeds)]
    rate = best_rate(cell, trials, study.search.seeds)
    return runs / final_jobs(cell, rate, (seed,))[0].folder


def _step(cell: Cell, study: Study) -> Step:
    """The search of one cell, which leads to its final runs."""
    trials = search_jobs(cell, study.search.seeds)

    def chosen(results: tuple[Result, ...]) -> Step:
        rate = best_rate(cell, list(results), study.search.seeds)
        return Step(final_jobs(cell, rate, study.seed_list), lambda _: None)

    return Step(trials, chosen)


def best_rate(cell: Cell, trials: list[Result], seeds: int) -> float:
    """The rate whose trials have the highest mean on the validation part; the smaller one of equals."""
    if len(cell.rates) == 1:
        return cell.rates[0]
    means = _means(cell, trials, seeds)
    return max(sorted(means), key=lambda rate: means[rate])


def _means(cell: Cell, trials: list[Result], seeds: int) -> dict[float, float]:
    values = [_score(trial, "validation") for trial in trials]
    return {rate: fmean(values[i * seeds : (i + 1) * seeds]) for i, rate in enumerate(cell.rates)}


def _score(result: Result, part: str) -> float:
    metrics = result.metrics[part]
    return float(metrics["map"] if "map" in metrics else metrics["accuracy"])


def _read(runs: Path, comparison: Comparison, study: Study) -> Cells | None:
    """The results of a comparison; None where a run is missing."""
    found: Cells = {}
    for cell in (comparison.none, *comparison.others):
        searched = search_jobs(cell, study.search.seeds)
        if not all((runs / job.folder / RESULT).is_file() for job in searched):
            return None
        rate = best_rate(cell, [read_result(runs / job.folder) for job in searched], study.search.seeds)
        final = final_jobs(cell, rate, study.seed_list)
        if not all((runs / job.folder / RESULT).is_file() for job in final):
            return None
        found[cell] = [read_result(runs / job.folder) for job in final]
    return found


def _rows(study: Study, comparison: Comparison, cells: Cells, command: str | None) -> list[Row]:
    """One row an arm and auxiliary; `none` stands first."""
    part = study.part
    metric = "map" if "map" in cells[comparison.none][0].metrics[part] else "accuracy"
    baseline = [result.metrics[part][metric] for result in cells[comparison.none]]
    rows = []
    for cell, results in cells.items():
        row = compared(
            results,
            baseline=None if cell.arm.name == NONE.name else baseline,
            arm=cell.arm.name,
            auxiliary=cell.auxiliary_recipe,
            metric=metric,
            part=part,
        )
        rate = _rate_of(results[0], cell)
        rows.append(
            replace(
                row,
                study=study.name,
                variant=comparison.variant or None,
                labels_per_class=comparison.labels,
                rate=rate,
                command=command,
            )
        )
    return rows


def _rate_of(result: Result, cell: Cell) -> float:
    """The rate in the name of the run's folder, which the plan gave it."""
    text = Path(result.folder).name.removeprefix("lr-").rpartition("-seed-")[0]
    return min(cell.rates, key=lambda rate: abs(rate - float(text)))


def _searched(runs: Path, study: Study, read: Mapping[Comparison, Cells]) -> list[dict[str, Any]]:
    """What the search of every arm found, and whether the best rate stands at its edge."""
    said = []
    for cell in dict.fromkeys(cell for cells in read.values() for cell in cells):
        jobs = search_jobs(cell, study.search.seeds)
        if not jobs:
            continue
        trials = [read_result(runs / job.folder) for job in jobs]
        means, chosen = _means(cell, trials, study.search.seeds), best_rate(cell, trials, study.search.seeds)
        said.append(
            {
                "target": cell.target,
                "labels_per_class": cell.labels,
                "variant": cell.variant or None,
                "arm": cell.arm.name,
                "auxiliary": cell.auxiliary_recipe,
                "validation": {f"{rate:g}": value for rate, value in means.items()},
                "chosen": chosen,
                "at_edge": chosen in (min(cell.rates), max(cell.rates)),
            }
        )
    return said
