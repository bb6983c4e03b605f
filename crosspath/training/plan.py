"""What a run would do, from its recipe alone: no data, no checkpoint, no memory for weights."""

from math import ceil
from typing import Any

import torch

from crosspath.config import Recipe
from crosspath.evaluation.cost import count_parameters
from crosspath.models.build import build_model


def plan(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe with the model's size and the run's length.

    Returns `{"recipe", "classes", "parameters", "tokens", "train_samples", "steps_per_epoch", "steps"}`. What depends
    on data that no recipe knows (own folders) is None; parameters are then those without a head.
    """
    classes, samples = recipe.data.classes, recipe.data.train_samples
    with torch.device("meta"):
        model = build_model(recipe, classes or 1)
    parameters = count_parameters(model) if classes else count_parameters(model) - count_parameters(model.head)
    if samples is not None and classes is not None and recipe.data.labels_per_class is not None:
        samples = min(samples, classes * recipe.data.labels_per_class)
    steps_per_epoch = None if samples is None else ceil(samples / recipe.train.batch_size)
    return {
        "recipe": recipe.model_dump(mode="json"),
        "classes": classes,
        "parameters": parameters,
        "tokens": model.tokenizer.num_tokens,
        "train_samples": samples,
        "steps_per_epoch": steps_per_epoch,
        "steps": None if steps_per_epoch is None else steps_per_epoch * recipe.train.epochs,
    }
