"""Pictures of a classifier: which classes it takes for each other, and the samples that it is most wrong about."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from crosspath.config import Recipe
from crosspath.modalities import modality_of
from crosspath.objectives.drawing import Answer, Drawing, Names, model_outputs
from crosspath.pictures.canvas import compose, fit_picture, short
from crosspath.pictures.confusion import confusion_counts, confusion_matrix

if TYPE_CHECKING:
    from PIL.Image import Image

WORST = 8
"""Samples in the picture of mistakes."""
EACH = 280
"""Classes at most that all have a row of the confusions; of more, those that occur."""
ACROSS = 4
"""Samples in one of its rows."""


def draw_mistakes(recipe: Recipe, answers: Sequence[Answer], names: Names) -> Mapping[str, "Image"]:
    """`confusion`, and `mistakes` where there are any and the modality has pictures.

    A mistake is the worse, the more probable the wrong class is.
    """
    truths = np.array([int(answer.truth) for answer in answers if answer.truth is not None])
    probabilities_NK = torch.as_tensor(np.stack([answer.answer for answer in answers])).softmax(dim=-1).numpy()
    guesses = probabilities_NK.argmax(axis=1)
    labels = np.arange(len(names)) if len(names) <= EACH else np.union1d(truths, guesses)
    counts_KK = confusion_counts(np.searchsorted(labels, truths), np.searchsorted(labels, guesses), len(labels))
    pictures = {"confusion": confusion_matrix(counts_KK, [names[label] for label in labels.tolist()])}
    picture = modality_of(recipe).picture
    wrong = np.flatnonzero(guesses != truths)
    if picture is None or picture.pixels is None or not len(wrong):
        return pictures
    order = np.argsort(-probabilities_NK[wrong, guesses[wrong]], kind="stable")
    panels = []
    for index in wrong[order][:WORST]:
        guess, truth = int(guesses[index]), int(truths[index])
        probability = 100 * float(probabilities_NK[index, guess])
        title = f"{short(names[truth], 16)}\nas {short(names[guess], 16)}, {probability:.0f} %"
        panels.append((title, fit_picture(picture.pixels(answers[index].read(), recipe.data), 112, 224)))
    rows = [panels[start : start + ACROSS] for start in range(0, len(panels), ACROSS)]
    caption = f"{len(wrong):,} of {len(truths):,} wrong; the most confident: true class, then the predicted one"
    return pictures | {"mistakes": compose(rows, caption=caption)}


MISTAKES = Drawing(answers=model_outputs, part=draw_mistakes)
