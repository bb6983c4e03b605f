"""Check a merge certificate again: the files it names, the weights, and the outputs where the data are at hand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from crosspath.checkpoints.environment import environment
from crosspath.checkpoints.equality import PRECISIONS, Equivalence, compare_outputs, outputs, same_class
from crosspath.checkpoints.load import Checkpoint, load_checkpoint
from crosspath.checkpoints.sharing.certificate import (
    CERTIFICATE,
    FORMAT_VERSION,
    LOGITS,
    TOLERANCE,
    Witness,
    signed,
    witness,
)
from crosspath.errors import InputError
from crosspath.files import SAFETENSORS, finite, read_json, read_tensors, sha256_of_file, sha256_of_tensors
from crosspath.pathway.parameters import plain_state
from crosspath.pickles import refuse_pickle


@dataclass
class _Findings:
    """What was looked at, in words."""

    checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be looked at, and differences that are none of the weights'."""
    faults: list[str] = field(default_factory=list)


def verify(certificate: str | Path, data_root: str | Path | None = None) -> dict[str, Any]:
    """Check a certificate of `merge_checkpoint(..., verify=True)`: the file, or the folder that holds it.

    Always: the certificate itself, the merged weights and the stored logits. Where they still lie where they lay: the
    files of the target and of the auxiliaries. Where the data are at hand (generated, below `data_root`, or below the
    usual root): the merged outputs now against the stored ones, and against those of the connected model.

    Returns `{"certificate", "checked", "notes", "outputs"}`; `outputs` is None without data.

    Raises
    ------
    InputError
        When anything differs from what is certified (all of it in one line), when the certificate cannot be read, and
        for a named `data_root` without the data.
    """
    path = Path(certificate)
    path = path / CERTIFICATE if path.is_dir() else path
    values = _read(path)
    found = _Findings(checked=["the certificate"])
    folder = path.parent
    for what, entry, needed in _files(values):
        _check_file(found, what, entry, folder, needed=needed)
    seen: dict[str, Any] | None = None
    if not found.faults:
        merged = load_checkpoint(folder)
        _check_tensors(found, merged, values["tensors"]["sha256_after"])
        batch = _witness(found, merged, values, None if data_root is None else Path(data_root))
        if batch is not None and not found.faults:
            seen = _check_outputs(found, merged, batch, values, folder)
    if found.faults:
        todo = "take the files as they were written, or merge again"
        raise InputError(path, "what it certifies", "; ".join(found.faults), todo)
    return {"certificate": str(path), "checked": found.checked, "notes": found.notes, "outputs": seen}


