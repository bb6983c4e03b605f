"""Malicious pickles: named, never executed, refused by every way in. A canary file would tell."""

import io
import pickle
import pickletools
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crosspath.checkpoints.foreign import containers, convert_checkpoint, inspect_checkpoint, opcodes
from crosspath.checkpoints.foreign.containers import read_contents
from crosspath.checkpoints.foreign.leaves import leaves
from crosspath.checkpoints.foreign.opcodes import Call, read_pickle
from crosspath.cli.main import main
from crosspath.errors import InputError
from crosspath.pickles import is_pickle
from tests.checkpoints.foreign.malicious import CORPUS, Runs
from tests.errors import refused


@pytest.fixture(params=CORPUS, ids=str)
def malicious(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    CORPUS[request.param](tmp_path / "canary", path)
    return path


@pytest.mark.parametrize("kind", [kind for kind in CORPUS if not kind.startswith("in zip")])
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
    report = inspect_checkpoint(malicious)
    assert report["pickle"]["dangerous"]
    functions = {"io.open", "_io.open", "posix.system", "posixpath.os.system", "_pickle.loads", "pickle.loads"}
    assert functions & set(report["pickle"]["dangerous"])
    assert main(["inspect", str(malicious)]) == 0
    assert "DANGEROUS pickle" in capsys.readouterr().out
    assert not (malicious.parent / "canary").exists()


def test_convert_names_what_the_pickle_looks_up(malicious: Path, tmp_path: Path) -> None:
    with refused("weights.pth", "pickle"):
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
    contents = read_contents(tmp_path / "a.pth")
    types = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in contents.tensors.items()}
    assert types == {
        "model.a": ((3, 4), torch.float32),
        "model.b": ((2,), torch.float16),
        "model.c": ((), torch.int64),
        "list.0": ((1,), torch.bfloat16),
    }
    assert not contents.beyond_weights


def test_a_pickled_module_lists_its_state_dict(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(model, tmp_path / "a.pth")
    contents = read_contents(tmp_path / "a.pth")
    assert {name: tuple(t.shape) for name, t in contents.tensors.items()} == {
        name: tuple(t.shape) for name, t in model.state_dict().items()
    }
    assert "torch.nn.modules.container.Sequential" in map(str, contents.beyond_weights)


def test_a_tar_of_old_torch_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"x" * 257 + b"ustar" + b"\0" * 300)
    with refused("a.pth"):
        inspect_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("kind", ["reduce", "torch zip", "torch legacy"])
def test_a_file_cut_short_is_an_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    CORPUS[kind](tmp_path / "canary", path)
    path.write_bytes(path.read_bytes()[:40])
    with refused("weights.pth", "damage"):
        inspect_checkpoint(path)


def test_a_damaged_pickle_names_what_runs_before_the_damage(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Runs(tmp_path / "canary"))[:-1] + b"R.")
    with refused("a.pkl", "io.open"):
        inspect_checkpoint(tmp_path / "a.pkl")
    assert not (tmp_path / "canary").exists()


def test_a_bomb_of_references_is_refused_in_time(tmp_path: Path) -> None:
    """Sixty lists, each holding the one before twice: 2^60 leaves in 300 bytes."""
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with refused("a.pkl", "pickle"):
        inspect_checkpoint(tmp_path / "a.pkl")


@pytest.mark.parametrize("depth", [200, 100_000])
def test_a_deep_nest_is_refused(depth: int, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b".")
    with refused("a.pkl", "pickle"):
        inspect_checkpoint(tmp_path / "a.pkl")


@pytest.mark.parametrize("length", [b"\xff" * 7 + b"\x7f", b"\x00" * 6 + b"\xff\x00"])
def test_a_length_beyond_memory_is_damage(length: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04\x8e" + length + b"short.")
    with refused("a.pkl", "damage"):
        inspect_checkpoint(tmp_path / "a.pkl")


def test_tensors_of_impossible_shapes_are_not_listed(tmp_path: Path) -> None:
    class Shaped:
        def __init__(self, *shape: int) -> None:
            self.shape = shape

        def __reduce__(self) -> tuple[Any, ...]:
            return torch._utils._rebuild_tensor_v2, (Numbers(), 0, self.shape, (1,), False, {})

    class Numbers:
        """Kept beside the pickle."""

    class Writer(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            return ("storage", torch.nn.Linear, "0", "cpu", 1) if isinstance(value, Numbers) else None

    with (tmp_path / "a.pkl").open("wb") as file:
        Writer(file).dump({"good": Shaped(2, 3), "bad": [Shaped(-1), Shaped(2**70), Shaped(2**40, 2**40)]})
    assert {name: tuple(tensor.shape) for name, tensor in read_contents(tmp_path / "a.pkl").tensors.items()} == {
        "good": (2, 3)
    }


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(plain, st.integers(0, 5))
def test_plain_values_come_out_as_they_went_in(value: Any, protocol: int) -> None:
    if protocol < 3 and any(isinstance(leaf, bytes) for _, leaf in leaves(value)):
        return  # old protocols spell bytes as a call
    assert read_pickle(pickle.dumps(value, protocol=protocol), "here").value == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_pickle_or_an_error(data: bytes) -> None:
    try:
        read_pickle(data, "here")
    except InputError:
        return
    assert any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(io.BytesIO(data)))


def test_every_opcode_of_python_is_understood() -> None:
    """An opcode that is not handled would be an error whatever the stack holds."""
    arguments = {"GLOBAL": "module name", "INST": "module name", "GET": 0, "BINGET": 0, "LONG_BINGET": 0}
    for opcode in pickletools.opcodes:
        machine = opcodes._Machine()
        machine.memo[0] = "memo"
        machine.stack = ["value"] if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} else []
        for kind in opcode.stack_before:
            if kind is pickletools.markobject:
                machine.marks.append(len(machine.stack))
            elif kind is not pickletools.stackslice:
                machine.stack.append({} if kind is pickletools.pydict else [])
        depth = len(machine.stack) - sum(
            kind not in (pickletools.markobject, pickletools.stackslice) for kind in opcode.stack_before
        )
        machine.step(opcode, arguments.get(opcode.name, 1))
        if opcode.name not in {"MARK", "STOP", "READONLY_BUFFER"}:  # the last changes what lies there
            assert len(machine.stack) == depth + len(opcode.stack_after), opcode.name


