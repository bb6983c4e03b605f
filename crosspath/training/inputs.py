"""What a run starts from: where its data lie, which checkpoints it reads, and what follows for its batches."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crosspath.checkpoints.files import checkpoint_files
from crosspath.checkpoints.sources import Auxiliary, is_on_hub
from crosspath.checkpoints.start import Start
from crosspath.config import Recipe
from crosspath.config.data import DataSection
from crosspath.counts import quantity
from crosspath.data.cache import Store
from crosspath.data.examples import DataSet
from crosspath.data.streaming.samples import StreamedSamples
from crosspath.errors import InputError
from crosspath.files import sha256_of_file
from crosspath.modalities import modality_of
from crosspath.modalities.annotations import annotated_shape
from crosspath.modalities.load import with_absolute_folder
from crosspath.objectives import objective_of
from crosspath.training.optimizer import rate_factor
from crosspath.training.order import epoch_length, steps_per_epoch
from crosspath.training.processes import Processes


def resolve_folder(recipe: Recipe, data_root: str | Path | None) -> Recipe:
    """The recipe with its own data folder named in full, so that the run can be read from anywhere."""
    data = with_absolute_folder(recipe.data, None if data_root is None else Path(data_root))
    return recipe.model_copy(update={"data": data})


def run_inputs(
    data_root: str | Path | None,
    from_checkpoint: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    start: Start | None,
    memory: Store | None = None,
) -> dict[str, Any]:
    """What a run starts from besides its recipe, as in `inputs.json`: a resumed run must be given the same."""
    inputs: dict[str, Any] = {
        "data": None if data_root is None else str(Path(data_root).resolve()),
        "from": None if from_checkpoint is None else checkpoint_identity(from_checkpoint),
        "auxiliaries": {name: checkpoint_identity(source) for name, source in auxiliaries.items()},
    }
    if memory is not None:
        inputs["data"] = {"origin": "memory", "sha256": memory.digest}
    if start is not None:
        inputs["start"] = {"origin": start.origin, "sha256": start.sha256}
    return inputs


def checkpoint_identity(source: str | Path | Auxiliary) -> dict[str, str | None]:
    """{"origin", "sha256"} of a checkpoint; sha256 is None for a model of a hub, which its name identifies."""
    if isinstance(source, Auxiliary):
        return {"origin": source.origin, "sha256": source.sha256}
    text = str(source)
    if is_on_hub(text):
        return {"origin": text, "sha256": None}
    path = Path(text).resolve()
    return {"origin": str(path), "sha256": sha256_of_file(checkpoint_files(path).weights)}


def batch_notes(recipe: Recipe, samples: int, processes: Processes) -> list[str]:
    """What follows for batches and learning rate from the number of training samples, processes, parts and views."""
    section, settings = recipe.optimizer, recipe.train
    largest = ceil(epoch_length(samples, settings) / steps_per_epoch(samples, settings))
    notes = []
    if processes.count > 1 or settings.accumulate > 1 or settings.repeats > 1:
        each = largest / processes.count / settings.accumulate
        views = f", {settings.repeats} views each" if settings.repeats > 1 else ""
        division = f"{quantity(processes.count, 'process', 'processes')} x {quantity(settings.accumulate, 'part')}"
        notes.append(f"batches of {quantity(largest, 'sample')}{views}: {division} of {each:g}")
    if section.lr_per_samples is not None:
        full = "" if largest == settings.batch_size else f" (the largest batch has {quantity(largest, 'sample')})"
        rate = section.lr * rate_factor(section, settings.batch_size)
        notes.append(
            f"learning rate {rate:g}: {section.lr:g} per {section.lr_per_samples} samples, train.batch_size "
            f"{settings.batch_size}{full}"
        )
    return notes


def require_samples(recipe: Recipe, data: DataSet) -> None:
    """Raise `InputError` where data and recipe disagree before a model is built from them."""
    classes = recipe.data.model_classes
    if classes is not None and classes != len(data.classes):
        todo = "set data.classes, or leave it out"
        raise InputError("data.classes", str(classes), f"{len(data.classes)} in the data", todo)
    if len(data.train) == 0:
        raise InputError(f"the training part of {recipe.name}", "samples", "none", "check the data folder")
    if objective_of(recipe).probabilities and not recipe.data.several_labels and len(data.classes) < 2:
        raise _one_class_error(recipe.data, data.classes[0])
    modality = modality_of(recipe)
    expected, samples = annotated_shape(recipe.data), data.train.inputs
    zeros = torch.zeros(1, *samples.shape[1:])
    if recipe.data.annotated and not isinstance(samples, StreamedSamples):
        # What training cuts out of pictures of unequal sizes.
        sample = zeros.numpy().astype(samples.dtype)
        zeros = torch.from_numpy(
            modality.before_batch(recipe.data, recipe.augment, sample, 0, 0, np.zeros(1, np.int64))
        )
    actual = tuple(modality.held_out(recipe.data, zeros).shape[1:])
    if actual != expected:
        where, todo = f"samples of {recipe.modality}", "correct the reader, or Modality.sample_shape"
        raise InputError(where, f"the shape {expected}", str(actual), todo)


def _one_class_error(section: DataSection, name: str) -> InputError:
    """The error for a classifier without a choice; the class may be a folder around the class folders."""
    if section.memory is not None:
        todo = "pass (X, y) with two classes or more, or use crosspath.pretrain, which needs no labels"
        return InputError("data", "labels of two classes or more", f"one, {name}", todo)
    own = None if section.folder is None else section.folder / name
    todo = "give the samples two classes or more, or use `crosspath pretrain`, which needs none"
    if own is not None and own.is_dir():
        todo = (
            "put the files of each class into a folder of its own, or use `crosspath pretrain`, which needs no classes"
        )
        if any(path.is_dir() for path in own.iterdir()):
            todo = f"if the class folders lie in {own}, name that folder with --data; {todo}"
    return InputError(section.folder or section.dataset, "two classes or more", f"one, {name}", todo)
