"""What lies where in a tar, against WebDataset's own reader; and every way in which a tar can be damaged."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import webdataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crosspath.data.items import DamageError
from crosspath.data.readers import audio, image, points, video
from crosspath.data.shards.index import Entry, read_index
from crosspath.errors import InputError

Members = list[tuple[str, bytes]]


def tar_of(members: Members, format: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


MEMBERS = {
    "image": image.SHARD_MEMBERS,
    "audio": audio.SHARD_MEMBERS,
    "point": points.SHARD_MEMBERS,
    "video": video.SHARD_MEMBERS,
}


def index(content: bytes, modality: str = "image") -> list[Entry]:
    return read_index(io.BytesIO(content), "a.tar", MEMBERS[modality])


WHOLE = [
    ("0.jpg", b"first" * 200),
    ("0.cls", b"1"),
    ("1.jpg", b"second"),
    ("1.cls", b"0\n"),
    ("2.png", b""),
    ("2.cls", b"2"),
]


def test_bytes_and_labels_of_each_sample() -> None:
    content = tar_of(WHOLE)
    actual = index(content)
    assert [entry.name for entry in actual] == ["0.jpg", "1.jpg", "2.png"]
    assert [content[entry.start : entry.stop] for entry in actual] == [b"first" * 200, b"second", b""]
    assert [entry.labels for entry in actual] == [(1,), (0,), (2,)]


names = st.text("ab0_-", min_size=1, max_size=4)
keys = st.lists(st.tuples(st.sampled_from(["", "x/", "./", "deep/er/"]), names), min_size=1, max_size=6, unique=True)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=keys, content=st.binary(max_size=700), more=st.sampled_from(["", "txt", "seg.png", "JSON5"]))
def test_samples_are_those_that_webdataset_reads(
    tmp_path: Path, keys: list[tuple[str, str]], content: bytes, more: str
) -> None:
    members: Members = []
    for number, (folder, name) in enumerate(keys):
        members += [(f"{folder}{name}.{'JPG' if number % 2 else 'jpg'}", content + bytes([number]))]
        members += [(f"{folder}{name}.{more}", b"more")] if more else []
        members += [(f"{folder}{name}.cls", str(number).encode())]
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(members))
    whole = path.read_bytes()
    expected = [
        (sample["__key__"], sample["jpg"], int(sample["cls"]))
        for sample in webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)
    ]
    actual = [
        (entry.name.rpartition(".")[0], whole[entry.start : entry.stop], entry.labels[0]) for entry in index(whole)
    ]
    assert actual == expected
    assert len(actual) == len(keys)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_every_kind_of_tar(format: int) -> None:
    name = "/".join(["folder-with-a-long-name"] * (3 if format == tarfile.USTAR_FORMAT else 12)) + "/0001"
    content = tar_of([(f"{name}.jpg", b"x"), (f"{name}.cls", b"7")], format)
    (entry,) = index(content)
    assert entry.name == f"{name}.jpg"
    assert content[entry.start : entry.stop] == b"x"


def test_folders_bookkeeping_and_other_members_are_passed_over() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("x", "x/link.jpg"):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE if name == "x" else tarfile.SYMTYPE
            archive.addfile(entry)
        for name in ("__meta__/0.jpg", "README", "x/.hidden", "x/0.jpg", "x/0.txt", "x/0.cls"):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"5"))
    assert [(entry.name, entry.labels) for entry in index(file.getvalue())] == [("x/0.jpg", (5,))]


@pytest.mark.parametrize(
    ("members", "labels"),
    [
        ({"cls": b" 12 \n"}, (12,)),
        ({"json": json.dumps({"labels": [3, 1, 3]}).encode()}, (3, 1, 3)),
        ({"json": json.dumps({"labels": [], "text": "x"}).encode()}, ()),
        ({"json": b"{}", "cls": b"4"}, (4,)),
    ],
)
def test_labels_are_a_number_or_a_list(members: dict[str, bytes], labels: tuple[int, ...]) -> None:
    (entry,) = index(tar_of([("k.wav", b"x"), *((f"k.{kind}", content) for kind, content in members.items())]), "audio")
    assert entry.labels == labels


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("k.jpg", b"")], r"a\.tar/k: expected a member \.cls, or \.json with `labels`, found \.jpg"),
        ([("k.cls", b"1")], r"a\.tar/k: expected one member \.jpg, .*found \.cls"),
        ([("k.jpg", b""), ("k.png", b""), ("k.cls", b"1")], r"a\.tar/k: expected one member"),
        ([("k.jpg", b""), ("k.cls", b"cat")], r"a\.tar/k\.cls: expected a class number, found b'cat'"),
        ([("k.jpg", b""), ("k.cls", b"")], r"a\.tar/k\.cls: expected a class number"),
        ([("k.jpg", b""), ("k.json", b"[1]")], r"a\.tar/k\.json: expected class numbers"),
        ([("k.jpg", b""), ("k.json", b'{"label": 1}')], r"a\.tar/k\.json: expected class numbers"),
        ([("k.jpg", b""), ("k.json", b'{"labels": 1}')], r"a\.tar/k\.json: expected class numbers"),
        ([("k.jpg", b""), ("k.json", b'{"labels": [true]}')], r"a\.tar/k\.json: expected class numbers"),
        ([("k.jpg", b""), ("k.json", b"\xff")], r"a\.tar/k\.json: expected class numbers"),
        ([*WHOLE, ("0.cls", b"1"), ("0.jpg", b"")], r"a\.tar/0: expected each key once, found a repeated one"),
        ([("README", b"")], r"a\.tar: expected samples, found none"),
    ],
)
def test_faulty_samples_are_named(members: Members, message: str) -> None:
    with pytest.raises(InputError, match=message):
        index(tar_of(members))


def test_no_part_of_a_tar_passes_for_the_whole() -> None:
    whole = tar_of(WHOLE)
    assert len(index(whole)) == 3
    end = next(place for place in range(0, len(whole), 512) if whole[place:] == bytes(len(whole) - place))
    for length in sorted({*range(0, end + 512, 512), *range(1, end, 97), end + 511}):
        with pytest.raises(DamageError, match=r"end mark|uncompressed tar"):
            index(whole[:length])


def test_a_damaged_header_in_the_middle_does_not_end_the_tar_in_silence() -> None:
    whole = bytearray(tar_of(WHOLE))
    place = bytes(whole).index(b"1.jpg")
    whole[place + 100] ^= 0xFF
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        assert archive.getnames() == ["0.jpg", "0.cls"]  # what goes unnoticed
    with pytest.raises(DamageError, match="damaged in the middle"):
        index(bytes(whole))


@pytest.mark.parametrize("content", [gzip.compress(tar_of(WHOLE)), b"", b"x" * 2000, b"PK\x03\x04"])
def test_what_is_no_plain_tar_is_reported(content: bytes) -> None:
    with pytest.raises(DamageError, match="it cannot be read as an uncompressed tar"):
        index(content)


def test_only_headers_and_labels_are_read() -> None:
    class Counted(io.BytesIO):
        bytes_read = 0

        def read(self, *arguments: Any) -> bytes:
            content = super().read(*arguments)
            self.bytes_read += len(content)
            return content

    file = Counted(tar_of([("0.jpg", bytes(10**6)), ("0.cls", b"1"), ("1.jpg", bytes(10**6)), ("1.cls", b"1")]))
    assert len(read_index(file, "a.tar", MEMBERS["image"])) == 2
    assert file.bytes_read < 10_000
