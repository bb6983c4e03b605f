"""`crosspath status`."""

from pathlib import Path

from crosspath.cli.options import Json, MovedAuxiliaries, Recipe, named_pairs, recipe_of
from crosspath.cli.output import print_json, print_line, print_next


def status(checkpoint: Path, /, *, auxiliary: MovedAuxiliaries = (), recipe: Recipe = None, json: Json = False) -> None:
    """Show the pathways of a checkpoint: for every weight its scales λ and the size of λW′ relative to W.

    Example: `crosspath status runs/cifar-audio`

    Parameters
    ----------
    checkpoint
        A run folder or saved folder with pathways.
    """
    from crosspath.checkpoints import checkpoint_status

    rows = checkpoint_status(checkpoint, recipe_of(recipe), named_pairs(auxiliary, "--auxiliary"))
    if json:
        print_json({"checkpoint": str(checkpoint), **rows.to_json()})
    else:
        print_line(str(rows))
        print_next("crosspath", "merge", checkpoint, "OUT")
