"""Pictures of what a trained model does on held-out samples: what an objective has to draw, and who asks it."""

from collections.abc import Callable, Mapping, Sequence
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
from crosspath.data.examples import Examples
from crosspath.modalities.annotations import divide
from crosspath.modalities.batches import prepare_held_out

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 6
"""Held-out samples with a picture of their own."""
JUDGED = 512
"""Held-out samples at most in a picture of the whole part: evenly spread, so that every run of a set shows the same."""


AT_ONCE = 16
"""Samples that the model reads together."""


class Answer(NamedTuple):
    """One sample, and what the model says of it."""

    read: Callable[[], NDArray[Any]]
    """Gives the sample as the model reads it, without an annotation: many answers need not hold many films."""
    answer: NDArray[Any]
    truth: NDArray[Any] | None
    """Its label or annotation; None for a file of which nothing is known."""
    name: str


Names = Sequence[str]
"""Of the classes, parts or columns."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How an objective shows what a model does."""

    answers: Callable[[nn.Module, Recipe, Tensor, Tensor | None], Tensor]
    """(model, recipe, prepared samples without annotation (B, ...), their labels, None for files) to what is drawn of
    each (B, ...)."""
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
        count = min(JUDGED if self.part is not None else SHOWN, len(examples))
        rows = np.unique(np.linspace(0, len(examples) - 1, count).round().astype(int))
        training = model.training
        model.eval()
        try:
            answers = [
                answer
                for start in range(0, len(rows), AT_ONCE)
                for answer in self._answers(model, recipe, examples, rows[start : start + AT_ONCE], device, autocast)
            ]
        finally:
            model.train(training)
        pictures = {} if self.part is None else dict(self.part(recipe, answers, names))
        if self.sample is not None:
            shown = np.unique(np.linspace(0, len(answers) - 1, min(SHOWN, len(answers))).round().astype(int))
            pictures |= {f"{number:02d}": self.sample(recipe, answers[at], names) for number, at in enumerate(shown)}
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
    ) -> list[Answer]:
        labels = np.asarray(examples.labels[rows])
        inputs, truths = prepared(recipe, examples, rows, device)
        with autocast():
            answers = self.answers(model, recipe, inputs, torch.as_tensor(labels, device=device)).float().cpu().numpy()
        return [
            Answer(partial(_read, recipe, examples, row), answer, truth, examples.ids[row])
            for answer, truth, row in zip(answers, truths, rows, strict=True)
        ]


def prepared(
    recipe: Recipe, examples: Examples, rows: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, NDArray[Any]]:
    """What the model reads of some held-out samples (B, ...), and their annotations, or labels without them."""
    inputs = prepare_held_out(recipe.data, examples.inputs[rows], device)
    if not recipe.data.annotated:
        return inputs, np.asarray(examples.labels[rows])
    inputs, annotations = divide(recipe.data, inputs)
    return inputs, annotations.cpu().numpy()


def _read(recipe: Recipe, examples: Examples, row: int) -> NDArray[Any]:
    inputs, _ = prepared(recipe, examples, np.array([row]), torch.device("cpu"))
    sample: NDArray[Any] = inputs[0].float().numpy()
    return sample
