"""`crosspath predict`."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from crosspath.cli.options import Json, MovedAuxiliaries, Recipe, named_pairs, recipe_of
from crosspath.cli.output import print_json, print_line, print_next, print_note, print_table


def predict(
    checkpoint: Path,
    /,
    *files: Annotated[str, Parameter(name="FILE", required=True)],
    top: Annotated[int | None, Parameter(validator=Number(gte=1), show_default=False)] = None,
    out: Annotated[Path | None, Parameter(name="--out", show_default=False)] = None,
    category: Annotated[str | None, Parameter(name="--category", show_default=False)] = None,
    auxiliary: MovedAuxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Print what a model says of files: the most probable classes of each, or numbers, parts, the classes of pixels
    or boxes, as it was trained to.

    Example: `crosspath predict runs/image/cifar10 cat.png dog.jpg`

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file.
    files
        Files of the model's modality; for a text model also texts in quotes, and tables with one text per row.
    top
        Number of classes, boxes or parts for each file; default: 5 classes, 100 boxes, all parts.
    out
        A new folder for `predictions.json`, and for pictures of masks, parts and boxes with the masks and parts
        themselves.
    category
        For a model of the parts of several categories of objects: which one the files show; the name of each file's
        folder when not given.
    """
    from crosspath.evaluation import predict as predict_files
    from crosspath.metrics import plain_text

    predictions = predict_files(
        checkpoint,
        files,
        top=top,
        recipe=recipe_of(recipe),
        auxiliaries=named_pairs(auxiliary, "--auxiliary"),
        out=out,
        category=category,
    )
    if json:
        print_json({"checkpoint": str(checkpoint), "files": predictions})
        return
    guesses = [(entry["file"], guess) for entry in predictions for guess in entry.get("predictions", ())]
    columns = list(dict.fromkeys(name for _, guess in guesses for name in guess))
    numbers = [
        (entry["file"], number["column"], plain_text("mae", number["value"]), number.get("unit", ""))
        for entry in predictions
        for number in entry.get("numbers", ())
    ]
    if numbers:
        print_table(("file", "column", "value", "unit"), numbers)
    else:
        print_table(("file", *columns), [(file, *(_cell(guess[name]) for name in columns)) for file, guess in guesses])
    for entry in predictions:
        for note in entry.get("notes", ()):
            print_note(f"{entry['file']}: {note}")
    if out is not None:
        print_line(f"written to {out}")
    if numbers or "probability" in columns:  # models of one output, of which there are exports
        print_next("crosspath", "export", checkpoint, "model.onnx")


def _cell(value: Any) -> str:
    """A class, a probability or a box."""
    if isinstance(value, list):
        return " ".join(f"{number:.1f}" for number in value)
    return f"{value:.4f}" if isinstance(value, float) else str(value)
