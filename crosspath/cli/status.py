"""`crosspath status`."""

from pathlib import Path

from crosspath.cli.options import Auxiliaries, Json, Recipe, named_pairs
from crosspath.cli.output import print_json, print_line


def status(checkpoint: Path, /, *, auxiliary: Auxiliaries = (), recipe: Recipe = None, json: Json = False) -> None:
    """Show the pathways of a checkpoint: per weight its scales λ and how much they add.

    Example: `crosspath status runs/cifar-audio`

    Parameters
    ----------
    checkpoint
        A run folder or saved folder with pathways.
    auxiliary
        NAME=CHECKPOINT of a frozen auxiliary that no longer lies where it lay; may be repeated.
    recipe
        The recipe of a file that holds none.
    json
        Print one JSON object on stdout.
    """
    from crosspath.checkpoints import checkpoint_status
    from crosspath.files import finite
    from crosspath.recipes import recipe_named

    found = checkpoint_status(
        checkpoint, None if recipe is None else recipe_named(recipe), named_pairs(auxiliary, "--auxiliary")
    )
    if json:
        print_json({"checkpoint": str(checkpoint), **finite(found.to_json())})
    else:
        print_line(str(found))
