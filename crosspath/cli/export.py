"""`crosspath export`."""

from pathlib import Path
from typing import Literal

from crosspath.cli.options import Json, MovedAuxiliaries, Recipe, named_pairs, recipe_of
from crosspath.cli.output import print_json, print_line, print_note


def export(
    checkpoint: Path,
    out: Path,
    /,
    *,
    format: Literal["onnx", "torch", "timm"] | None = None,
    auxiliary: MovedAuxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Export the merged model to one ONNX or torch.export file, or to a folder of timm, and compare the outputs.

    Example: `crosspath export runs/cifar-plain cifar.onnx`

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file; pathways are merged in memory first.
    out
        A new file (`.onnx` or `.pt2`), or a new folder for `model.onnx` or `model.pt2`, or for timm's files.
    format
        `onnx` (needs `pip install 'crosspath[export]'`), `torch`, or `timm` (images and sounds: a plain vision
        transformer for `timm.create_model`); default: from the suffix of OUT, else `onnx`.
    """
    from crosspath.evaluation.export import export as export_checkpoint

    receipt = export_checkpoint(
        checkpoint,
        out,
        format=format,
        recipe=recipe_of(recipe),
        auxiliaries=named_pairs(auxiliary, "--auxiliary"),
    )
    if json:
        print_json(receipt)
        return
    if receipt["merged"]:
        print_line(f"merged in memory first: {', '.join(receipt['merged'])}")
    source = receipt["input"]
    print_line(f"written to {receipt['file']}")
    print_line(f"input {source['name']}: {source['type']} {source['shape']}, {source['expected']}")
    if "normalisation_inside" in source:
        print_line(f"normalisation, included: {source['normalisation_inside']}")
    else:
        print_line(f"normalisation, before it: {source['normalisation_before']}")
    output = receipt["output"]
    print_line(f"output {output['name']}: {output.get('probabilities', output.get('outputs'))}")
    for count, difference in receipt["max_difference"].items():
        print_line(f"largest difference from eager, batch of {count}: {difference:.3g}")
    file = str(receipt["file"])
    opening = {
        "onnx": f"onnxruntime.InferenceSession({file!r})",
        "torch": f"torch.export.load({file!r})",
        "timm": f"timm.create_model({f'local-dir:{file}'!r}, pretrained=True)",
    }
    print_note(f"next: {opening[receipt['format']]} in Python")
