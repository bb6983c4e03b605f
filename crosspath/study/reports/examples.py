"""Test samples whose prediction a pathway changed, as pictures."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crosspath.checkpoints.load import load_checkpoint
from crosspath.data.examples import Examples
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import predict_logits
from crosspath.files import write_json
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.load import load_data
from crosspath.objectives import objective_of
from crosspath.objectives.reconstructions import draw_sample

EXAMPLES = "examples"
"""The folder of the JSON files, in the folder of a study."""
SAMPLES = 512
"""Test samples that are predicted again, the first of a fixed shuffle."""
PER_KIND = 3
"""Samples in the report that the pathway gained, and as many that it lost."""


@dataclass(frozen=True)
class Sample:
    """A sample that only one of two runs classifies correctly."""

    kind: str
    """`gained` or `lost`."""
    truth: str
    none: str
    pathway: str
    png: str
    """A picture, in base64."""


@dataclass(frozen=True)
class Changes:
    """The content of an examples file."""

    target: str
    auxiliary: str
    seed: int
    samples: int
    gained: int
    lost: int
    shown: tuple[Sample, ...]
    runs: tuple[str, ...] = ()
    """The two that are compared, below the study's `runs`; empty in files of earlier versions."""


def write_examples(none: Path, pathway: Path, path: Path, data_root: Path | None, header: dict[str, Any]) -> None:
    """Compare the predictions of two runs of one seed, and draw the samples that only one classifies correctly.

    The JSON file `path` holds `header`, the counts, and for each sample its class, both predictions and a PNG (base64).
    Nothing is written where a sample has not one class: of several labels, numbers, masks, parts and boxes.
    """
    before, after = load_checkpoint(none, own=True), load_checkpoint(pathway, own=True)
    recipe = before.recipe
    if objective_of(recipe).probabilities is None:
        return
    data = load_data(recipe.data, data_root, recipe.train.seed)
    labels = np.asarray(data.test.labels)
    if labels.ndim > 1:
        return
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:SAMPLES])
    part = Examples(data.test.inputs[rows], data.test.labels[rows], tuple(data.test.ids[row] for row in rows))
    compute = choose_compute(recipe)
    guesses = [
        predict_logits(checkpoint.model, recipe, part, compute).argmax(1).numpy() for checkpoint in (before, after)
    ]
    correct = [guess == labels[rows] for guess in guesses]
    changes = {"gained": ~correct[0] & correct[1], "lost": correct[0] & ~correct[1]}
    samples = []
    for kind, mask in changes.items():
        for index in _of_many_classes(np.flatnonzero(mask), labels[rows])[:PER_KIND]:
            sample = prepare_held_out(recipe.data, part.inputs[index : index + 1], torch.device("cpu"))[0]
            buffer = io.BytesIO()
            draw_sample(recipe, sample.float().numpy(), buffer)
            names = [
                before.classes[int(label)] for label in (labels[rows][index], *(guess[index] for guess in guesses))
            ]
            samples.append(
                {
                    "kind": kind,
                    "truth": names[0],
                    "none": names[1],
                    "pathway": names[2],
                    "png": base64.b64encode(buffer.getvalue()).decode(),
                }
            )
    counts = {kind: int(mask.sum()) for kind, mask in changes.items()}
    write_json(path, {**header, "samples": len(rows), **counts, "shown": samples})


def _of_many_classes(indices: NDArray[np.int64], labels: NDArray[Any]) -> NDArray[np.int64]:
    """The same indices, those first that are the first of their class."""
    first = np.sort(np.unique(labels[indices], return_index=True)[1])
    return np.concatenate([indices[first], np.delete(indices, first)])
