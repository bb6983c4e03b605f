"""`crosspath compare`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.cli.options import (
    Auxiliaries,
    BatchSize,
    Blocks,
    Data,
    Epochs,
    Fit,
    Json,
    Labels,
    Rate,
    Settings,
    named_pairs,
    positive_numbers,
    with_blocks,
    with_short,
)
from crosspath.cli.output import print_json


def compare(
    recipe: str,
    /,
    *,
    auxiliary: Auxiliaries = (),
    data: Data = None,
    out: Path | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    pretrained: Annotated[Path | None, Parameter(show_default=False)] = None,
    arms: str = "none,pathway,random",
    seeds: int = 5,
    rates: Annotated[str | None, Parameter(show_default=False)] = None,
    search_seeds: Annotated[int | None, Parameter(show_default=False)] = None,
    widenings: Annotated[int | None, Parameter(show_default=False)] = None,
    start: Annotated[str | None, Parameter(show_default=False)] = None,
    blocks: Blocks = None,
    fit: Fit = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    labels: Labels = None,
    set_: Settings = (),
    workers: int = 1,
    threads: int = 1,
    json: Json = False,
) -> None:
    """Test whether an auxiliary helps a target: train all arms with equal budgets and paired seeds, print a verdict.

    Example: `crosspath compare image/cifar10 --data DIR --auxiliary audio=runs/esc10 --set data.labels_per_class=30`

    Parameters
    ----------
    recipe
        The target: a shipped recipe, or a recipe file (`.yaml`).
    out
        Folder of the comparison; default: `runs/compare-` and the recipe's name. A stopped comparison resumes there.
    from_
        Starting weights of the target, for every arm.
    pretrained
        Starting weights of the arm `masked-modelling` alone: a run of `crosspath pretrain` on the target's own data.
    arms
        Any of `none`, `pathway`, `pathway-frozen`, `random`, `shuffled`, `spectrum`, `mimetic`, `copy`, `lora`,
        `lora-8`, `masked-modelling`, `same-modality`, separated by commas.
    seeds
        Number of paired seeds, each of which reads the test part once.
    rates
        Learning rates to search on the validation part, for every arm, and no others; default: half, once and twice the
        recipe's own, and further ones while the best of an arm is at the edge.
    search_seeds
        Number of trials of each rate; default: 3, and 1 where the rates are given.
    widenings
        Number of further rates of an arm, at most; default: 6. An arm whose best rate is at the edge even then is
        unsettled, and gets no verdict.
    start
        Ways to start a pathway, separated by commas, each a comparison of its own: `paper`, `whole-body`,
        `frozen-anchor`, `gentle`.
    workers
        Number of runs at a time.
    threads
        Number of threads per run.
    """
    short = {
        "train.epochs": epochs,
        "optimizer.lr": lr,
        "train.batch_size": batch_size,
        "data.labels_per_class": labels,
    }
    import sys

    from crosspath.cli.study import command_line, print_results
    from crosspath.study.comparison import compare as compare_arms

    results = compare_arms(
        recipe,
        auxiliaries=named_pairs(auxiliary, "--auxiliary"),
        out=out,
        data=data,
        start_from=from_,
        pretrained=pretrained,
        arms=tuple(part.strip() for part in arms.split(",") if part.strip()),
        seeds=seeds,
        rates=positive_numbers(rates, "--rates"),
        search_seeds=search_seeds,
        widenings=widenings,
        settings=with_blocks(with_short(set_, short), blocks, fit=fit),
        starts=tuple(part.strip() for part in (start or "").split(",") if part.strip()),
        workers=workers,
        threads=threads,
        command=command_line(sys.argv),
    )
    if json:
        print_json(results)
        return
    print_results(results)
