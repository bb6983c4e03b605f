"""What an objective is: one object that holds everything in which objectives differ."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from crosspath.config import Recipe
from crosspath.data.examples import DataSet, Examples
from crosspath.errors import InputError
from crosspath.metrics import METRICS
from crosspath.objectives.drawing import Drawing
from crosspath.tokenizers import Tokenizer

MASK_SEED = 0x3A5C
"""Of the masks of held-out samples. Fixed: `train.seed` must not change the held-out task."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One part of a training batch, ready for the model."""

    inputs: Tensor
    """Prepared and augmented samples (B, ...), on the device; annotated ones with their annotation, which the
    objective divides from what the model reads (`crosspath.modalities.annotations.divide`)."""
    targets: Tensor | None
    """What the objective trains on: distributions over classes, independent probabilities or numbers (B, K), boxes
    (B, M, 9), of annotated samples their categories (B,); None where it needs no labels."""
    ids_B: Tensor  # noqa: N815
    """Which samples of the training part these are."""
    epoch: int
    """The counter of this view: what is drawn for a sample depends on it."""
    batch_size: int
    """Samples of the complete batch, over all parts, views and processes."""


Show = Callable[
    [nn.Module, Recipe, Examples, Path, torch.device, Callable[[], AbstractContextManager[Any]], Sequence[str]], Any
]
"""(model, recipe, examples, folder, device, autocast, names of the classes): writes pictures or a page of held-out
samples to the folder."""


def indicators(labels: Tensor, recipe: Recipe, classes: int) -> Tensor:
    """Class numbers (N,) as rows of 0 and 1 (N, K); rows stay as they are."""
    return labels if labels.ndim > 1 else one_hot(labels, classes)


def head_by_batch(recipe: Recipe) -> bool:
    """Whether a `ClassificationHead` normalises over the batch."""
    return bool(recipe.model.head_hidden) or recipe.model.head_batch_norm


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is minimised, and how a held-out part is judged. Models and batches lie on one device."""

    name: str
    verb: Literal["train", "pretrain"]
    serves: Callable[[Recipe], bool]
    """Whether a recipe trains by this objective."""
    build: Callable[[Recipe, int], nn.Module]
    """The freshly initialised model of a recipe with that many classes, from torch's random state."""
    losses: Callable[[nn.Module, Recipe, Batch], Tensor]
    """What is minimised, for each sample (B,)."""
    outputs: Callable[[nn.Module, Recipe, Tensor, Tensor], Tensor]
    """(model, recipe, prepared batch, rows of the held-out part) to what `metrics` needs of each sample (B, ...)."""
    outputs_by: Literal["rows", "labels"] = "rows"
    """What the last argument of `outputs` is: the samples' rows, by which masks are drawn, or their labels, where the
    model is told them: an object's category, whose parts it tells apart."""
    metrics: Callable[[Tensor, Tensor, Recipe], dict[str, float]]
    """(outputs (N, ...), labels, recipe) to flat floats by their names in `METRICS`; without samples it is empty."""
    selects_by: str
    """The metric by which `train.select=best` chooses, one of `METRICS`."""
    fewest: int = 1
    """Samples of a held-out part for which there is that metric."""
    labelled: bool = False
    """Whether samples need labels."""
    label_rows: Callable[[Tensor, Recipe, int], Tensor] = indicators
    """(labels (N,) or (N, K), recipe, number of classes) to a row of numbers for each sample, as losses read them."""
    by_batch: Callable[[Recipe], bool] = lambda recipe: False
    """Whether a recipe's head normalises over the batch, which takes two samples or more."""
    pools: bool = False
    """Whether the model is a `ModalityModel`, whose head reads the pooled features of a sample."""
    probabilities: Callable[[Tensor], Tensor] | None = None
    """Logits (..., K) to class probabilities; None where the model is no classifier."""
    predictions: Callable[[Tensor, Recipe, tuple[str, ...], int], dict[str, Any]] | None = None
    """(outputs of one sample, recipe, names of classes or columns, how many at most) to what `predict` says of a file,
    as plain data; None where the model predicts nothing of a sample."""
    most: int = 5
    """How many predictions `predict` gives of a sample, unless the user asks for another number."""
    to_picture: Callable[[Tensor, Recipe, tuple[int, int]], Tensor] | None = None
    """(outputs of one sample, recipe, width and height of its picture) to the outputs with places in pixels of that
    picture; None where outputs have no places."""
    visible: Callable[[Recipe, nn.Module], int]
    """Tokens of a sample that the encoder sees. Raises `InputError` for a `masking` section that cannot divide them."""
    check: Callable[[Recipe, DataSet], None] | None = None
    """Raises `InputError` for data that the objective cannot train on; called once they are read."""
    hub_task: str | None = None
    """The hub's word for its models; of a classifier that of its modality."""
    exported: str = ""
    """What the outputs of an exported model are, in words; empty where none is exported."""
    before_export: Callable[[nn.Module, Recipe], None] | None = None
    """Changes a model in place so that its outputs are that."""
    decodes: bool = False
    """Whether a decoder trains beside the encoder."""
    show: Show | None = None
    drawing: Drawing | None = None
    """How held-out samples and files are drawn with what the model says of them."""

    @property
    def picture_writer(self) -> Show | None:
        """What writes the pictures of a run."""
        return self.show if self.drawing is None else self.drawing.show

    def score(self, metrics: dict[str, float]) -> float:
        """The number by which the best epoch is chosen; more is better.

        Raises
        ------
        InputError
            For samples that do not give it, such as pictures without a box.
        """
        if self.selects_by not in metrics:
            expected, todo = f"samples that give {self.selects_by}", "set train.select=last, or hold out others"
            raise InputError("the validation part", expected, "none: no label counts there", todo)
        return METRICS[self.selects_by].sign * metrics[self.selects_by]


def require_in_each_part(
    recipe: Recipe, data: DataSet, expected: str, counts: Callable[[Examples], bool], todo: str
) -> None:
    """Raise `InputError` for a part whose samples, if it has any, have no label that counts: nothing could be learnt of
    it, or measured on it. A test part that is not read may be without.
    """
    parts = {"training": data.train, "validation": data.validation, "test": data.test}
    for name, examples in parts.items():
        if name == "test" and not recipe.evaluate.test:
            continue
        if len(examples) and not counts(examples):
            raise InputError(f"the {name} part of {recipe.name}", expected, f"{len(examples)} without", todo)


def all_tokens(recipe: Recipe, model: nn.Module) -> int:
    """How many tokens a sample has, where the encoder sees all of them."""
    return prod(token_grid(model))


def token_grid(model: nn.Module) -> tuple[int, ...]:
    """The arrangement of the model's tokens, one axis of groups or the axes of its patches; DDP may wrap the model."""
    tokenizer = getattr(model, "module", model).tokenizer
    assert isinstance(tokenizer, Tokenizer)
    return tokenizer.grid
