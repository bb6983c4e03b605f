"""The merge certificate: how a merge changed outputs on real data. `merge --verify` writes it, `verify` checks it.

`certificate.json` is written beside the merged weights, with `certificate.safetensors`: the logits of the same samples
before and after, in float32 and under bfloat16 autocast. Its digest of itself shows accidents and careless edits. It is
no signature: whoever forges a certificate can compute it too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

from safetensors.torch import save_file

from crosspath.checkpoints.environment import environment
from crosspath.checkpoints.equality import PRECISIONS, compare_outputs, compare_precisions, outputs
from crosspath.checkpoints.files import checkpoint_files
from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.checkpoints.save import PATHWAY_FILES, RECIPE, WEIGHTS
from crosspath.checkpoints.sharing.card import strip_recipe_paths
from crosspath.checkpoints.sharing.samples import Logits, Samples, held_out_samples
from crosspath.checkpoints.sources import path_of_auxiliary, relative_path
from crosspath.deprecated import older_keywords
from crosspath.errors import InputError
from crosspath.files import SAFETENSORS, check_manifest, read_json, read_tensors, sha256_of_file, sha256_of_tensors
from crosspath.pathway.sources.parameters import plain_state
from crosspath.pickles import refuse_pickle

CERTIFICATE, LOGITS = "certificate.json", "certificate.safetensors"
FORMAT_VERSION = 1
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}
"""How far logits may lie apart on another machine, as a share of the largest (at least 1): another order of sums."""
FILE: dict[str, type | UnionType] = {"path": str | None, "sha256": str}
CONTENT = {
    "outputs": {name: {"bitwise": bool} for name in PRECISIONS},
    "batch": {"ids": [str], "fingerprint": str},
    "logits": FILE,
    "target": [{"file": str, **FILE}],
    "auxiliaries": dict,
    "result": FILE,
    "tensors": {"sha256_after": str},
    "environment": dict,
}
"""What `verify` reads of a certificate."""


def write_certificate(
    folder: Path,
    home: Path,
    samples: Samples,
    checkpoint: Checkpoint,
    receipt: Mapping[str, Any],
    logits: Mapping[str, Logits],
) -> None:
    """Write both files into `folder`, which holds the merged weights already.

    Paths in the certificate are relative to `home`, where the folder's files will lie. `logits` hold `before` and
    `after`.
    """
    flat = {
        f"{when}.{name}": value.contiguous()
        for when, by_precision in logits.items()
        for name, value in by_precision.items()
    }
    save_file(flat, folder / LOGITS, {"format": "pt"})
    source = checkpoint_files(checkpoint.path).folder
    assert source is not None
    merge = receipt["merge"]
    values = {
        "format_version": FORMAT_VERSION,
        "certificate": "merge",
        **receipt["certificate"],
        "tolerance": TOLERANCE,
        "batch": {"fingerprint": samples.fingerprint, "ids": samples.ids, "data_fingerprint": samples.data_fingerprint},
        "logits": {
            "path": LOGITS,
            "sha256": sha256_of_file(folder / LOGITS),
            "tensors": {name: sha256_of_tensors([(name, value)]) for name, value in flat.items()},
        },
        "target": [
            {"file": name, "path": relative_path(source / name, home), "sha256": sha256_of_file(source / name)}
            for name in (WEIGHTS, *PATHWAY_FILES, RECIPE)
            if (source / name).is_file()
        ],
        "auxiliaries": {
            name: {**record, "path": path_of_auxiliary(checkpoint.auxiliaries[name], home)}
            for name, record in receipt["auxiliaries"].items()
        },
        "result": {"path": WEIGHTS, "sha256": sha256_of_file(folder / WEIGHTS)},
        "tensors": {"sha256_before": merge["sha256_before"], "sha256_after": merge["sha256_after"]},
        "weight_drift": max(merge["drift"].values()),
        "scales": merge["scales"],
        "recipe": strip_recipe_paths(checkpoint.recipe).model_dump(mode="json"),
        "environment": environment(),
    }
    text = json.dumps(with_digest(values), indent=2, allow_nan=False)
    (folder / CERTIFICATE).write_text(text + "\n", encoding="utf-8")


def with_digest(values: Mapping[str, Any]) -> dict[str, Any]:
    """The certificate with the digest of all its other values, whatever their order."""
    others = {name: value for name, value in values.items() if name != "sha256"}
    text = json.dumps(others, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {**others, "sha256": hashlib.sha256(text.encode()).hexdigest()}


@dataclass
class _Report:
    """The outcome of a check, in words."""

    checks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be checked, and differences that do not concern the weights."""
    faults: list[str] = field(default_factory=list)

    def add(self, ok: bool, check: str, fault: str) -> None:
        (self.checks if ok else self.faults).append(check if ok else fault)


