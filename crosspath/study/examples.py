"""Test samples whose prediction a pathway changed, as pictures: what an accuracy is made of."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crosspath.checkpoints.load import load_checkpoint
from crosspath.data.examples import Examples
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import predict_logits
from crosspath.files import write_json
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.load import load_data
from crosspath.objectives.reconstructions import draw_sample

LOOKED_AT = 512
"""Test samples that are predicted again, the first of a fixed shuffle."""
SHOWN = 3
"""Samples shown of each kind."""


def write_examples(none: Path, connected: Path, path: Path, data_root: Path | None, said: dict[str, Any]) -> None:
    """Compare the predictions of two runs of one seed, and write pictures of samples that only one of them gets right.

    `path` receives JSON: `said`, the counts, and for each sample its truth, both predictions and a PNG as base64.
    """
    before, after = load_checkpoint(none), load_checkpoint(connected)
    recipe = before.recipe
    data = load_data(recipe.data, data_root, recipe.train.seed)
    labels = np.asarray(data.test.labels)
    if labels.ndim > 1:
        return
    rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:LOOKED_AT])
    part = Examples(data.test.inputs[rows], data.test.labels[rows], tuple(data.test.ids[row] for row in rows))
    compute = choose_compute(recipe)
    guesses = [predict_logits(loaded.model, recipe, part, compute).argmax(1).numpy() for loaded in (before, after)]
    right = [guess == labels[rows] for guess in guesses]
    shown = []
    for kind, chosen in (("gained", ~right[0] & right[1]), ("lost", right[0] & ~right[1])):
        for place in np.flatnonzero(chosen)[:SHOWN]:
            sample = prepare_held_out(recipe.data, part.inputs[place : place + 1], torch.device("cpu"))[0]
            buffer = io.BytesIO()
            draw_sample(recipe, sample.float().numpy(), buffer)
            names = [before.classes[int(index)] for index in (labels[rows][place], *(g[place] for g in guesses))]
            shown.append(
                {
                    "kind": kind,
                    "truth": names[0],
                    "none": names[1],
                    "pathway": names[2],
                    "png": base64.b64encode(buffer.getvalue()).decode(),
                }
            )
    counts = {
        "samples": len(rows),
        "gained": int((~right[0] & right[1]).sum()),
        "lost": int((right[0] & ~right[1]).sum()),
    }
    write_json(path, {**said, **counts, "shown": shown})
