"""`crosspath features`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from crosspath.cli.options import Json, MovedAuxiliaries, Recipe, named_pairs, recipe_of
from crosspath.cli.output import print_json, print_line, print_note
from crosspath.counts import quantity


def features(
    checkpoint: Path,
    folder: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name="--out")],
    pool: Literal["head", "mean", "cls", "tokens"] | None = None,
    window: float | None = None,
    stride: float | None = None,
    file_format: Annotated[Literal["safetensors", "npy"], Parameter(name="--format")] = "safetensors",
    skip_damaged: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    auxiliary: MovedAuxiliaries = (),
    recipe: Recipe = None,
    json: Json = False,
) -> None:
    """Write a model's features of every file below a folder: of the file, or of windows that slide over it.

    Example: `crosspath features runs/audio/fsdd recordings --stride 0.5 --out features`

    The same command continues one that was stopped, and reads files that have changed.

    Parameters
    ----------
    checkpoint
        A run folder, a saved folder or a `.safetensors` file.
    folder
        Files of the model's modality, at any depth.
    out
        A new folder, or one with features of the same kind: one array per file, at the same place.
    pool
        `head`, what the classifier's layers read (default of a classifier); `mean` of all tokens (default of another
        model); `cls`, the class token; `tokens`, all of them.
    window
        Seconds of a film in one window. Recordings have windows of the model's own length.
    stride
        Seconds from one window to the next; with either, a file has one row of features for each window.
    file_format
        `safetensors` (the tensor `features`) or `npy`.
    skip_damaged
        Leave damaged files out and name them, instead of stopping.
    """
    from crosspath.data.class_layout import describe_unread
    from crosspath.evaluation.feature_files import write_features
    from crosspath.training.progress import open_bar

    with open_bar(not json) as bar:
        report = write_features(
            checkpoint,
            folder,
            out,
            pool=pool,
            window=window,
            stride=stride,
            file_format=file_format,
            skip_damaged=skip_damaged,
            recipe=recipe_of(recipe),
            auxiliaries=named_pairs(auxiliary, "--auxiliary"),
            progress=lambda count, total: bar.count("features", count, total),
        )
    if json:
        print_json(asdict(report))
        return
    for reason in report.skipped:
        print_note(f"skipped {reason}")
    for note in report.notes:
        print_note(note)
    if report.unread:
        print_note(f"not read: {describe_unread(report.unread)}")
    shape = "" if report.shape is None else f", the last of shape {report.shape}"
    print_line(f"features of {quantity(report.files, 'file')} in {report.folder}: {report.written} written now{shape}")
    load = 'safetensors.numpy.load_file(FILE)["features"]' if file_format == "safetensors" else "numpy.load(FILE)"
    print_note(f"next: read them in Python with {load}")
