"""`crosspath pretrain`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.cli.dry_run import print_dry_run
from crosspath.cli.options import BatchSize, Data, Epochs, Flag, Json, Rate, Settings, data_and_settings, with_short
from crosspath.cli.output import print_json, print_line, print_metrics, print_next
from crosspath.counts import quantity


def pretrain(
    recipe: str,
    /,
    *,
    data: Data = None,
    out: Path | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch_size: BatchSize = None,
    set_: Settings = (),
    resume: Flag = False,
    dry_run: Flag = False,
    json: Json = False,
) -> None:
    """Pretrain a model by masked modelling, without labels, to start a classifier from it or to use it as an auxiliary.

    Example: `crosspath pretrain image/cifar10 --data DIR --set train.epochs=20`

    Parameters
    ----------
    recipe
        A shipped recipe such as `point/modelnet10`, or a recipe file (`.yaml`).
    out
        Run folder; default: `runs/pretrain/` and the recipe's name. It must be new or empty, unless the run is resumed.
    from_
        Starting weights: a run folder, saved folder or `.safetensors` file; or a foundation model, as for `train`.
    resume
        Resume the run in `--out` from its last checkpoint; for a finished run, print its result.
    dry_run
        Print the resolved recipe, the size of the model, the number of steps and the memory they need; reads no data.
    """
    short = {"train.epochs": epochs, "optimizer.lr": lr, "train.batch_size": batch_size}
    from crosspath.checkpoints.foreign.start import fit_to_start, shape_settings
    from crosspath.config import apply_overrides
    from crosspath.config.unused import refuse_without_auxiliaries, settings_of_objective
    from crosspath.recipes import PRETRAINING, RECIPES, recipe_named

    settings = with_short(set_, short)
    refuse_without_auxiliaries(settings, pretraining=True)
    from_scratch = apply_overrides(recipe_named(recipe, "masked_modeling"), settings)
    resolved_recipe = fit_to_start(from_scratch, from_, settings, shipped=recipe in PRETRAINING)
    if dry_run:
        print_dry_run(resolved_recipe, from_, json=json)
        return

    from crosspath.training import pretrain as pretrain_recipe

    result = pretrain_recipe(resolved_recipe, out=out, data=data, start_from=from_, resume=resume)
    if json:
        print_json(result.to_json())
        return
    print_metrics(result.metrics)
    length = quantity(result.epochs, "epoch")
    print_line(f"{result.recipe}: masked modelling, {length}, {result.duration_s:.0f} s")
    print_line(f"reconstructions in {Path(result.folder) / 'reconstructions'}")
    print_line(f"written to {result.folder}")
    if result.recipe in RECIPES:
        # The same files, and a model of the same shape.
        shape = set_ if resolved_recipe.model == from_scratch.model else shape_settings(resolved_recipe)
        read = settings_of_objective(recipe_named(result.recipe), shape)
        same = data_and_settings(data, read, sections=("data", "model"))
        print_next("crosspath", "train", result.recipe, *same, "--from", result.folder)
    else:
        print_next("crosspath", "train", "RECIPE", "--auxiliary", f"NAME={result.folder}")
