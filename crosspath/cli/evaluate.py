"""`crosspath evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crosspath.cli.options import Data, Json, MovedAuxiliaries, Recipe, data_and_settings, named_pairs, recipe_of
from crosspath.cli.output import print_json, print_next, print_note, print_table

if TYPE_CHECKING:
    from crosspath.config import Recipe as RecipeSections


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
    from crosspath.checkpoints.load import load_checkpoint
    from crosspath.evaluation import evaluate as evaluate_checkpoint
    from crosspath.metrics import plain_text
    from crosspath.objectives import objective_of

    source = load_checkpoint(checkpoint, recipe_of(recipe), named_pairs(auxiliary, "--auxiliary"))
    result = evaluate_checkpoint(source, data=data, split=split)
    if json:
        print_json(result)
        return
    title = f"{result['recipe']}, {result['samples']} {result['split']} samples"
    print_table(
        ("metric", "value"), [(name, plain_text(name, value)) for name, value in result["metrics"].items()], title
    )
    for note in result.get("notes", ()):
        print_note(note)
    if objective_of(source.recipe).predictions is None:
        print_next("crosspath", *_training_from(checkpoint, source.recipe, data))
    else:
        print_next("crosspath", "predict", checkpoint, "FILE")


def _training_from(checkpoint: Path, recipe: "RecipeSections", data: Path | None) -> tuple[object, ...]:
    """The arguments that train a model of the same shape from a pretrained one, on the same files."""
    from crosspath.checkpoints.foreign.start import shape_settings
    from crosspath.config.unused import settings_of_objective
    from crosspath.recipes import RECIPES

    if recipe.name not in RECIPES:
        return "train", "RECIPE", "--auxiliary", f"NAME={checkpoint}"
    settings = settings_of_objective(RECIPES[recipe.name](), shape_settings(recipe))
    others = [setting for setting in settings if not setting.startswith("data.folder=")]
    return "train", recipe.name, *data_and_settings(data or recipe.data.folder, others), "--from", checkpoint
