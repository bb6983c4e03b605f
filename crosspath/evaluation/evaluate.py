"""Read a held-out part with a checkpoint: the data set's own protocol, one result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.checkpoints.outside import data_section
from crosspath.config import Recipe
from crosspath.data.examples import DataSet, Examples
from crosspath.errors import InputError
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import held_out_metrics, held_out_outputs, require_finite
from crosspath.modalities.load import load_data
from crosspath.objectives import objective_of

Split = Literal["train", "validation", "test"]


def evaluate(
    checkpoint: str | Path | Checkpoint,
    *,
    data_root: str | Path | None = None,
    split: Split = "test",
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
) -> dict[str, Any]:
    """Metrics of a checkpoint on one part of its recipe's data.

    `data_root` is the folder that holds one folder per data set; for a `*/folder` recipe, a folder to read instead of
    the one it was trained on.

    Returns exactly `{"checkpoint", "recipe", "split", "samples", "metrics"}`; metrics are flat floats, accuracies
    fractions; nothing depends on time.

    Raises
    ------
    InputError
        For a checkpoint or data that cannot be read, classes that differ, a part without samples, and outputs that are
        not finite.
    """
    source = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint, recipe, auxiliaries)
    root = None if data_root is None else Path(data_root)
    section = data_section(source.recipe, root, source.path, own=source.own)
    data = load_data(section, root, source.recipe.train.seed)
    if objective_of(source.recipe).labelled:
        check_classes(data, source.classes, source.path)
    examples: Examples = getattr(data, split)
    if len(examples) == 0:
        raise InputError(f"the {split} part of {source.recipe.name}", "samples", "none", "choose another --split")
    compute = choose_compute(source.recipe)
    model = source.model.to(compute.device)
    outputs = held_out_outputs(model, source.recipe, examples, compute, protocol=split == "test")
    require_finite(outputs, source.path, f"samples of the {split} part")
    return {
        "checkpoint": str(source.path),
        "recipe": source.recipe.name,
        "split": split,
        "samples": len(examples),
        "metrics": held_out_metrics(outputs, source.recipe, examples),
    }


def check_classes(data: DataSet, classes: tuple[str, ...], where: object) -> None:
    """Raise `InputError` unless the data's classes are the model's, in the same order."""
    if tuple(data.classes) != tuple(classes):
        found = f"{len(data.classes)} others ({', '.join(data.classes[:3])}, ...)"
        raise InputError(where, f"data of its {len(classes)} classes", found, "name the data it was trained on")
