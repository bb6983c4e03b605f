"""`crosspath export`."""

from pathlib import Path
from typing import Literal

from crosspath.cli.options import Auxiliaries, Json, Recipe, named_pairs
from crosspath.cli.output import print_json, print_line


def export(
    checkpoint: Path,
    out: Path,
    /,
    *,
    format: Literal["onnx", "torch"] | None = None,
    auxiliary: Auxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Write the merged model as one ONNX or torch.export file, and compare the outputs.

    Example: `crosspath export runs/cifar-plain cifar.onnx`

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file; pathways are merged in memory first.
    out
        A new file (`.onnx` or `.pt2`), or a new folder for `model.onnx` or `model.pt2`.
    format
        `onnx` (needs `pip install 'crosspath[export]'`) or `torch`; default: what OUT's suffix says, else `onnx`.
    auxiliary
        NAME=CHECKPOINT of a frozen auxiliary that no longer lies where it lay; may be repeated.
    recipe
        The recipe of a file that holds none.
    json
        Print one JSON object on stdout.
    """
    from crosspath.evaluation.export import export as export_checkpoint
    from crosspath.recipes import recipe_named

    named = None if recipe is None else recipe_named(recipe)
    found = export_checkpoint(
        checkpoint, out, format=format, recipe=named, auxiliaries=named_pairs(auxiliary, "--auxiliary")
    )
    if json:
        print_json(found)
        return
    if found["merged"]:
        print_line(f"merged in memory first: {', '.join(found['merged'])}")
    source = found["input"]
    print_line(f"written: {found['file']}")
    print_line(f"input {source['name']}: {source['type']} {source['shape']}, {source['expected']}")
    print_line(f"normalisation, inside: {source['normalisation_inside']}")
    print_line(f"output {found['output']['name']}: {found['output']['probabilities']}")
    for count, difference in found["max_difference"].items():
        print_line(f"largest difference from eager, batch of {count}: {difference:.3g}")
