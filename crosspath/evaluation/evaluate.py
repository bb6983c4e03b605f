"""Read a held-out part with a checkpoint: the data set's own protocol, one result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from crosspath.checkpoints.files import run_result
from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.checkpoints.outside import data_section
from crosspath.config import Recipe
from crosspath.data.examples import DataSet, Examples, Rows
from crosspath.data.items import PART_NAMES
from crosspath.deprecated import older_keywords
from crosspath.errors import InputError
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import held_out_metrics, held_out_outputs, require_finite
from crosspath.metrics import with_class_names
from crosspath.modalities.load import load_data
from crosspath.modalities.memory import is_in_memory, memory_store
from crosspath.modalities.split import split_store
from crosspath.objectives import objective_of

Split = Literal["train", "validation", "test"]


@older_keywords(data_root="data")
def evaluate(
    checkpoint: str | Path | Checkpoint,
    *,
    data: Any = None,
    split: Split = "test",
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
) -> dict[str, Any]:
    """Metrics of a checkpoint on one part of its recipe's data.

    `data` is the folder that holds one folder per data set; for a `*/folder` recipe, a folder to read instead of
    the one it was trained on. Data in memory, as `train` takes them, are evaluated whole, or the part of them that
    `split` names; those that the model was trained with are split as they were then.

    Returns exactly `{"checkpoint", "recipe", "split", "samples", "metrics"}`, with "notes" where files of its own
    folder changed since it was trained; metrics are flat floats, accuracies fractions; nothing depends on time.

    Raises
    ------
    InputError
        For a checkpoint or data that cannot be read, classes that differ, a part without samples, and outputs that are
        not finite.
    """
    notes: list[str] = []
    source = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint, recipe, auxiliaries)
    if is_in_memory(data):
        examples = _examples_in_memory(source, data, split)
    else:
        root = None if data is None else Path(data)
        section = data_section(source.recipe, root, source.path, own=source.own)
        parts = load_data(section, root, source.recipe.train.seed)
        if objective_of(source.recipe).labelled:
            check_classes(parts, source.classes, source.path)
        if section.folder == source.recipe.data.folder:
            notes = _changes(parts, source.path)
        examples = getattr(parts, split)
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
        "metrics": with_class_names(held_out_metrics(outputs, source.recipe, examples), source.classes),
        **({"notes": notes} if notes else {}),
    }


def _changes(data: DataSet, checkpoint: Path) -> list[str]:
    """A note where the data are not those of the run that left these weights."""
    own = run_result(checkpoint).get("data")
    if not isinstance(own, Mapping) or own.get("fingerprint") == data.fingerprint:
        return []
    return [
        "files were added, removed or changed since this model was trained, or are decoded otherwise: parts may be "
        "drawn anew, and some of these samples may be ones that it has learned"
    ]


def _examples_in_memory(source: Checkpoint, data: Any, split: Split) -> Examples:
    section = source.recipe.data
    classes = source.classes if objective_of(source.recipe).labelled else None
    # The classes of a few-shot episode are some of those that the data had in training.
    store = memory_store(section, data, None if section.few_shot else classes)
    if store.digest == section.memory:
        part: Examples = getattr(split_store(section, store, source.recipe.train.seed), split)
        return part
    if section.few_shot:
        store = memory_store(section, data, classes)
    rows = np.arange(len(store.ids))
    if isinstance(data, Mapping) and None not in store.parts:
        rows = np.flatnonzero(np.array([PART_NAMES[str(part)] == PART_NAMES[split] for part in store.parts]))
    return Examples(Rows(np.asarray(store.inputs), rows), store.labels[rows], tuple(store.ids[row] for row in rows))


def check_classes(data: DataSet, classes: tuple[str, ...], where: object) -> None:
    """Raise `InputError` unless the data's classes are the model's, in the same order."""
    if tuple(data.classes) != tuple(classes):
        found = f"{len(data.classes)} others ({', '.join(data.classes[:3])}, ...)"
        raise InputError(where, f"data of its {len(classes)} classes", found, "name the data it was trained on")
