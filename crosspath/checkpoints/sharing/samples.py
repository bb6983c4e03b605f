"""The held-out samples on which `merge --verify` compares outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crosspath.checkpoints.equality import compare_precisions
from crosspath.checkpoints.load import Checkpoint
from crosspath.checkpoints.outside import data_section
from crosspath.errors import InputError
from crosspath.files import sha256_of_tensors
from crosspath.modalities.annotations import as_model_reads
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.load import load_data

PART = "test"
MOST_SAMPLES = 32
MOST_ANNOTATED = 2
"""Of samples with annotations, whose outputs have a row for each pixel or point, and are stored."""
Logits = Mapping[str, Tensor]
"""{precision: (B, K)}."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The held-out samples on which outputs are compared."""

    batch: Tensor
    """Prepared, on the CPU."""
    dataset: str
    ids: tuple[str, ...]
    data_fingerprint: str
    """Of the complete data set, as in a run's `result.json`."""

    @property
    def fingerprint(self) -> str:
        """sha256 of the prepared batch."""
        return sha256_of_tensors([("batch", self.batch)])

    def comparison(self, before: Logits, after: Logits) -> dict[str, Any]:
        """Of outputs before and after the merge, as receipt, model card and certificate state it."""
        outputs = compare_precisions(before, after)
        return {"dataset": self.dataset, "part": PART, "samples": len(self.ids), "outputs": outputs}


def held_out_samples(checkpoint: Checkpoint, root: Path | None, ids: tuple[str, ...] | None = None) -> Samples:
    """Samples of the test part of a checkpoint's data: those of `ids`, else up to 32 spread evenly over the part, of
    annotated ones 2.

    Raises
    ------
    InputError
        For data that cannot be read, and for samples that are not in them.
    """
    section = data_section(checkpoint.recipe, root, checkpoint.path, own=checkpoint.own)
    data = load_data(section, root, checkpoint.recipe.train.seed)
    examples = data.test
    if ids is None:
        count = min(MOST_ANNOTATED if section.annotated else MOST_SAMPLES, len(examples))
        rows = np.unique(np.linspace(0, len(examples) - 1, count).astype(np.int64))
    else:
        row_of = {name: row for row, name in enumerate(examples.ids)}
        missing = [name for name in ids if name not in row_of]
        if missing:
            expected = f"sample {missing[0]} in the {PART} part"
            raise InputError(root or section.dataset, expected, "none of that name", "name the certificate's data")
        rows = np.array([row_of[name] for name in ids])
    return Samples(
        batch=as_model_reads(section, prepare_held_out(section, examples.inputs[rows], torch.device("cpu"))),
        dataset=section.dataset,
        ids=tuple(examples.ids[row] for row in rows),
        data_fingerprint=data.fingerprint,
    )
