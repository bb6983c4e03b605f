"""`crosspath merge`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.cli.options import Auxiliaries, Json, Recipe, named_pairs
from crosspath.cli.output import print_json, print_line


def merge(
    checkpoint: Path,
    out: Path,
    /,
    *,
    verify: Annotated[
        list[Path] | None, Parameter(name="--verify", consume_multiple=(0, 1), negative="", show_default=False)
    ] = None,
    auxiliary: Auxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Fold a checkpoint's pathways into its weights: a plain checkpoint with a receipt and a model card.

    Example: `crosspath merge runs/cifar-audio runs/cifar-plain --verify DATA`

    Parameters
    ----------
    checkpoint
        A run folder or saved folder with pathways.
    out
        A new or empty folder for the plain checkpoint.
    verify
        Compare the outputs on held-out samples of the recipe's data as well, and write `certificate.json`, which
        `crosspath verify` checks again. The value is the data root, as for `--data`; default: `CROSSPATH_DATA`, else
        the user's data folder; a recipe on generated data needs none.
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
        checkpoint,
        out,
        None if recipe is None else recipe_named(recipe),
        named_pairs(auxiliary, "--auxiliary"),
        verify=verify is not None,
        data_root=verify[0] if verify else None,
    )
    if json:
        print_json(receipt)
        return
    equality = receipt["equality"]
    largest = max(equality["max_difference"].values())
    said = "bitwise" if equality["bitwise"] else f"no, by at most {largest:.3g}"
    print_line(f"merged {len(receipt['merge']['scales'])} weights of {checkpoint} into {out}")
    print_line(f"merged output equals connected output: {said}")
    if "certificate" in receipt:
        found = receipt["certificate"]
        for precision, seen in found["outputs"].items():
            equal = "bitwise equal" if seen["bitwise"] else f"largest difference {seen['max_difference']}"
            same = f"same class for {seen['same_class']:.1%}"
            print_line(f"{found['samples']} {found['part']} samples, {precision}: {equal}, {same}")
        print_line(f"certificate: {out / 'certificate.json'}")
