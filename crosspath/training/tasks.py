"""What each objective asks of the loop: the model, a loss for each sample, and a reading of a held-out part."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.config.data import TextData
from crosspath.config.training import AudioAugment
from crosspath.data.examples import DataSet, Examples
from crosspath.errors import InputError
from crosspath.evaluation.cost import count_parameters, measure_cost
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.evaluate import part_metrics, predict_logits
from crosspath.evaluation.masked import masked_losses
from crosspath.evaluation.masked_tokens import read_tokens, token_metrics
from crosspath.evaluation.reconstructions import write_reconstructions
from crosspath.evaluation.sequences import write_sequences
from crosspath.models.build import build_masked_autoencoder, build_masked_model, build_model
from crosspath.objectives.classification import soft_cross_entropies
from crosspath.objectives.masked_modeling import masked_errors, token_grid
from crosspath.objectives.masked_tokens import hidden_count, name_hidden, naming_losses
from crosspath.objectives.masking import kept_patches, visible_count
from crosspath.objectives.multilabel import binary_cross_entropies
from crosspath.training.feed import Batch
from crosspath.training.processes import Processes


class Task(Protocol):
    """One objective."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the model that the run leaves behind; none for masked modelling."""

    def build(self, recipe: Recipe) -> nn.Module:
        """The freshly initialised model, from torch's random state."""

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """What is minimised, for each sample (B,)."""

    def read(self, model: nn.Module, examples: Examples, compute: Compute, *, final: bool) -> dict[str, float]:
        """Metrics of a held-out part; empty where it has no samples. `final` reads it by the test protocol."""

    def cost(self, model: nn.Module, batch: Tensor) -> dict[str, Any]:
        """What the model costs; see `crosspath.evaluation.cost`."""

    def show(self, model: nn.Module, data: DataSet, compute: Compute, folder: Path) -> None:
        """Leave pictures (or a page) of what the model does in `folder`, where the objective has any."""


def task_of(recipe: Recipe, data: DataSet, processes: Processes) -> Task:
    """The task of a recipe's objective."""
    if recipe.objective == "masked_modeling":
        return MaskedText(recipe, processes) if recipe.modality == "text" else MaskedModeling(recipe, processes)
    return Classification(recipe, tuple(data.classes), processes)


@dataclass(frozen=True)
class Classification:
    """Supervised classification, of one label a sample or several."""

    recipe: Recipe
    classes: tuple[str, ...]
    processes: Processes

    def build(self, recipe: Recipe) -> nn.Module:
        """The recipe's classifier."""
        return build_model(recipe, len(self.classes))

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """Cross entropy, or binary cross entropy of sets with several labels."""
        assert batch.targets_BK is not None
        augment = self.recipe.augment
        if isinstance(augment, AudioAugment) and any(augment.patch_drop):
            times, mels = token_grid(model)
            seed = self.recipe.train.seed
            kept_BV = kept_patches(augment.patch_drop, (times, mels), seed, batch.epoch, batch.ids_B)
            logits_BK = model(batch.inputs, kept_BV.to(batch.inputs.device))
        else:
            logits_BK = model(batch.inputs)
        smoothing = self.recipe.train.label_smoothing
        if getattr(self.recipe.data, "multi_label", False):
            return binary_cross_entropies(logits_BK, batch.targets_BK, smoothing)
        return soft_cross_entropies(logits_BK, batch.targets_BK, smoothing)

    def read(self, model: nn.Module, examples: Examples, compute: Compute, *, final: bool) -> dict[str, float]:
        """Accuracies or mean average precision, each sample counted once however many processes read."""
        if len(examples) == 0:
            return {}
        mine = np.array(self.processes.share(len(examples)))
        part = examples if self.processes.count == 1 else _rows(examples, mine)
        logits_NK = predict_logits(model, self.recipe, part, compute, protocol=final)
        logits_NK = self.processes.gathered(logits_NK, len(examples))
        return _finite(part_metrics(logits_NK, torch.as_tensor(np.asarray(examples.labels))))

    def cost(self, model: nn.Module, batch: Tensor) -> dict[str, Any]:
        """Parameters, tokens and the latency of a forward pass."""
        return measure_cost(model, batch).to_json()

    def show(self, model: nn.Module, data: DataSet, compute: Compute, folder: Path) -> None:
        """Nothing: the numbers say it all."""


