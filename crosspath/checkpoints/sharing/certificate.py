"""The merge certificate: what a merge changed in the outputs on real data, and all that is needed to check it later.

`certificate.json` stands beside the merged weights, with `certificate.safetensors`: the logits of the same samples
before and after, in float32 and under bfloat16 autocast. A digest of itself shows accidents and careless edits; it is
no signature, since whoever forges a certificate can compute it too.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from crosspath.checkpoints.environment import environment
from crosspath.checkpoints.equality import PRECISIONS, compare_outputs, same_class
from crosspath.checkpoints.load import Checkpoint, checkpoint_files
from crosspath.checkpoints.save import PATHWAY_FILES, WEIGHTS
from crosspath.checkpoints.sharing.card import without_places
from crosspath.data.load import load_data, located
from crosspath.data.views.normalise import prepare_held_out
from crosspath.errors import InputError
from crosspath.files import finite, sha256_of_file, sha256_of_tensors

CERTIFICATE, LOGITS = "certificate.json", "certificate.safetensors"
FORMAT_VERSION = 1
PART = "test"
WITNESSES = 32
"""Samples that are compared."""
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}
"""How far logits may lie apart on another machine, as a share of the largest (at least 1): another order of sums."""


@dataclass(frozen=True, kw_only=True)
class Witness:
    """The samples that a certificate speaks of."""

    batch: Tensor
    """Prepared, on the CPU."""
    dataset: str
    ids: tuple[str, ...]
    data_fingerprint: str
    """Of the whole data set, as in a run's `result.json`."""

    @property
    def fingerprint(self) -> str:
        """sha256 of the prepared batch."""
        return sha256_of_tensors([("batch", self.batch)])


def witness(loaded: Checkpoint, root: Path | None, ids: tuple[str, ...] | None = None) -> Witness:
    """Samples of the test part of a checkpoint's data: those named, else some spread over the whole part.

    Raises
    ------
    InputError
        For data that cannot be read, and for samples that are not in them.
    """
    section = located(loaded.recipe.data, root)
    data = load_data(section, root, loaded.recipe.train.seed)
    examples = data.test
    if ids is None:
        rows = np.unique(np.linspace(0, len(examples) - 1, min(WITNESSES, len(examples))).astype(np.int64))
    else:
        places = {name: row for row, name in enumerate(examples.ids)}
        lacking = [name for name in ids if name not in places]
        if lacking:
            expected = f"sample {lacking[0]} in the {PART} part"
            raise InputError(root or section.dataset, expected, "none of that name", "name the certificate's data")
        rows = np.array([places[name] for name in ids])
    return Witness(
        batch=prepare_held_out(section, examples.inputs[rows], torch.device("cpu")),
        dataset=section.dataset,
        ids=tuple(examples.ids[row] for row in rows),
        data_fingerprint=data.fingerprint,
    )


def certified(seen: Witness, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the samples showed, for the receipt: per precision whether every bit is equal, and by how much not."""
    described = {}
    for name in PRECISIONS:
        found = compare_outputs(before[name], after[name])
        described[name] = {
            "bitwise": found.bitwise,
            "max_difference": found.max_difference,
            "same_class": same_class(before[name], after[name]),
        }
    shown: dict[str, Any] = finite(
        {"dataset": seen.dataset, "part": PART, "samples": len(seen.ids), "outputs": described}
    )
    return shown


def write_certificate(
    folder: Path,
    home: Path,
    seen: Witness,
    loaded: Checkpoint,
    receipt: Mapping[str, Any],
    logits: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """Write both files into `folder`, where the merged weights lie already; paths in them are relative to `home`,
    where the folder's files go. `logits`: {"before" and "after": {precision: logits}}."""
    flat = {f"{when}.{name}": value.contiguous() for when, found in logits.items() for name, value in found.items()}
    save_file(flat, folder / LOGITS, {"format": "pt"})
    source = checkpoint_files(loaded.path)
    assert source.folder is not None
    parts = [source.folder / name for name in (WEIGHTS, *PATHWAY_FILES)]
    merged = receipt["merge"]
    digests = {name: sha256_of_tensors([(name, value)]) for name, value in flat.items()}
    values = {
        "format_version": FORMAT_VERSION,
        "certificate": "merge",
        **receipt["certificate"],
        "tolerance": TOLERANCE,
        "batch": {"fingerprint": seen.fingerprint, "ids": seen.ids, "data_fingerprint": seen.data_fingerprint},
        "logits": {"path": LOGITS, "sha256": sha256_of_file(folder / LOGITS), "tensors": digests},
        "target": [_file(part, home) for part in parts],
        "auxiliaries": {
            name: {**recorded, **_auxiliary_file(loaded.auxiliaries[name], home)}
            for name, recorded in receipt["auxiliaries"].items()
        },
        "result": {"path": WEIGHTS, "sha256": sha256_of_file(folder / WEIGHTS)},
        "tensors": {"sha256_before": merged["sha256_before"], "sha256_after": merged["sha256_after"]},
        "weight_drift": max(merged["drift"].values()),
        "scales": merged["scales"],
        "recipe": without_places(loaded.recipe).model_dump(mode="json"),
        "environment": environment(),
    }
    text = json.dumps(signed(values), indent=2, allow_nan=False)
    (folder / CERTIFICATE).write_text(text + "\n", encoding="utf-8")


def signed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The certificate with the digest of all its other values, in whatever order they stand."""
    others = {name: value for name, value in values.items() if name != "sha256"}
    text = json.dumps(others, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {**others, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _file(path: Path, home: Path) -> dict[str, Any]:
    return {"file": path.name, "path": near(path, home), "sha256": sha256_of_file(path)}


def _auxiliary_file(recorded: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """The path of an auxiliary that still lies where the run read it, with the bytes that it had."""
    origin = Path(str(recorded.get("origin", "")))
    file = origin / WEIGHTS if origin.is_dir() else origin
    here = origin.is_absolute() and file.is_file() and sha256_of_file(file) == recorded.get("sha256")
    return {"path": near(file, home) if here else None}


def near(path: Path, home: Path) -> str | None:
    """`path` as seen from the folder `home`; None where they share nothing but the root: that is an absolute path in
    disguise, and of no use on another machine."""
    path, home = path.resolve(), home.resolve()
    try:
        shared = Path(os.path.commonpath([path, home]))
    except ValueError:  # two drives
        return None
    return None if shared == Path(shared.anchor) else Path(os.path.relpath(path, home)).as_posix()
