"""A folder of features: what they are, one array a file, and a line for each that is finished."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from crosspath.errors import InputError
from crosspath.files import as_kind, read_json, replacing, write_json, write_tensors

FileFormat = Literal["safetensors", "npy"]
FORMATS: tuple[str, ...] = get_args(FileFormat)
SETTINGS, FILES = "features.json", "files.jsonl"
"""What the features are; and a line for each finished file, in the order in which they were."""
KEY = "features"
"""The tensor's name in a safetensors file."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A line of `files.jsonl`."""

    file: str
    """Below the folder of samples."""
    stamp: str
    """Of the sample's file: it is read again once that has changed."""
    shape: tuple[int, ...]
    """Of its features."""


@dataclass(frozen=True)
class FeatureFolder:
    """A folder that holds features of one kind."""

    path: Path
    file_format: str

    def open(self, settings: Mapping[str, Any]) -> None:
        """Begin here, or go on with features of the same kind.

        Raises
        ------
        InputError
            For a folder that holds other features, or other files.
        """
        place = self.path / SETTINGS
        if not place.exists():
            others = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
            if others:
                raise InputError(self.path, "a new or empty folder", f"one with {others[0]}", "choose another --out")
            write_json(place, settings)
            return
        before = read_json(place)
        changes = sorted(name for name in {*before, *settings} if before.get(name) != settings.get(name))
        if changes:
            found = f"another {', '.join(changes)}"
            raise InputError(self.path, "features of the same kind", found, "choose another --out")

    def entries(self) -> dict[str, FileEntry]:
        """{file: its entry}; of a file that was read again, the last one. A line that was cut off does not count.

        Raises
        ------
        InputError
            For a damaged line before the last one.
        """
        path = self.path / FILES
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else [""]
        entries = {}
        for number, line in enumerate(lines[:-1], 1):
            try:
                value = json.loads(line)
            except ValueError:
                found = "text that is not"
                raise InputError(
                    f"{path} row {number}", "JSON", found, "remove the row, to read its file again"
                ) from None
            entry = as_kind(value, FileEntry, f"{path} row {number}")
            if self.place(entry.file).is_file():
                entries[entry.file] = entry
        if lines[-1]:  # a line that was cut off
            path.write_text("\n".join([*lines[:-1], ""]), encoding="utf-8")
        return entries

    def write(self, entries: Iterable[tuple[FileEntry, NDArray[np.float32]]]) -> None:
        """Write arrays, then their lines."""
        lines = []
        for entry, features in entries:
            place = self.place(entry.file)
            if self.file_format == "npy":
                with replacing(place) as path, path.open("wb") as file:
                    np.save(file, features)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                write_tensors(place, {KEY: torch.from_numpy(np.ascontiguousarray(features))}, {})
            lines.append(json.dumps({"file": entry.file, "stamp": entry.stamp, "shape": list(entry.shape)}) + "\n")
        with (self.path / FILES).open("a", encoding="utf-8") as journal:
            journal.writelines(lines)

    def place(self, file: str) -> Path:
        """Where the features of a file lie. The file's own suffix stays, since two may differ in it alone."""
        return self.path / f"{file}.{self.file_format}"
