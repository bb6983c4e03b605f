"""`crosspath rank`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from crosspath.cli.options import (
    Auxiliaries,
    Blocks,
    Data,
    Fit,
    Json,
    Labels,
    Settings,
    data_and_settings,
    named_pairs,
    with_blocks,
    with_short,
)
from crosspath.cli.output import print_json, print_line, print_next, print_note, print_table
from crosspath.starts import SETTING

if TYPE_CHECKING:
    from crosspath.study.ranking.scores import Score


def rank(
    target: str,
    /,
    *,
    auxiliary: Auxiliaries,
    data: Data = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    start: Annotated[str | None, Parameter(show_default=False)] = None,
    blocks: Blocks = None,
    fit: Fit = None,
    labels: Labels = None,
    set_: Settings = (),
    seeds: int = 3,
    copies: int = 12,
    batches: int = 4,
    samples: int = 128,
    by: str = "labels",
    json: Json = False,
) -> None:
    """Order auxiliaries by scores that need no training, each against copies with shuffled values.

    Example: `crosspath rank audio/fsdd --data DIR --auxiliary image=runs/image --auxiliary point=runs/point`

    Only the training part is used. A score is no verdict: `crosspath compare` gives one.

    Parameters
    ----------
    target
        A recipe such as `image/cifar10` or a recipe file, a folder with one subfolder per class, or a checkpoint.
    from_
        Starting weights of the target.
    start
        How the pathway starts where features are compared: `whole-body`, `frozen-anchor` or `gentle`; default:
        `whole-body`, and `gentle` for a target with weights of its own.
    seeds
        Number of initialisations, each with its own draw of labels and batches.
    copies
        Number of shuffled copies of each auxiliary.
    batches
        Number of training batches that the gradient is the mean of.
    samples
        Number of training samples whose features are compared.
    by
        The score that orders: `labels`, `gradient`, `similarity`, `effective_rank`, `stable_rank` or `spectrum`.
    """
    from crosspath.study.ranking.rank import rank as rank_auxiliaries
    from crosspath.study.sources import is_checkpoint

    pairs = named_pairs(auxiliary, "--auxiliary")
    ranking = rank_auxiliaries(
        target,
        auxiliaries=pairs,
        data=data,
        start_from=from_,
        start=start,
        settings=with_blocks(with_short(set_, {"data.labels_per_class": labels}), blocks, fit=fit),
        seeds=seeds,
        copies=copies,
        batches=batches,
        samples=samples,
        by=by,
    )
    if json:
        print_json(ranking.to_json())
        return
    names = dict.fromkeys((by, "labels", "gradient", "similarity", "effective_rank"))
    columns = ("auxiliary", *(f"{name.replace('_', ' ')} z" for name in names), "p")
    rows = [
        (row.name, *(_z(row.scores[name]) for name in names), "" if row.p_adjusted is None else f"{row.p_adjusted:.3f}")
        for row in ranking.rows
    ]
    print_table(columns, rows)
    print_line(ranking.sentence)
    print_note("z: standard deviations above copies with shuffled values; p: of the first z, over all auxiliaries")
    best = ranking.rows[0].name
    own: tuple[object, ...] = () if from_ is None else ("--from", from_)
    if Path(target).exists() and Path(target).suffix not in {".yaml", ".yml"}:
        # `compare` takes a recipe, and besides it what the target was.
        own, target = ("--from" if is_checkpoint(Path(target)) else "--data", target), ranking.target
    start_options = ("--start", ranking.start, "--auxiliary", f"{best}={pairs[best]}")
    blocks_option = () if blocks is None else ("--blocks", blocks)
    fit_option = () if fit is None else ("--fit", fit)
    fewer = () if labels is None else ("--labels", labels)
    # `--start` says the start that a setting may have named.
    others = [setting for setting in set_ if setting.partition("=")[0].strip() != SETTING]
    same = (*blocks_option, *fit_option, *fewer, *data_and_settings(None, others))
    print_next("crosspath", "compare", target, *data_and_settings(data), *own, *start_options, *same)


def _z(score: "Score") -> str:
    return "" if score.z is None else f"{score.z:+.1f}"