def _read(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if values.get("certificate") != "merge" or "sha256" not in values:
        raise InputError(path, "a merge certificate", "another JSON object", "name the certificate.json of a merge")
    if values != signed(values):
        raise InputError(path, "the certificate as it was written", "a changed one", "copy it again, or merge again")
    if values.get("format_version") != FORMAT_VERSION:
        found = f"format_version {values.get('format_version')}"
        raise InputError(path, f"format_version {FORMAT_VERSION}", found, "update crosspath")
    if not _is_whole(values):
        raise InputError(path, "a whole certificate", "one with parts missing", "copy it again, or merge again")
    return values


def _is_whole(values: Mapping[str, Any]) -> bool:
    """Whether all that is read of a certificate stands in it."""
    named = ("outputs", "batch", "logits", "auxiliaries", "result", "tensors", "environment")
    if not all(isinstance(values.get(name), dict) for name in named) or not isinstance(values.get("target"), list):
        return False
    entries = [values["logits"], values["result"], *values["target"], *values["auxiliaries"].values()]
    files = all(isinstance(entry, dict) and {"path", "sha256"} <= entry.keys() for entry in entries)
    outputs = all(isinstance(values["outputs"].get(name), dict) for name in PRECISIONS)
    return (
        files
        and outputs
        and bool(values["target"])
        and all("file" in entry for entry in values["target"])
        and all(isinstance(entry["path"], str | None) for entry in entries)
        and all("bitwise" in values["outputs"][name] for name in PRECISIONS)
        and isinstance(values["batch"].get("ids"), list)
        and "fingerprint" in values["batch"]
        and "sha256_after" in values["tensors"]
    )


def _files(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    """(what it is, its entry, whether it must be there) of every file that a certificate names."""
    yield "the merged weights", values["result"], True
    yield "the stored logits", values["logits"], True
    for entry in values["target"]:
        yield f"the target's {entry['file']}", entry, False
    for name, entry in values["auxiliaries"].items():
        yield f"the auxiliary {name}", entry, False


def _check_file(found: _Findings, what: str, entry: Mapping[str, Any], folder: Path, *, needed: bool) -> None:
    if entry["path"] is None:
        found.notes.append(f"{what}: it lay out of reach of a relative path, and was not looked for")
        return
    file = folder / entry["path"]
    if not file.is_file():
        # A file that went out of its folder is missing; a whole folder that went has moved.
        if needed or file.parent.is_dir():
            found.faults.append(f"{what} missing ({entry['path']})")
        else:
            found.notes.append(f"{what}: no longer at {entry['path']}, not looked at")
    elif sha256_of_file(file) != entry["sha256"]:
        if file.suffix == SAFETENSORS:
            refuse_pickle(file)
        found.faults.append(f"{what} changed ({entry['path']}: other bytes)")
    else:
        found.checked.append(what)


def _check_tensors(found: _Findings, merged: Checkpoint, sha256: str) -> None:
    if sha256_of_tensors(sorted(plain_state(merged.model).items())) != sha256:
        found.faults.append("the merged tensors are others")
    else:
        found.checked.append("the merged tensors")


def _witness(found: _Findings, merged: Checkpoint, values: Mapping[str, Any], root: Path | None) -> Witness | None:
    """The certificate's samples; without a named root they may be missing, and that is only said."""
    described = values["batch"]
    try:
        seen = witness(merged, root, tuple(described["ids"]))
    except InputError as error:
        if root is not None:
            raise
        found.notes.append(f"outputs not computed, name the data with --data ({error})")
        return None
    if seen.fingerprint != described["fingerprint"]:
        found.notes.append("the samples' bytes differ from the certified ones (other files, or another decoder)")
    else:
        found.checked.append("the samples")
    return seen


def _check_outputs(
    found: _Findings, merged: Checkpoint, seen: Witness, values: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    stored, _ = read_tensors(folder / LOGITS)
    lacking = [f"after.{name}" for name in PRECISIONS if f"after.{name}" not in stored]
    if lacking:
        raise InputError(folder / LOGITS, f"logits {lacking[0]}", "none", "copy it again, or merge again")
    now = outputs(merged.model, seen.batch)
    connected = _connected_outputs(found, values, folder, seen)
    if environment() != values["environment"]:
        found.notes.append("versions, processor or threads differ from the certified ones: compared within tolerance")
    shown = {}
    for name in PRECISIONS:
        again = compare_outputs(stored[f"after.{name}"], now[name])
        allowed = TOLERANCE[name] * max(1.0, float(stored[f"after.{name}"].abs().max()))
        if again.bitwise or again.max_difference <= allowed:
            found.checked.append(f"merged outputs in {name} ({_said(again)})")
        else:
            found.faults.append(
                f"merged outputs in {name} differ by {again.max_difference:.3g} (allowed {allowed:.3g})"
            )
        shown[name] = {
            "bitwise": again.bitwise,
            "max_difference": again.max_difference,
            "same_class": same_class(stored[f"after.{name}"], now[name]),
        }
        if connected is not None:
            found.checked.append(f"connected outputs in {name}")
            _check_equal(found, name, compare_outputs(connected[name], now[name]), values)
    result: dict[str, Any] = finite(shown)
    return result


def _connected_outputs(
    found: _Findings, values: Mapping[str, Any], folder: Path, seen: Witness
) -> dict[str, Tensor] | None:
    """Of the connected model the certificate was made from, where all of it is still there."""
    place = values["target"][0]["path"]
    if place is None or not (folder / place).is_file():
        return None
    try:
        connected = load_checkpoint((folder / place).parent)
    except InputError as error:
        found.notes.append(f"the connected model could not be run again ({error})")
        return None
    return outputs(connected.model, seen.batch)


def _check_equal(found: _Findings, name: str, now: Equivalence, values: Mapping[str, Any]) -> None:
    """What was bitwise equal before and after the merge is so on every machine: the sums are the same function."""
    if values["outputs"][name]["bitwise"] and not now.bitwise:
        found.faults.append(f"connected and merged outputs in {name} are no longer equal ({_said(now)})")


def _said(found: Equivalence) -> str:
    return "bitwise as stored" if found.bitwise else f"within tolerance: {found}"
