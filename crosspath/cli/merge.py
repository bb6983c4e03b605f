"""`crosspath merge`."""

from pathlib import Path

from crosspath.cli.options import Auxiliaries, Json, Recipe, named_pairs
from crosspath.cli.output import print_json, print_line


def merge(
    checkpoint: Path, out: Path, /, *, auxiliary: Auxiliaries = (), recipe: Recipe = None, json: Json = False
) -> None:
    """Fold a checkpoint's pathways into its weights: a plain checkpoint with a receipt and a model card.

    Example: `crosspath merge runs/cifar-audio runs/cifar-plain`

    Parameters
    ----------
    checkpoint
        A run folder or saved folder with pathways.
    out
        A new or empty folder for the plain checkpoint.
    auxiliary
        NAME=CHECKPOINT of a frozen auxiliary that no longer lies where it lay; may be repeated.
    recipe
        The recipe of a file that holds none.
    json
        Print one JSON object on stdout.
    """
    from crosspath.checkpoints import merge_checkpoint
    from crosspath.recipes import recipe_named

    receipt = merge_checkpoint(
        checkpoint, out, None if recipe is None else recipe_named(recipe), named_pairs(auxiliary, "--auxiliary")
    )
    if json:
        print_json(receipt)
        return
    equality = receipt["equality"]
    largest = max(equality["max_difference"].values())
    said = "bitwise" if equality["bitwise"] else f"no, by at most {largest:.3g}"
    print_line(f"merged {len(receipt['merge']['scales'])} weights of {checkpoint} into {out}")
    print_line(f"merged output equals connected output: {said}")
