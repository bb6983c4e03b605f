"""`crosspath pretrain`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.cli.options import Data, Json
from crosspath.cli.output import print_json, print_line, print_metrics, print_plan


def pretrain(
    recipe: str,
    /,
    *,
    data: Data = None,
    out: Path | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    resume: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Grow a network by masked modelling, without labels: a start for a classifier, or an auxiliary for another one.

    Example: `crosspath pretrain image/cifar10 --data DIR --set train.epochs=20`

    Parameters
    ----------
    recipe
        A shipped recipe such as `point/modelnet10`, or a recipe file (`.yaml`).
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder. For a
        `*/folder` recipe: the folder with your data, as `--set data.folder=DIR`.
    out
        Run folder; default: `runs/pretrain/` and the recipe's name. An existing one with files in it is refused.
    from_
        Starting weights: a run folder, saved folder or `.safetensors` file.
    set_
        `section.field=value`, such as `train.epochs=20` or `masking.ratio=0.6`; repeat it for several.
    resume
        Take up the run in `--out`: a finished one prints its result, an unfinished one goes on where it stopped.
    dry_run
        Print the resolved recipe, the model's size, the number of steps and the memory they take; needs no data.
    json
        Print one JSON object on stdout.
    """
    from crosspath.config import apply_overrides
    from crosspath.recipes import recipe_named

    resolved = apply_overrides(recipe_named(recipe, "masked_modeling"), set_)
    if dry_run:
        from crosspath.training import plan

        planned = plan(resolved)
        print_json(planned) if json else print_plan(planned)
        return

    from crosspath.training import pretrain as pretrain_recipe

    result = pretrain_recipe(resolved, out=out, data_root=data, from_checkpoint=from_, resume=resume)
    if json:
        print_json(result.to_json())
        return
    print_metrics(result.metrics)
    print_line(f"{result.recipe}: masked modelling, {result.epochs} epochs, {result.duration_s:.0f} s")
    print_line(f"reconstructions in {Path(result.folder) / 'reconstructions'}")
    print_line(f"written to {result.folder}")
