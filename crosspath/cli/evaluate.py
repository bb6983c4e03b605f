"""`crosspath evaluate`."""

from pathlib import Path
from typing import Literal

from crosspath.cli.options import Data, Json, Recipe
from crosspath.cli.output import print_json, print_table


def evaluate(
    checkpoint: Path,
    /,
    *,
    data: Data = None,
    split: Literal["train", "validation", "test"] = "test",
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Read a held-out part with a checkpoint.

    Example: `crosspath evaluate runs/image/cifar10 --data DIR --json`

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file.
    data
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder.
    split
        The part to read.
    recipe
        The recipe of a file that holds none.
    json
        Print one JSON object on stdout.
    """
    from crosspath.evaluation import evaluate as evaluate_checkpoint
    from crosspath.recipes import recipe_named

    named = None if recipe is None else recipe_named(recipe)
    found = evaluate_checkpoint(checkpoint, data_root=data, split=split, recipe=named)
    if json:
        print_json(found)
        return
    title = f"{found['recipe']}, {found['samples']} {found['split']} samples"
    print_table(("metric", "value"), [(name, f"{value:.4f}") for name, value in found["metrics"].items()], title)
