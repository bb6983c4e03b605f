"""Pictures of what a trained model does on held-out samples: what an objective has to draw, and who asks it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.annotations import OUTSIDE
from crosspath.data.examples import Examples
from crosspath.modalities.annotations import annotation_axis, divide
from crosspath.modalities.batches import prepare_held_out
from crosspath.models.evaluation_mode import evaluation_mode

if TYPE_CHECKING:
    from PIL.Image import Image

SAMPLE_PICTURES = 6
"""Held-out samples with a picture of their own."""
MOST_SAMPLES = 512
"""Held-out samples at most in a picture of the whole part: evenly spread, so that every run of a set shows the same."""
AT_ONCE = 16
"""Samples that the model reads together; annotated ones, whose sizes differ, one by one."""


class Answer(NamedTuple):
    """One sample, and what the model says of it."""

    name: str
    read: Callable[[], NDArray[Any]]
    """Gives the sample as the model reads it, without an annotation: many answers need not hold many films."""
    answer: NDArray[Any]
    label: NDArray[Any] | None = None
    """None of a file of which nothing is known."""
    truth: NDArray[Any] | None = None
    """The annotation of an annotated sample, the label of another; None of a file of which nothing is known."""


Names = Sequence[str]
"""Of the classes or columns, as a checkpoint has them."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How an objective shows what a model does."""

    answers: Callable[[nn.Module, Recipe, Tensor, Tensor | None], Tensor]
    """(model, recipe, prepared samples (B, ...), their labels, None of files) to what is drawn of each (B, ...). Of
    annotated samples it is given one at a time, without its annotation and without what `OUTSIDE` fills."""
    sample: Callable[[Recipe, Answer, Names], "Image"] | None = None
    """The picture of one sample, beside its truth where that is known."""
    part: Callable[[Recipe, Sequence[Answer], Names], Mapping[str, "Image"]] | None = None
    """{name: picture} of many held-out samples together."""
    files: Callable[[Recipe, Answer, Names], Mapping[str, bytes]] | None = None
    """{suffix: content} of the answer itself, for other programs."""

    @torch.no_grad()
    def show(
        self,
        model: nn.Module,
        recipe: Recipe,
        examples: Examples,
        folder: Path,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
        names: Names = (),
    ) -> list[Path]:
        """Write PNGs of held-out samples to the folder; returns their paths."""
        rows = _even_rows(len(examples), SAMPLE_PICTURES if self.part is None else MOST_SAMPLES)
        with evaluation_mode(model):
            answers = list(self._answers(model, recipe, examples, rows, device, autocast))
        pictures = {} if self.part is None else dict(self.part(recipe, answers, names))
        if self.sample is not None:
            for number, index in enumerate(_even_rows(len(answers), SAMPLE_PICTURES)):
                pictures[f"{number:02d}"] = self.sample(recipe, answers[index], names)
        if pictures:
            folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{name}.png" for name in pictures]
        for path, picture in zip(paths, pictures.values(), strict=True):
            picture.save(path)
        return paths

    def _answers(
        self,
        model: nn.Module,
        recipe: Recipe,
        examples: Examples,
        rows: NDArray[np.int64],
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> Iterator[Answer]:
        size = 1 if recipe.data.annotated else AT_ONCE
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            labels = np.asarray(examples.labels[some])
            inputs, truths = prepare_samples(recipe, examples, some, device)
            with autocast():
                answers = self.answers(model, recipe, inputs, torch.as_tensor(labels, device=device))
            for row, answer, label, truth in zip(some, answers.float().cpu().numpy(), labels, truths, strict=True):
                yield Answer(examples.ids[row], partial(_read, recipe, examples, row), answer, label, truth)


def model_outputs(model: nn.Module, recipe: Recipe, inputs: Tensor, _: Tensor | None) -> Tensor:
    """What a model that is told nothing but its inputs says of each (B, ...)."""
    outputs: Tensor = model(inputs)
    return outputs


def prepare_samples(
    recipe: Recipe, examples: Examples, rows: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, NDArray[Any]]:
    """What the model reads of some held-out samples (B, ...), and their labels; of a single annotated sample itself,
    without what fills the array around it, and its annotation."""
    inputs = prepare_held_out(recipe.data, examples.inputs[rows], device)
    if not recipe.data.annotated:
        return inputs, np.asarray(examples.labels[rows])
    inputs, annotations = divide(recipe.data, inputs)
    inside = annotations[0] != OUTSIDE
    axes = [axis for axis in range(1, inputs.ndim) if axis != annotation_axis(recipe.data) + 1]
    for place, axis in enumerate(axes):
        others = tuple(other for other in range(inside.ndim) if other != place)
        length = int((inside.any(dim=others) if others else inside).sum())
        inputs, annotations = inputs.narrow(axis, 0, length), annotations.narrow(place + 1, 0, length)
    return inputs, annotations.cpu().numpy()


def _read(recipe: Recipe, examples: Examples, row: int) -> NDArray[Any]:
    inputs, _ = prepare_samples(recipe, examples, np.array([row]), torch.device("cpu"))
    sample: NDArray[Any] = inputs[0].float().numpy()
    return sample


def _even_rows(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of the numbers below `count`, evenly."""
    places: NDArray[np.int64] = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
    return places
