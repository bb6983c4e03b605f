"""What a run would do, from its recipe alone: without data, checkpoints or memory for weights."""

from math import ceil, prod
from pathlib import Path
from typing import Any

import torch

from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.evaluation.cost import count_parameters
from crosspath.modalities import modality_of
from crosspath.models.sizes import size_of
from crosspath.objectives import objective_of
from crosspath.objectives.objective import token_grid
from crosspath.recipes import recipe_named
from crosspath.training.optimizer import rate_factor
from crosspath.training.order import steps_per_epoch

BLOCK_VALUES = 17
"""Values that a block keeps for its backward pass, for each token and unit of width: two inputs of norms and their
results (4), queries, keys and values (3), the attention's result before and after its layout changes (2), the hidden
layer before and after its nonlinearity (8)."""
WORD_BYTES = 4


def plan(recipe: Recipe | str | Path, settings: Settings = ()) -> dict[str, Any]:
    """The resolved recipe with the model's size and the run's length.

    Returns `{"recipe", "classes", "parameters", "tokens", "visible_tokens", "train_samples", "steps_per_epoch",
    "steps", "learning_rate", "memory_bytes"}`. What depends on data that no recipe knows (own folders) is None;
    parameters are then those without a head. `memory_bytes` is an estimate for one process, without pathways, in
    float32: see `training_memory`. `recipe` and `settings` are those of `train`.
    """
    recipe = apply_overrides(recipe if isinstance(recipe, Recipe) else recipe_named(recipe), setting_texts(settings))
    classes, samples = recipe.data.model_classes, recipe.data.train_samples
    objective = objective_of(recipe)
    with torch.device("meta"):
        model = objective.build(recipe, classes or 1)
    parameters = count_parameters(model)
    if objective.labelled and classes is None:
        parameters -= count_parameters(model.get_submodule("head"))
    if samples is not None and classes is not None and recipe.data.labels_per_class is not None:
        samples = min(samples, classes * recipe.data.labels_per_class)
    if samples is not None and recipe.data.labels_in_all is not None:
        samples = min(samples, recipe.data.labels_in_all)
    if recipe.data.way is not None and recipe.data.shot is not None:
        samples = recipe.data.way * recipe.data.shot
    steps = None if samples is None else steps_per_epoch(samples, recipe.train)
    tokens, visible = prod(token_grid(model)), objective.visible(recipe, model)
    return {
        "recipe": recipe.model_dump(mode="json"),
        "classes": classes if objective.labelled else None,
        "parameters": parameters,
        "tokens": tokens,
        "visible_tokens": visible,
        "train_samples": samples,
        "steps_per_epoch": steps,
        "steps": None if steps is None else steps * recipe.train.epochs,
        "learning_rate": recipe.optimizer.lr * rate_factor(recipe.optimizer, recipe.train.batch_size),
        "memory_bytes": training_memory(recipe, parameters, tokens, visible),
    }


def training_memory(recipe: Recipe, parameters: int, tokens: int, visible: int) -> int:
    """Bytes that training holds at once on one process, to a factor of about two: weights, gradients and AdamW's two
    moments of all parameters (a moving average adds one copy), and what the blocks keep of one part of a batch for the
    backward pass. In bfloat16 that last part is about half; `gradient_checkpointing` keeps one block's.
    """
    copies = 4 + (1 if recipe.train.ema_decay is not None else 0)
    size = size_of(recipe.model)
    depth = 1 if recipe.model.gradient_checkpointing else size.depth
    values = visible * size.width * depth
    if recipe.masking is not None and objective_of(recipe).decodes:
        values += tokens * recipe.masking.decoder_width * recipe.masking.decoder_depth
    tokenizer_values = modality_of(recipe).tokenizer_values(recipe.model.tokenizer, size.width)
    values += tokenizer_values * tokens // BLOCK_VALUES
    samples = ceil(recipe.train.batch_size / recipe.train.accumulate)
    return WORD_BYTES * (copies * parameters + samples * BLOCK_VALUES * values)
