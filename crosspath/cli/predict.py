"""`crosspath predict`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from crosspath.cli.options import Auxiliaries, Json, Recipe, named_pairs
from crosspath.cli.output import print_json, print_table


def predict(
    checkpoint: Path,
    /,
    *files: Annotated[Path, Parameter(name="FILE", required=True)],
    top: Annotated[int, Parameter(validator=Number(gte=1))] = 3,
    auxiliary: Auxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Name the most probable classes of files.

    Example: `crosspath predict runs/image/cifar10 cat.png dog.jpg`

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file.
    files
        Images, recordings, point clouds or clips, whichever the model reads.
    top
        Classes to show for each file.
    auxiliary
        NAME=CHECKPOINT of a frozen auxiliary that no longer lies where it lay; may be repeated.
    recipe
        The recipe of a file that holds none.
    json
        Print one JSON object on stdout.
    """
    from crosspath.evaluation import predict as predict_files
    from crosspath.recipes import recipe_named

    named = None if recipe is None else recipe_named(recipe)
    found = predict_files(checkpoint, files, top=top, recipe=named, auxiliaries=named_pairs(auxiliary, "--auxiliary"))
    if json:
        print_json({"checkpoint": str(checkpoint), "files": found})
        return
    rows = [
        (entry["file"], guess["class"], f"{guess['probability']:.4f}")
        for entry in found
        for guess in entry["predictions"]
    ]
    print_table(("file", "class", "probability"), rows)
