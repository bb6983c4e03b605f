"""`crosspath evaluate`."""

from pathlib import Path
from typing import Literal

from crosspath.cli.options import Auxiliaries, Data, Json, Recipe, named_pairs
from crosspath.cli.output import print_json, print_table


def evaluate(
    checkpoint: Path,
    /,
    *,
    data: Data = None,
    split: Literal["train", "validation", "test"] = "test",
    auxiliary: Auxiliaries = (),
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
        Root that holds one folder per data set; default: `CROSSPATH_DATA`, else the user's data folder. For a
        `*/folder` recipe: a folder to read instead of the one it was trained on.
    split
        The part to read.
    auxiliary
        NAME=CHECKPOINT of a frozen auxiliary that no longer lies where it lay; may be repeated.
    recipe
        The recipe of a file that holds none.
    json
        Print one JSON object on stdout.
    """
    from crosspath.evaluation import evaluate as evaluate_checkpoint
    from crosspath.recipes import recipe_named

    named = None if recipe is None else recipe_named(recipe)
    found = evaluate_checkpoint(
        checkpoint, data_root=data, split=split, recipe=named, auxiliaries=named_pairs(auxiliary, "--auxiliary")
    )
    if json:
        print_json(found)
        return
    title = f"{found['recipe']}, {found['samples']} {found['split']} samples"
    print_table(("metric", "value"), [(name, f"{value:.4f}") for name, value in found["metrics"].items()], title)
