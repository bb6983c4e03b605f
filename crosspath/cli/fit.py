"""`crosspath try`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from crosspath.cli.options import Data, Flag, Json, Settings
from crosspath.cli.output import print_json, print_line, print_note, print_table
from crosspath.counts import quantity

PARTS = {"train": "labelled", "unlabelled": "unlabelled", "validation": "validation", "test": "test"}
"""{part: its name in a sentence}."""


def fit(
    target: str,
    /,
    *,
    auxiliary: Annotated[
        tuple[str, ...],
        Parameter(
            name="--auxiliary",
            negative="",
            show_default=False,
            help="A folder of samples (pretrained first), a checkpoint, `timm:MODEL`, `hf:OWNER/MODEL` or "
            "`procedural`; `NAME=` before it names it. Repeatable.",
        ),
    ] = (),
    labels: int | None = None,
    budget: str = "20m",
    data: Data = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    out: Path = Path("runs/try"),
    set_: Settings = (),
    workers: int | None = None,
    threads: int = 1,
    dry_run: Flag = False,
    json: Json = False,
) -> None:
    """Find the best way to start training on your data: a better model, or an honest no.

    Example: `crosspath try photos/ --auxiliary sounds/ --labels 10 --budget 20m --out runs/try`

    All ways of starting are raced on validation alone; the leader is then confirmed against the plain model on fresh
    seeds. The same command resumes a stopped race.

    Parameters
    ----------
    target
        A folder with one subfolder per class, a recipe such as `image/cifar10` or a recipe file, or a checkpoint.
    labels
        Labels per class to train with; default: all.
    budget
        Time on the clock, such as `20m` or `1h30m`. Pretraining counts.
    from_
        A pretrained model of the target's own modality, which is raced too.
    out
        The folder: `model/`, `report.html` and `answer.json` when finished.
    workers
        Number of runs at a time; default: as many as processors, or GPUs.
    threads
        Number of threads per run.
    dry_run
        Measure what runs cost (it takes some seconds), and print plan and time; nothing is kept.
    """
    from crosspath.study.race.race import dry_run as plan_only
    from crosspath.study.race.race import fit as find_best_start
    from crosspath.study.race.request import understand

    if dry_run:
        request = understand(target, auxiliary, labels, budget, data, from_, set_, workers, threads)
        plan = plan_only(request)
        print_json(plan) if json else _print_plan(plan)
        print_note("next: the same command without --dry-run")
        return
    answer = find_best_start(
        target,
        auxiliaries=auxiliary,
        labels=labels,
        budget=budget,
        out=out,
        data=data,
        start_from=from_,
        settings=set_,
        workers=workers,
        threads=threads,
    )
    if json:
        print_json(answer.to_json())
        return
    print_line(answer.sentence)
    print_line(f"{answer.next_step}: {answer.command}")
    print_line(f"report: {answer.report}")


def _print_plan(outline: dict[str, Any]) -> None:
    plan = outline["plan"]
    samples = outline["samples"]
    parts = ", ".join(f"{samples[part]:,} {words}" for part, words in PARTS.items())
    print_line(f"{outline['target']}: {parts} samples")
    for name, epochs in plan["auxiliary_epochs"].items():
        of = f"{samples[f'auxiliary {name}']:,} samples for {quantity(epochs, 'epoch')}"
        print_line(f"{name}: pretrained on {of}, in parallel with the first round")
    runs = [f"{plan['folds']} folds" if plan["folds"] > 1 else "1 run"] * len(plan["rounds"])
    rows = [
        (f"round {number}", str(one["ways"]), str(one["rates"]), str(one["epochs"]), each)
        for number, (one, each) in enumerate(zip(plan["rounds"], runs, strict=True), 1)
    ]
    rows.append(("fresh seeds", "2 or 3", "1", str(plan["rounds"][-1]["epochs"]), f"{plan['seeds']} seeds"))
    print_table(("stage", "ways", "rates", "epochs", "each"), rows)
    minutes, budget = plan["seconds"] / 60, outline["budget_s"] / 60
    print_line(f"{minutes:.0f} of {budget:.0f} minutes, with {quantity(outline['processes'], 'run')} at a time")
    for name, words in outline["ways"].items():
        print_line(f"{name}: {words}")