def _zipped(path: Path, *entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, entry in enumerate(entries):
            archive.writestr(f"archive/{number}.pkl", entry)
    return path


def test_pickles_of_endless_opcodes_are_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed zip holds any number of them in a few kilobytes; the bound is on all its pickles together."""
    endless = b"\x80\x02" + b"N0" * 3000 + b"N."
    for module in (opcodes, containers):
        monkeypatch.setattr(module, "MOST_OPCODES", 10_000)
    inspect_checkpoint(_zipped(tmp_path / "a.pth", endless))
    with refused("1.pkl"):
        inspect_checkpoint(_zipped(tmp_path / "b.pth", endless, endless))


def test_marks_on_a_high_stack_are_found_at_once() -> None:
    """Their search once took as long as the stack is high."""
    high = b"\x80\x02" + b"N" * 100_000 + b"(t0" * 100_000 + b"."
    start = time.perf_counter()
    read_pickle(high, "here")
    assert time.perf_counter() - start < 10


def test_what_lies_below_a_mark_is_out_of_reach() -> None:
    """As it is for Python's own unpickler."""
    data = b"\x80\x02N(\x85."
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(data)
    with pytest.raises(InputError, match="damage"):
        read_pickle(data, "here")


@pytest.mark.parametrize(("pairs", "whole"), [(10, True), (60, False)])
def test_a_tuple_that_takes_forever_to_hash_is_refused(pairs: int, whole: bool, tmp_path: Path) -> None:
    """Pairs, each holding the one before twice; the last as a dictionary's key, out of sight in a call's arguments."""
    nest = b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(pairs))
    call = b"ccollections\nOrderedDict\n(}q\x63)q\x00" + nest + b"h\x63h" + bytes([pairs]) + b"K\x01stR"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02" + call + b".")
    if whole:
        assert inspect_checkpoint(tmp_path / "a.pkl")["pickle"]["looks_up"] == ["collections.OrderedDict"]
    else:
        with pytest.raises(InputError, match="damage"):
            inspect_checkpoint(tmp_path / "a.pkl")


def test_a_call_keeps_its_arguments_without_calling() -> None:
    value = read_pickle(pickle.dumps(Runs(Path("canary"))), "here").value
    assert isinstance(value, Call)
    assert value.arguments == ("canary", "w")


def test_a_call_of_calls_has_no_text(tmp_path: Path) -> None:
    """Each holds the one before twice: as text, 62 of them are longer than any disk."""
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}X\x01\x00\x00\x00wN" + b"2R" * 62 + b"s.")
    assert inspect_checkpoint(tmp_path / "a.pkl")["tensors"] == {}


def test_names_have_a_bounded_number_of_letters(tmp_path: Path) -> None:
    """A key that every level and every value repeats."""
    key = b"X" + (50_000).to_bytes(4, "little") + b"k" * 50_000
    nest = key + b"q\x00" + b"0" + b"}" + b"(" + b"".join(b"K" + bytes([n]) + b"N" for n in range(100)) + b"u"
    for _ in range(50):
        nest += b"q\x010}h\x00h\x01s"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02" + nest + b".")
    with refused("a.pkl", "letters"):
        inspect_checkpoint(tmp_path / "a.pkl")


def test_a_number_too_long_for_a_text_is_a_key(tmp_path: Path) -> None:
    number = b"\x8b" + (4000).to_bytes(4, "little") + b"\x7f" * 4000
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}" + number + b"}" + b"X\x01\x00\x00\x00wNs" + b"s.")
    assert inspect_checkpoint(tmp_path / "a.pkl")["tensors"] == {}


def test_pickles_in_a_zip_are_measured_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSPATH_MAX_PICKLE_BYTES", "1000000")
    long = b"\x80\x02X" + (600_000).to_bytes(4, "little") + bytes(600_000) + b"."
    inspect_checkpoint(_zipped(tmp_path / "a.pth", long))
    with refused("b.pth", "CROSSPATH_MAX_PICKLE_BYTES=1200016"):
        inspect_checkpoint(_zipped(tmp_path / "b.pth", long, long))


def test_a_zip_without_a_pickle_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/0.png", b"\x89PNG")
    with refused("a.zip", "safetensors file or a pickle", "zip without a pickle"):
        inspect_checkpoint(tmp_path / "a.zip")


def test_numbers_inside_a_pickle_are_not_kept() -> None:
    long = b"\x80\x04\x8e" + (1 << 20).to_bytes(8, "little") + bytes(1 << 20) + b"\x85."
    assert read_pickle(long, "here").value == (b"",)


def test_a_long_file_is_told_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"N0" * 10 + b"N.", b"N0" * 4_000_000):
        path.write_bytes(content)
        assert is_pickle(path)
    for first in (b"I", b"N", b"S"):  # opcodes, and no pickle
        with path.open("wb") as file:
            file.write(first + b"x" * 1000)
            file.truncate(1 << 40)
        assert not is_pickle(path)
