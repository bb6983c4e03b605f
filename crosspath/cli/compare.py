"""`crosspath compare`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.cli.options import Auxiliaries, Data, Json, named_pairs
from crosspath.cli.output import print_json, print_line


def compare(
    recipe: str,
    /,
    *,
    auxiliary: Auxiliaries = (),
    data: Data = None,
    out: Path | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    arms: str = "none,pathway,random",
    seeds: int = 5,
    rates: Annotated[str | None, Parameter(show_default=False)] = None,
    search_seeds: int = 1,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    workers: int = 1,
    threads: int = 1,
    json: Json = False,
) -> None:
    """Does an auxiliary help? The arms on one target: equal budget, equal search, paired seeds, a verdict.

    Example: `crosspath compare image/cifar10 --data DIR --auxiliary audio=runs/esc10 --set data.labels_per_class=30`

    Parameters
    ----------
    recipe
        The target: a shipped recipe, or a recipe file.
    auxiliary
        `NAME=CHECKPOINT`, `NAME=timm:MODEL` or `NAME=hf:OWNER/MODEL`; repeat it for several.
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder.
    out
        Folder of the comparison; default: `runs/compare-` and the recipe's name. A stopped one goes on.
    from_
        The target's own starting weights, for every arm.
    arms
        Of `none`, `pathway`, `pathway-frozen`, `random`, `shuffled`, `spectrum`, `mimetic`, `copy`, `same-modality`.
    seeds
        Paired seeds whose test part is read.
    rates
        Learning rates that every arm tries on the validation part; default: half, once and twice the recipe's own.
    search_seeds
        Trials of each rate.
    set_
        `section.field=value` for every arm; repeat it for several.
    workers
        Runs at a time.
    threads
        Of each run.
    json
        Print one JSON object on stdout.
    """
    import sys

    from crosspath.cli.study import print_rows, rates_of, said_as
    from crosspath.study.study import compare as compare_arms

    found = compare_arms(
        recipe,
        auxiliaries=named_pairs(auxiliary, "--auxiliary"),
        out=out,
        data_root=data,
        from_checkpoint=from_,
        arms=tuple(part.strip() for part in arms.split(",") if part.strip()),
        seeds=seeds,
        rates=rates_of(rates),
        search_seeds=search_seeds,
        settings=set_,
        workers=workers,
        threads=threads,
        command=said_as(sys.argv),
    )
    if json:
        print_json(found)
        return
    print_rows(found)
    print_line(f"written to {found['folder']}")
