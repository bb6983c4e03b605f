"""The tables and the report of a study, from its definition and the result files of its runs alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, read_json, read_json_as, write_json, write_text
from crosspath.metrics import metric_of
from crosspath.study.arms import NONE, PATHWAY
from crosspath.study.cells import Cell
from crosspath.study.definition import Study, read_study
from crosspath.study.folder import AUXILIARIES, DEFINITION, REPORT, RESULTS, RUNS, TABLE
from crosspath.study.jobs import DIVERGENCE, read_divergence
from crosspath.study.plan import Comparison, comparisons
from crosspath.study.power import power_of
from crosspath.study.reports.answer import answer_of
from crosspath.study.reports.labels import label_savings
from crosspath.study.reports.study_report import write_study_report
from crosspath.study.reports.table import markdown
from crosspath.study.rows import Row, adjust_verdicts, leave_unsettled, make_row
from crosspath.study.same_samples import SampleCheck
from crosspath.study.search import Choice, final_jobs_of, read_choice
from crosspath.training.pathways import idle_in
from crosspath.training.result import RESULT, Result, read_result

Cells = dict[Cell, list[Result]]
Choices = Mapping[Cell, Choice]
"""{cell: what its search chose}, of those whose trials have all finished."""


class StudyResults(dict[str, Any]):
    """The content of `results.json` with the paths of folder and report. It prints as the answer, in one line."""

    def __repr__(self) -> str:
        answer = self["answer"]
        return f"<StudyResults {answer['verdict']}: {answer['sentence']} Report: {self['report']}>"


def write_results(folder: Path, command: str | None = None) -> StudyResults:
    """Write `results.json`, `results.md` and `report.html` of a study; return the content of the first.

    Unfinished comparisons are skipped, and listed as `unfinished`. Without a `command`, that of an earlier
    `results.json` stays.

    Raises
    ------
    InputError
        For a folder without a study, or without any finished comparison.
    """
    if not (folder / DEFINITION).is_file():
        expected = "the folder of a study, a comparison or a demo"
        raise InputError(folder, expected, f"no {DEFINITION} in it", "choose the --out of one of those")
    study = read_study(folder / DEFINITION)
    if command is None and (folder / RESULTS).is_file():
        command = read_json(folder / RESULTS).get("command")
    # The auxiliaries may have moved: the tables use what was recorded of them when the study ran.
    record = folder / AUXILIARIES
    auxiliaries = None
    if record.is_file():
        auxiliaries = dict(read_json_as(record, dict[str, tuple[str, str | None]]))
    every = comparisons(study, auxiliaries)
    cells_of_study = dict.fromkeys(cell for one in every for cell in (one.none, *one.others))
    choices = {cell: choice for cell in cells_of_study if (choice := read_choice(folder / RUNS, cell)) is not None}
    complete = {
        comparison: cells
        for comparison in every
        if (cells := _read(folder / RUNS, comparison, study, choices)) is not None
    }
    if not complete:
        raise InputError(folder, "finished runs", "no complete comparison", "run the study first")
    rows = adjust_verdicts(
        [
            row
            for comparison, cells in complete.items()
            for row in _rows(folder / RUNS, study, comparison, cells, choices, command)
        ]
    )
    answer = answer_of(rows, _connected_run(folder, study, complete))
    summary = {
        "format_version": FORMAT_VERSION,
        "study": study.name,
        "command": command,
        "settings": {scope: list(settings) for scope, settings in study.settings_by_scope.items()},
        "answer": answer.to_json(),
        "unfinished": [f"{one.target} {one.variant}".strip() for one in every if one not in complete],
        "rows": [row.to_json() for row in rows],
        "label_savings": [saving.to_json() for saving in label_savings(rows)],
        "search": _search_table(complete, choices),
    }
    write_json(folder / RESULTS, summary)
    write_text(folder / TABLE, markdown(study.name, rows, study.settings_by_scope))
    write_study_report(folder / REPORT, study, complete, rows, summary, answer)
    return StudyResults({"folder": str(folder), "report": str(folder / REPORT), **summary})


def _connected_run(folder: Path, study: Study, complete: Mapping[Comparison, Cells]) -> Path | None:
    """The first seed's run of the first pathway: fixed before any result is known."""
    cells = (cell for cells in complete.values() for cell in cells if cell.arm.name == PATHWAY.name)
    cell = next(cells, None)
    return None if cell is None else folder / RUNS / final_jobs_of(folder / RUNS, cell, study)[0].folder


