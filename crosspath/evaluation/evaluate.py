"""Read a held-out part with a checkpoint: the data set's own protocol, one result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.config import Recipe
from crosspath.data.examples import DataSet, Examples
from crosspath.data.load import load_data, located
from crosspath.data.views.normalise import prepare_held_out
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute, choose_compute
from crosspath.evaluation.masked import read_masked
from crosspath.evaluation.masked_tokens import read_tokens, token_metrics
from crosspath.evaluation.metrics import classification_metrics, multi_label_metrics
from crosspath.evaluation.views import averaged_views, averaged_votes

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
        For a checkpoint or data that cannot be read, classes that differ, and a part without samples.
    """
    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint, recipe, auxiliaries)
    root = None if data_root is None else Path(data_root)
    data = load_data(located(loaded.recipe.data, root), root, loaded.recipe.train.seed)
    if loaded.recipe.objective == "classification":
        check_classes(data, loaded.classes, loaded.path)
    examples: Examples = getattr(data, split)
    if len(examples) == 0:
        raise InputError(f"the {split} part of {loaded.recipe.name}", "samples", "none", "choose another --split")
    compute = choose_compute(loaded.recipe)
    model = loaded.model.to(compute.device)
    if loaded.recipe.objective == "masked_modeling" and loaded.recipe.modality == "text":
        metrics = token_metrics(read_tokens(model, loaded.recipe, examples, range(len(examples)), compute))
    elif loaded.recipe.objective == "masked_modeling":
        metrics = read_masked(model, loaded.recipe, examples, compute)
    else:
        logits_NK = predict_logits(model, loaded.recipe, examples, compute, protocol=split == "test")
        metrics = part_metrics(logits_NK, torch.as_tensor(np.asarray(examples.labels)))
    return {
        "checkpoint": str(loaded.path),
        "recipe": loaded.recipe.name,
        "split": split,
        "samples": len(examples),
        "metrics": metrics,
    }


def check_classes(data: DataSet, classes: tuple[str, ...], where: object) -> None:
    """Raise `InputError` unless the data's classes are the model's, in the same order."""
    if tuple(data.classes) != tuple(classes):
        found = f"{len(data.classes)} others ({', '.join(data.classes[:3])}, ...)"
        raise InputError(where, f"data of its {len(classes)} classes", found, "name the data it was trained on")


def part_metrics(logits_NK: Tensor, labels: Tensor) -> dict[str, float]:
    """The metrics of one label a sample (N,) or several (N, K); empty without samples."""
    if labels.ndim == 2:
        return multi_label_metrics(logits_NK, labels)
    return classification_metrics(logits_NK, labels)


@torch.no_grad()
def predict_logits(
    model: nn.Module, recipe: Recipe, examples: Examples, compute: Compute, *, protocol: bool = False
) -> Tensor:
    """Logits (N, K) in float32 on the CPU, in the examples' order, with the recipe's evaluation batches.

    With `protocol` several views of each sample count, where the recipe's `evaluate` section asks for them: clips and
    crops of a video (the logarithm of the mean probability comes back), random subsets of a cloud (the mean logits).
    The model stands on `compute.device`; it runs in evaluation mode and gets its own mode back.
    """
    training = model.training
    model.eval()
    section = recipe.evaluate
    views = section.segments * section.crops if protocol and recipe.modality == "video" else 1
    votes = section.votes if protocol and recipe.modality == "point" else 1
    size = max(1, section.batch_size // views)

    def logits_of(batch: Tensor) -> Tensor:
        with compute.autocast():
            logits_BK: Tensor = model(batch)
        return logits_BK.float()

    parts = []
    try:
        for start in range(0, len(examples), size):
            rows = np.arange(start, min(start + size, len(examples)))
            if views > 1:
                logits_BK = averaged_views(recipe, examples, rows, compute.device, logits_of)
            elif votes > 1:
                logits_BK = averaged_votes(recipe, examples, rows, compute.device, logits_of)
            else:
                logits_BK = logits_of(prepare_held_out(recipe.data, examples.inputs[rows], compute.device))
            parts.append(logits_BK.cpu())
    finally:
        model.train(training)
    return torch.cat(parts)
