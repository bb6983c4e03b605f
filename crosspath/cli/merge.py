"""`crosspath merge`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.cli.options import Json, MovedAuxiliaries, Recipe, named_pairs, recipe_of
from crosspath.cli.output import equality_line, print_json, print_line, print_next


def merge(
    checkpoint: Path,
    out: Path,
    /,
    *,
    verify: Annotated[
        list[Path] | None, Parameter(name="--verify", consume_multiple=(0, 1), negative="", show_default=False)
    ] = None,
    auxiliary: MovedAuxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Merge the pathways of a checkpoint into its weights: a plain checkpoint, with a receipt and a model card.

    Example: `crosspath merge runs/cifar-audio runs/cifar-plain --verify DATA`

    Parameters
    ----------
    checkpoint
        A run folder or saved folder with pathways.
    out
        A new or empty folder for the plain checkpoint.
    verify
        Compare the outputs on held-out samples of the recipe's data as well, and write `certificate.json`, which
        `crosspath verify` checks. The value is the data root, as for `--data`; default: `CROSSPATH_DATA`, else the
        user's data folder. Recipes with generated data need none.
    """
    from crosspath.checkpoints import merge_checkpoint

    receipt = merge_checkpoint(
        checkpoint,
        out,
        recipe_of(recipe),
        named_pairs(auxiliary, "--auxiliary"),
        verify=verify is not None,
        data=verify[0] if verify else None,
    )
    if json:
        print_json(receipt)
        return
    equality = receipt["equality"]
    from crosspath.checkpoints.equality import difference_text
    from crosspath.counts import quantity

    print_line(f"merged {quantity(len(receipt['merge']['scales']), 'weight')} of {checkpoint} into {out}")
    differences = equality["max_difference"].values()
    print_line(equality_line(equality["bitwise"], None if None in differences else max(differences)))
    if "certificate" in receipt:
        certificate = receipt["certificate"]
        for precision, output in certificate["outputs"].items():
            equal = (
                "bitwise equal"
                if output["bitwise"]
                else f"largest difference {difference_text(output['max_difference'])}"
            )
            agreement = f"same class for {output['same_class']:.1%}"
            print_line(f"{certificate['samples']} {certificate['part']} samples, {precision}: {equal}, {agreement}")
        print_line(f"certificate: {out / 'certificate.json'}")
        print_next("crosspath", "verify", out / "certificate.json")
    else:
        print_next("crosspath", "predict", out, "FILE")
