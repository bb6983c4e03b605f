"""`crosspath evaluate`."""

from pathlib import Path
from typing import Literal

from crosspath.cli.options import Data, Json, MovedAuxiliaries, Recipe, named_pairs, recipe_of
from crosspath.cli.output import print_json, print_next, print_note, print_table


def evaluate(
    checkpoint: Path,
    /,
    *,
    data: Data = None,
    split: Literal["train", "validation", "test"] = "test",
    auxiliary: MovedAuxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Evaluate a checkpoint on a part of its data.

    Example: `crosspath evaluate runs/image/cifar10 --data DIR --json`

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file.
    split
        The part to evaluate on.
    """
    from crosspath.evaluation import evaluate as evaluate_checkpoint
    from crosspath.metrics import plain_text

    result = evaluate_checkpoint(
        checkpoint,
        data=data,
        split=split,
        recipe=recipe_of(recipe),
        auxiliaries=named_pairs(auxiliary, "--auxiliary"),
    )
    if json:
        print_json(result)
        return
    title = f"{result['recipe']}, {result['samples']} {result['split']} samples"
    print_table(
        ("metric", "value"), [(name, plain_text(name, value)) for name, value in result["metrics"].items()], title
    )
    for note in result.get("notes", ()):
        print_note(note)
    print_next("crosspath", "predict", checkpoint, "FILE")