@dataclass(frozen=True)
class MaskedModeling:
    """A masked autoencoder, of every modality but text."""

    recipe: Recipe
    processes: Processes
    classes: tuple[str, ...] = ()

    def build(self, recipe: Recipe) -> nn.Module:
        """The recipe's encoder with its decoder."""
        model = build_masked_autoencoder(recipe)
        assert recipe.masking is not None
        # Shares that cannot divide the tokens show before anything is written.
        visible_count(recipe.masking, token_grid(model))
        return model

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """The error on hidden tokens."""
        return masked_errors(model, self.recipe, batch.inputs, self.recipe.train.seed, batch.epoch, batch.ids_B)

    def read(self, model: nn.Module, examples: Examples, compute: Compute, *, final: bool) -> dict[str, float]:
        """The mean error on hidden tokens, with masks that are the same at every reading."""
        if len(examples) == 0:
            return {}
        mine = self.processes.share(len(examples))
        losses_N = masked_losses(model, self.recipe, examples, mine, compute)
        losses_N = self.processes.gathered(losses_N, len(examples))
        return _finite({"loss": float(losses_N.double().mean())})

    def cost(self, model: nn.Module, batch: Tensor) -> dict[str, Any]:
        """Parameters and tokens; the time of a masked pass is no one's question."""
        return _size(model)

    def show(self, model: nn.Module, data: DataSet, compute: Compute, folder: Path) -> None:
        """Held-out samples beside their reconstructions."""
        if len(data.validation):
            write_reconstructions(model, self.recipe, data.validation, folder, compute)


@dataclass(frozen=True)
class MaskedText:
    """Sequences in which some tokens are to be named."""

    recipe: Recipe
    processes: Processes
    classes: tuple[str, ...] = ()

    def build(self, recipe: Recipe) -> nn.Module:
        """The recipe's encoder with a linear layer over the vocabulary."""
        assert isinstance(recipe.data, TextData)
        assert recipe.masking is not None
        hidden_count(recipe.data, recipe.masking.ratio)
        return build_masked_model(recipe)

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """The cross entropy on hidden tokens."""
        seed = self.recipe.train.seed
        return naming_losses(name_hidden(model, self.recipe, batch.inputs, seed, batch.epoch, batch.ids_B))

    def read(self, model: nn.Module, examples: Examples, compute: Compute, *, final: bool) -> dict[str, float]:
        """Cross entropy and accuracy on hidden tokens, with masks that are the same at every reading."""
        if len(examples) == 0:
            return {}
        mine = self.processes.share(len(examples))
        read_N2 = read_tokens(model, self.recipe, examples, mine, compute)
        return _finite(token_metrics(self.processes.gathered(read_N2, len(examples))))

    def cost(self, model: nn.Module, batch: Tensor) -> dict[str, Any]:
        """Parameters and tokens."""
        return _size(model)

    def show(self, model: nn.Module, data: DataSet, compute: Compute, folder: Path) -> None:
        """Held-out sequences with what the model says of their hidden tokens."""
        if len(data.validation):
            write_sequences(model, self.recipe, data.validation, folder, compute)


def _size(model: nn.Module) -> dict[str, Any]:
    return {
        "parameters": count_parameters(model),
        "trainable_parameters": count_parameters(model, trainable=True),
        "tokens": math.prod(token_grid(model)),
    }


def _rows(examples: Examples, rows: NDArray[np.int64]) -> Examples:
    """Some of a part's samples."""
    ids = tuple(examples.ids[row] for row in rows)
    if isinstance(examples.inputs, np.ndarray):
        return Examples(examples.inputs[rows], examples.labels[rows], ids)
    return Examples(examples.inputs.rows_of(rows), examples.labels[rows], ids)


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    if not all(math.isfinite(value) for value in metrics.values()):
        raise InputError("the trained model", "finite outputs", "nan or infinity", "lower optimizer.lr")
    return metrics
