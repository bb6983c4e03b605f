"""The index of a tar of samples: name, byte range and labels of each.

Tars follow the convention of WebDataset (github.com/webdataset/webdataset). Consecutive members with one key, the path
up to the first dot of the file name, are one sample; the rest of the name is the kind of the member: an image, a
recording, a cloud or a clip; and `cls`, a class number, or `json`, with a list of `labels`. Only headers and labels are
read. Samples can then be read in any order by their byte ranges.
"""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, BinaryIO, NamedTuple

from crosspath.data.items import DamageError
from crosspath.errors import InputError

LABELS = ("cls", "json")
"""Kinds of the members that hold labels; of both the first counts."""
BLOCK = 512
RESERVED_NAME = re.compile(r"__[^/]*__($|/)")
"""Names that WebDataset reserves for itself."""


class Entry(NamedTuple):
    """One sample."""

    name: str
    """Of the member that holds the image, the recording, the cloud or the clip."""
    start: int
    stop: int
    """The member's bytes in the tar are [start, stop)."""
    labels: tuple[int, ...]


class Member(NamedTuple):
    """One file of the tar."""

    key: str
    kind: str
    """The file name after its first dot, in lower case."""
    name: str
    start: int
    stop: int
    content: bytes
    """Of members with labels; empty for others, which are not read."""


def read_index(file: BinaryIO, where: str, media: tuple[str, ...]) -> list[Entry]:
    """All samples of the tar in `file`, in their order; `where` is its name in messages and `media` are the kinds
    of the members that hold a sample.

    Raises
    ------
    DamageError
        For anything but a complete, uncompressed tar. One that was cut between two members lacks the end mark.
    InputError
        For a sample without exactly one such member or without labels, and for a repeated key.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            members = list(_members(archive))
            # At a damaged header tarfile stops without an error.
            file.seek(archive.offset)
            complete = file.read(BLOCK) == bytes(BLOCK)
    except (tarfile.TarError, EOFError) as error:
        raise DamageError(f"it cannot be read as an uncompressed tar ({error})") from None
    if not complete:
        raise DamageError("it ends without an end mark, or is damaged in the middle")
    if not members:
        raise InputError(where, "samples", "none", "remove it")
    entries: dict[str, Entry] = {}
    for key, sample in groupby(members, lambda member: member.key):
        if key in entries:
            todo = "write the members of a sample one after the other"
            raise InputError(f"{where}/{key}", "each key once", "a repeated one", todo)
        entries[key] = _entry({member.kind: member for member in sample}, f"{where}/{key}", media)
    return list(entries.values())


def _members(archive: tarfile.TarFile) -> Iterator[Member]:
    """Every file whose name has a key and a kind."""
    for info in archive:
        folder, slash, name = info.name.rpartition("/")
        stem, _, kind = name.partition(".")
        if info.isfile() and stem and kind and not RESERVED_NAME.match(info.name):
            file = archive.extractfile(info) if kind.lower() in LABELS else None
            content = b"" if file is None else file.read()
            start = info.offset_data
            yield Member(folder + slash + stem, kind.lower(), info.name, start, start + info.size, content)


def _entry(members: Mapping[str, Member], where: str, media: tuple[str, ...]) -> Entry:
    kinds = ", ".join(f".{kind}" for kind in members)
    samples = [member for kind, member in members.items() if kind in media]
    if len(samples) != 1:
        raise InputError(where, f"one member .{', .'.join(media)}", kinds, "write the shard again")
    kind = next((kind for kind in LABELS if kind in members), None)
    if kind is None:
        raise InputError(where, "a member .cls, or .json with `labels`", kinds, "write the shard again")
    labels = _labels(members[kind], where)
    return Entry(samples[0].name, samples[0].start, samples[0].stop, labels)


def _labels(member: Member, where: str) -> tuple[int, ...]:
    content: Any = member.content
    try:
        numbers = [int(content)] if member.kind == "cls" else json.loads(content)["labels"]
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise ValueError("other values")
    except (ValueError, LookupError, TypeError, RecursionError):
        expected = "a class number" if member.kind == "cls" else 'class numbers {"labels": [...]}'
        raise InputError(f"{where}.{member.kind}", expected, f"{content[:40]!r}", "write the shard again") from None
    return tuple(numbers)
