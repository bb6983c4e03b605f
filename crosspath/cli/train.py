"""`crosspath train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

from cyclopts import Parameter

from crosspath.cli.dry_run import print_dry_run
from crosspath.cli.options import (
    Auxiliaries,
    BatchSize,
    Blocks,
    Data,
    Epochs,
    Fit,
    Flag,
    Json,
    Labels,
    Rate,
    Settings,
    Start,
    data_and_settings,
    named_pairs,
    with_blocks,
    with_short,
)
from crosspath.cli.output import (
    print_json,
    print_line,
    print_metrics,
    print_next,
    print_note,
    print_table,
)

if TYPE_CHECKING:
    from crosspath.config import Recipe


def train(
    recipe: str,
    /,
    *,
    data: Data = None,
    out: Path | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    auxiliary: Auxiliaries = (),
    start: Start = None,
    blocks: Blocks = None,
    fit: Fit = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    labels: Labels = None,
    set_: Settings = (),
    resume: Flag = False,
    folds: Flag = False,
    dry_run: Flag = False,
    json: Json = False,
) -> None:
    """Train the model of a recipe, with a pathway from each auxiliary.

    Example: `crosspath train image/cifar10 --data DIR --auxiliary audio=runs/esc10 --set data.labels_per_class=100`

    Parameters
    ----------
    recipe
        A shipped recipe such as `image/cifar10`, or a recipe file (`.yaml`).
    out
        Run folder; default: `runs/` and the recipe's name. It must be new or empty, unless the run is resumed.
    from_
        Starting weights of the target: a run folder, saved folder or `.safetensors` file; or a foundation model: the
        folder of a Hugging Face or timm model, `hf:OWNER/NAME` or `timm:NAME`, whose shape and inputs the recipe takes.
    resume
        Resume the run in `--out` from its last checkpoint; for a finished run, print its result.
    folds
        Train and test once for every fold of the data (ESC, few-shot episodes), and print mean and standard deviation.
    dry_run
        Print the resolved recipe, the size of the model, the number of steps and the memory they need; reads no data.
    """
    short = {
        "train.epochs": epochs,
        "optimizer.lr": lr,
        "train.batch_size": batch_size,
        "data.labels_per_class": labels,
    }
    from crosspath.config import apply_overrides
    from crosspath.config.unused import refuse_without_auxiliaries
    from crosspath.recipes import RECIPES, recipe_named

    settings = with_blocks(with_short(set_, short), blocks, start, fit)
    auxiliaries = named_pairs(auxiliary, "--auxiliary")
    if not auxiliaries:
        refuse_without_auxiliaries(set_, {"--start": start, "--blocks": blocks, "--fit": fit})
    resolved_recipe = apply_overrides(recipe_named(recipe), settings)
    # A wrong setting is refused before torch is imported.
    from crosspath.checkpoints.foreign.start import fit_to_start

    resolved_recipe = fit_to_start(resolved_recipe, from_, settings, shipped=recipe in RECIPES)
    if dry_run:
        if auxiliaries:
            print_note("--dry-run plans the model without pathways: --auxiliary is ignored")
        print_dry_run(resolved_recipe, from_, json=json)
        return

    options = Options(out=out, data=data, start_from=from_, auxiliaries=auxiliaries, resume=resume)
    if folds:
        pairs = [f"{name}={checkpoint}" for name, checkpoint in auxiliaries.items()] or ["NAME=CHECKPOINT"]
        own = () if from_ is None else ("--from", from_)
        same = (*data_and_settings(data, settings), *own, *(word for pair in pairs for word in ("--auxiliary", pair)))
        _train_folds(resolved_recipe, options, ("compare", recipe, *same), json=json)
        return

    from crosspath.training import train as train_recipe

    result = train_recipe(resolved_recipe, **options)
    if json:
        print_json(result.to_json())
        return
    print_metrics(result.metrics)
    print_line(f"{result.recipe}: epoch {result.epoch} of {result.epochs}, {result.duration_s:.0f} s")
    print_line(f"written to {result.folder}")
    if result.auxiliaries:
        print_next("crosspath", "merge", result.folder, f"{result.folder}-plain")
    else:
        print_next("crosspath", "predict", result.folder, "FILE")


class Options(TypedDict):
    """The options of a run besides its recipe."""

    out: Path | None
    data: Path | None
    start_from: Path | None
    auxiliaries: dict[str, str]
    resume: bool


def _train_folds(recipe: "Recipe", options: Options, following: Sequence[object], *, json: bool) -> None:
    from crosspath.metrics import plain_text
    from crosspath.training.folds import train_folds

    results = train_folds(recipe, **options)
    if json:
        print_json(results.to_json())
        return
    values = (plain_text(results.metric, value) for value in results.values)
    rows = [(str(fold), value) for fold, value in zip(results.folds, values, strict=True)]
    print_table(("fold", f"test {results.metric}"), rows)
    print_line(f"{results.recipe}: {results.summary}")
    print_line(f"written to {results.folder}")
    print_next("crosspath", *following)