def _read(runs: Path, comparison: Comparison, study: Study, choices: Choices) -> Cells | None:
    """The results of a comparison; None where a run is missing."""
    results: Cells = {}
    check = SampleCheck(runs)
    for cell in (comparison.none, *comparison.others):
        choice = choices.get(cell)
        if choice is None:
            return None
        jobs = choice.final_jobs(cell, study.seed_list)
        if not all((runs / job.folder / RESULT).is_file() for job in jobs):
            return None
        # A study may have been moved since its runs were told where they are.
        folders = [runs / job.folder for job in jobs]
        results[cell] = [replace(read_result(folder), folder=str(folder)) for folder in folders]
        for job, result in zip(jobs, results[cell], strict=True):
            check.add(job, result)
    return results


def _rows(
    runs: Path, study: Study, comparison: Comparison, cells: Cells, choices: Choices, command: str | None
) -> list[Row]:
    """One row per arm and auxiliary, `none` first."""
    part = study.part
    metric = metric_of(cells[comparison.none][0].metrics[part])
    baseline = [result.metrics[part][metric] for result in cells[comparison.none]]
    rows = []
    for cell, results in cells.items():
        row = make_row(
            results,
            baseline=None if cell.arm.name == NONE.name else baseline,
            arm=cell.arm.name,
            auxiliary=cell.auxiliary_recipe,
            metric=metric,
            part=part,
        )
        idle_runs, idle = idle_in([result.notes for result in results])
        choice = choices[cell]
        row = replace(
            row,
            study=study.name,
            variant=comparison.variant or None,
            labels_per_class=cell.recipe(choice.rate, 0, search=False).data.labels_per_class,
            rate=choice.rate,
            command=command,
            idle=idle,
            idle_runs=idle_runs,
            grid=choice.grid,
            at_edge=choice.at_edge,
            weight_decay=choice.weight_decay,
            core_seconds=_core_seconds(runs, cell, results),
        )
        if cell is not comparison.none:
            spread, detectable = power_of(study, cell, choice, choices[comparison.none])
            row = replace(row, expected_spread=spread, detectable=detectable)
        pair = dict.fromkeys((comparison.none, cell))
        reasons = [str(choices[one].edge) for one in pair if choices[one].at_edge]
        rows.append(leave_unsettled(row, "; ".join(reasons)) if reasons else row)
    return rows


def _core_seconds(runs: Path, cell: Cell, results: Sequence[Result]) -> float:
    """Of the reported runs and of every trial, also of those that a search which was widened later left behind."""
    trials = sorted((runs / cell.folder).glob("search*/lr-*"))
    all_results = [*results, *(read_result(folder) for folder in trials if (folder / RESULT).is_file())]
    divergences = [folder for folder in trials if (folder / DIVERGENCE).is_file() and not (folder / RESULT).is_file()]
    seconds = [run.duration_s * int(run.environment["threads"]) for run in all_results]
    return sum(seconds) + sum(map(read_divergence, divergences))


def _search_table(complete: Mapping[Comparison, Cells], choices: Choices) -> list[dict[str, Any]]:
    """Every arm's validation scores by rate, what it chose, and whether that lies at the edge of the search."""
    entries = []
    for cell in dict.fromkeys(cell for cells in complete.values() for cell in cells):
        choice = choices[cell]
        if not choice.means and not choice.weight_decays:
            continue
        entries.append(
            {
                "target": cell.target,
                "labels_per_class": cell.labels,
                "variant": cell.variant or None,
                "arm": cell.arm.name,
                "auxiliary": cell.auxiliary_recipe,
                "metric": choice.metric,
                "validation": {f"{rate:g}": value for rate, value in choice.means.items()},
                "shorter": {
                    str(epochs): {f"{rate:g}": value for rate, value in means.items()}
                    for epochs, means in choice.shorter.items()
                },
                "weight_decays": {f"{decay:g}": value for decay, value in choice.weight_decays.items()},
                "weight_decay": choice.weight_decay,
                "chosen": choice.rate,
                "at_edge": choice.at_edge,
            }
        )
    return entries
