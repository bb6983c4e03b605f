"""`crosspath train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

from cyclopts import Parameter

from crosspath.cli.options import Data, Json, named_pairs
from crosspath.cli.output import print_json, print_line, print_metrics, print_plan, print_table

if TYPE_CHECKING:
    from crosspath.config import Recipe


def train(
    recipe: str,
    /,
    *,
    data: Data = None,
    out: Path | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    auxiliary: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    resume: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    folds: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Json = False,
) -> None:
    """Train a recipe's model, with a pathway from each auxiliary.

    Example: `crosspath train image/cifar10 --data DIR --auxiliary audio=runs/esc10 --set data.labels_per_class=100`

    Parameters
    ----------
    recipe
        A shipped recipe such as `image/cifar10`, or a recipe file (`.yaml`).
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder. For a
        `*/folder` recipe: the folder with your data, as `--set data.folder=DIR`.
    out
        Run folder; default: `runs/` and the recipe's name. An existing one with files in it is refused.
    from_
        The target's own starting weights: a run folder, saved folder or `.safetensors` file.
    auxiliary
        `NAME=CHECKPOINT`, `NAME=timm:MODEL` or `NAME=hf:OWNER/MODEL`; repeat it for several.
    set_
        `section.field=value`, such as `train.epochs=20` or `pathway.scale_init=0.1`; repeat it for several.
    resume
        Take up the run in `--out`: a finished one prints its result, an unfinished one goes on where it stopped.
    folds
        Train and test once for every fold of the data (ESC, few-shot clouds), and print mean and standard deviation.
    dry_run
        Print the resolved recipe, the model's size, the number of steps and the memory they take; needs no data.
    json
        Print one JSON object on stdout.
    """
    from crosspath.config import apply_overrides
    from crosspath.recipes import recipe_named

    resolved = apply_overrides(recipe_named(recipe), set_)
    auxiliaries = named_pairs(auxiliary, "--auxiliary")
    if dry_run:
        from crosspath.training import plan

        planned = plan(resolved)
        print_json(planned) if json else print_plan(planned)
        return

    given = Given(out=out, data_root=data, from_checkpoint=from_, auxiliaries=auxiliaries, resume=resume)
    if folds:
        _print_folds(resolved, given, json=json)
        return

    from crosspath.training import train as train_recipe

    result = train_recipe(resolved, **given)
    if json:
        print_json(result.to_json())
        return
    print_metrics(result.metrics)
    print_line(f"{result.recipe}: epoch {result.epoch} of {result.epochs}, {result.duration_s:.0f} s")
    print_line(f"written to {result.folder}")


class Given(TypedDict):
    """What the command line gives beside the recipe."""

    out: Path | None
    data_root: Path | None
    from_checkpoint: Path | None
    auxiliaries: dict[str, str]
    resume: bool


def _print_folds(recipe: "Recipe", given: Given, *, json: bool) -> None:
    from crosspath.training.folds import train_folds

    found = train_folds(recipe, **given)
    if json:
        print_json(found.to_json())
        return
    rows = [(str(fold), f"{value:.4f}") for fold, value in zip(found.folds, found.values, strict=True)]
    print_table(("fold", f"test {found.metric}"), rows)
    print_line(f"{found.recipe}: {found.metric} {found.mean:.4f} ± {found.std:.4f} over {len(found.folds)} folds")
    print_line(f"written to {found.folder}")