@older_keywords(data_root="data")
def verify(certificate: str | Path, data: str | Path | None = None) -> dict[str, Any]:
    """Check a certificate of `merge_checkpoint(..., verify=True)`: the file, or the folder that holds it.

    Always: the certificate itself, the merged weights and the stored logits. Where they have not moved: the files of
    the target and of the auxiliaries. Where the data can be read (generated, below `data`, or below the usual
    root): the merged outputs now against the stored ones, and against those of the connected model.

    Returns `{"certificate", "checked", "notes", "outputs"}`; `outputs` is None without data.

    Raises
    ------
    InputError
        When anything differs from what is certified (all of it in one line), when the certificate cannot be read, and
        for a `data` folder without the data.
    """
    path = Path(certificate)
    path = path / CERTIFICATE if path.is_dir() else path
    values = _read(path)
    report, folder = _Report(checks=["the certificate"]), path.parent
    _check_file(report, "the merged weights", values["result"], folder, required=True)
    _check_file(report, "the stored logits", values["logits"], folder, required=True)
    for entry in values["target"]:
        _check_file(report, f"the target's {entry['file']}", entry, folder)
    for name, entry in values["auxiliaries"].items():
        _check_file(report, f"the auxiliary {name}", entry, folder)
    differences = None
    if not report.faults:
        merged = load_checkpoint(folder)
        digest = sha256_of_tensors(sorted(plain_state(merged.model).items()))
        same = digest == values["tensors"]["sha256_after"]
        report.add(same, "the merged tensors", "the merged tensors differ")
        samples = _certified_samples(report, merged, values["batch"], None if data is None else Path(data))
        if samples is not None and same:
            differences = _check_outputs(report, merged, samples, values, folder)
    if report.faults:
        todo = "take the files as they were written, or merge again"
        raise InputError(path, "what it certifies", "; ".join(report.faults), todo)
    return {"certificate": str(path), "checked": report.checks, "notes": report.notes, "outputs": differences}


