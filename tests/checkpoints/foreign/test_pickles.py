"""Malicious pickles: named, never executed, refused by every way in. A canary file would tell."""

import collections
import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crosspath.checkpoints.foreign import convert_checkpoint, inspect_checkpoint
from crosspath.checkpoints.foreign.containers import contents
from crosspath.checkpoints.foreign.machine import Made, look, pieces
from crosspath.cli.main import main
from crosspath.errors import InputError


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
    "torch zip": _torch_zip,
    "torch legacy": _torch_legacy,
}


@pytest.fixture(params=CORPUS, ids=str)
def malicious(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    CORPUS[request.param](tmp_path / "canary", path)
    return path


@pytest.mark.parametrize("kind", [kind for kind in CORPUS if kind != "in zip"])
def test_the_corpus_bites(kind: str, tmp_path: Path) -> None:
    """Each of them does run when it is loaded carelessly: the refusals below are not about harmless files."""
    path = tmp_path / "weights.pth"
    CORPUS[kind](tmp_path / "canary", path)
    try:
        if kind.startswith("torch"):
            torch.load(path, weights_only=False)
        else:
            pickle.loads(path.read_bytes())
    except TypeError:
        pass  # what it made is not what the pickle wanted; it ran
    assert (tmp_path / "canary").exists()


def test_inspect_names_it_and_executes_nothing(malicious: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = inspect_checkpoint(malicious)
    assert told["pickle"]["dangerous"]
    assert set(told["pickle"]["dangerous"]) & {"io.open", "_io.open", "posix.system", "_pickle.loads", "pickle.loads"}
    assert main(["inspect", str(malicious)]) == 0
    assert "DANGEROUS pickle" in capsys.readouterr().out
    assert not (malicious.parent / "canary").exists()


WAYS_IN: dict[str, list[str]] = {
    "convert": ["convert", "FILE", "OUT"],
    "train from": ["train", "image/digits", "--out", "OUT", "--from", "FILE"],
    "train auxiliary": ["train", "image/digits", "--out", "OUT", "--auxiliary", "audio=FILE"],
    "evaluate": ["evaluate", "FILE"],
    "predict": ["predict", "FILE", "picture.png"],
    "merge": ["merge", "FILE", "OUT"],
    "status": ["status", "FILE"],
    "export": ["export", "FILE", "OUT"],
    "compare": ["compare", "image/digits", "--out", "OUT", "--auxiliary", "audio=FILE", "--seeds", "2"],
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".data"])
def test_every_way_in_refuses_it_in_one_line_that_says_pickle(
    malicious: Path, way: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = malicious.rename(malicious.with_suffix(suffix))
    arguments = [{"FILE": str(path), "OUT": str(tmp_path / "out")}.get(word, word) for word in WAYS_IN[way]]
    arguments = [word.replace("FILE", str(path)) for word in arguments]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pickle" in said
    assert not (tmp_path / "canary").exists()


def test_convert_names_what_the_pickle_looks_up(malicious: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pickle that looks up"):
        convert_checkpoint(malicious, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_a_pickle_are_listed_as_torch_reads_them(zipped: bool, tmp_path: Path) -> None:
    value = {
        "model": {
            "a": torch.zeros(3, 4),
            "b": torch.nn.Parameter(torch.zeros(2, dtype=torch.float16)),
            "c": torch.zeros((), dtype=torch.int64),
        },
        "epoch": 4,
        "list": [torch.zeros(1, dtype=torch.bfloat16)],
    }
    torch.save(value, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = contents(tmp_path / "a.pth")
    seen = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in found.tensors.items()}
    assert seen == {
        "model.a": ((3, 4), torch.float32),
        "model.b": ((2,), torch.float16),
        "model.c": ((), torch.int64),
        "list.0": ((1,), torch.bfloat16),
    }
    assert not found.beyond_weights


def test_a_pickled_module_lists_its_state_dict(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(model, tmp_path / "a.pth")
    found = contents(tmp_path / "a.pth")
    assert {name: tuple(t.shape) for name, t in found.tensors.items()} == {
        name: tuple(t.shape) for name, t in model.state_dict().items()
    }
    assert "torch.nn.modules.container.Sequential" in map(str, found.beyond_weights)


def test_a_tar_of_old_torch_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"x" * 257 + b"ustar" + b"\0" * 300)
    with pytest.raises(InputError, match="tar"):
        inspect_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("kind", ["reduce", "torch zip", "torch legacy"])
def test_a_file_cut_short_is_an_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    CORPUS[kind](tmp_path / "canary", path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="damage"):
        inspect_checkpoint(path)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(plain, st.integers(0, 5))
def test_plain_values_come_out_as_they_went_in(value: Any, protocol: int) -> None:
    if protocol < 3 and any(isinstance(leaf, bytes) for _, leaf in pieces(value)):
        return  # old protocols spell bytes as a call
    assert look(pickle.dumps(value, protocol=protocol), "here").value == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_pickle_or_an_error(data: bytes) -> None:
    try:
        look(data, "here")
    except InputError:
        return
    assert any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(io.BytesIO(data)))


def test_every_opcode_of_python_is_understood() -> None:
    from crosspath.checkpoints.foreign.machine import _CONSTANTS, _LITERALS, _SILENT, _Machine

    for opcode in pickletools.opcodes:
        known = {*_SILENT, *_CONSTANTS, *_LITERALS}
        assert opcode.name in known or hasattr(_Machine, f"_{opcode.name.lower()}"), opcode.name


def test_a_call_keeps_its_arguments_without_calling() -> None:
    value = look(pickle.dumps(Runs(Path("canary"))), "here").value
    assert isinstance(value, Made)
    assert value.arguments == ("canary", "w")
