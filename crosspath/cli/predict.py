"""`crosspath predict`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from crosspath.cli.options import Json, Recipe
from crosspath.cli.output import print_json, print_table


def predict(
    checkpoint: Path,
    first: Annotated[Path, Parameter(name="FILE")],
    /,
    *more: Annotated[Path, Parameter(name="FILE...")],
    top: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Name the most probable classes of files.

    Example: `crosspath predict runs/image/cifar10 cat.png dog.jpg`

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file.
    first
        An image, recording, point cloud or clip, as the model reads.
    more
        More of them.
    top
        Classes to show for each file.
    recipe
        The recipe of a file that holds none.
    json
        Print one JSON object on stdout.
    """
    from crosspath.evaluation import predict as predict_files
    from crosspath.recipes import recipe_named

    named = None if recipe is None else recipe_named(recipe)
    found = predict_files(checkpoint, (first, *more), top=top, recipe=named)
    if json:
        print_json({"checkpoint": str(checkpoint), "files": found})
        return
    rows = [
        (entry["file"], guess["class"], f"{guess['probability']:.4f}")
        for entry in found
        for guess in entry["predictions"]
    ]
    print_table(("file", "class", "probability"), rows)