def _read(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if values.get("certificate") != "merge" or "sha256" not in values:
        raise InputError(path, "a merge certificate", "another JSON object", "name the certificate.json of a merge")
    if values != with_digest(values):
        raise InputError(path, "the certificate as it was written", "a changed one", "copy it again, or merge again")
    if values.get("format_version") != FORMAT_VERSION:
        found = f"format_version {values.get('format_version')}"
        raise InputError(path, f"format_version {FORMAT_VERSION}", found, "update crosspath")
    if not _has(values, CONTENT) or not all(_has(entry, FILE) for entry in values["auxiliaries"].values()):
        raise InputError(path, "a complete certificate", "one with parts missing", "copy it again, or merge again")
    return values


def _has(value: Any, content: Any) -> bool:
    """Whether nested dictionaries hold all names of `content`, with values of its types; [kind]: some of this kind."""
    if isinstance(content, list):
        return isinstance(value, list) and value != [] and all(_has(entry, content[0]) for entry in value)
    if not isinstance(content, dict):
        return isinstance(value, content)
    return isinstance(value, dict) and all(name in value and _has(value[name], kind) for name, kind in content.items())


def _check_file(report: _Report, name: str, entry: Mapping[str, Any], folder: Path, *, required: bool = False) -> None:
    if entry["path"] is None or Path(entry["path"]).is_absolute():
        report.notes.append(f"{name}: no relative path leads to it, not checked")
        return
    file = folder / entry["path"]
    if not file.is_file():
        # A file missing from its folder is a fault; where the folder is missing too, it has moved.
        if required or file.parent.is_dir():
            report.faults.append(f"{name} missing ({entry['path']})")
        else:
            report.notes.append(f"{name}: no longer at {entry['path']}, not checked")
        return
    same = sha256_of_file(file) == entry["sha256"]
    if not same and file.suffix == SAFETENSORS:
        refuse_pickle(file)
    report.add(same, name, f"{name} changed ({entry['path']}: other bytes)")


def _certified_samples(
    report: _Report, merged: Checkpoint, batch: Mapping[str, Any], root: Path | None
) -> Samples | None:
    """The certificate's samples; without a `root` they may be missing, which is a note."""
    try:
        samples = held_out_samples(merged, root, tuple(batch["ids"]))
    except InputError as error:
        if root is not None:
            raise
        report.notes.append(f"outputs not checked; pass --data DIR ({error})")
        return None
    if samples.fingerprint == batch["fingerprint"]:
        report.checks.append("the samples")
    else:
        report.notes.append("the samples' bytes differ from the certified ones (other files, or another decoder)")
    return samples


def _check_outputs(
    report: _Report, merged: Checkpoint, samples: Samples, values: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    logits, _ = read_tensors(folder / LOGITS)
    missing = [f"after.{name}" for name in PRECISIONS if f"after.{name}" not in logits]
    if missing:
        raise InputError(folder / LOGITS, f"logits {missing[0]}", "none", "copy it again, or merge again")
    reference = {name: logits[f"after.{name}"] for name in PRECISIONS}
    now = outputs(merged.model, samples.batch)
    connected_logits = _connected_outputs(report, values, folder, samples)
    if environment() != values["environment"]:
        report.notes.append("versions, processor or threads differ from the certified ones: compared within tolerance")
    for name in PRECISIONS:
        difference = compare_outputs(reference[name], now[name])
        tolerance = TOLERANCE[name] * max(1.0, float(reference[name].abs().max()))
        agreement = "bitwise as stored" if difference.bitwise else f"within tolerance: {difference}"
        report.add(
            difference.bitwise or difference.max_difference <= tolerance,
            f"merged outputs in {name} ({agreement})",
            f"merged outputs in {name} differ by {difference.max_difference:.3g} (tolerance {tolerance:.3g})",
        )
        if connected_logits is not None:
            # Connected and merged compute the same function: what was bitwise equal is so on every machine.
            equal = compare_outputs(connected_logits[name], now[name])
            report.add(
                equal.bitwise or not values["outputs"][name]["bitwise"],
                f"connected outputs in {name}",
                f"connected and merged outputs in {name} are no longer equal ({equal})",
            )
    return compare_precisions(reference, now)


def _connected_outputs(report: _Report, values: Mapping[str, Any], folder: Path, samples: Samples) -> Logits | None:
    """Of the connected model that was merged, where all of it is still there."""
    path = values["target"][0]["path"]
    if path is None or Path(path).is_absolute() or not (folder / path).is_file():
        return None
    source = (folder / path).parent
    try:
        check_manifest(source)
    except InputError as error:  # earlier certificates do not list the recipe
        report.faults.append(str(error))
        return None
    try:
        checkpoint = load_checkpoint(source)
    except InputError as error:
        report.notes.append(f"the connected model could not be run again ({error})")
        return None
    return outputs(checkpoint.model, samples.batch)
