"""What lies where in a tar of samples, by the convention of WebDataset (github.com/webdataset/webdataset).

Neighbouring members of one key, the name up to the first dot of its last part, are one sample; the rest of the name
says what a member is: a picture, a recording, a cloud or a clip, and beside it `cls`, a class number, or `json`, whose
`labels` are several. Only headers and labels are read. Every other byte is left where it is, to be read when its turn
comes, so samples of a tar are reached in any order.
"""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, BinaryIO, NamedTuple

from crosspath.data.items import DamageError
from crosspath.errors import InputError

MEDIA: Mapping[str, tuple[str, ...]] = {
    "image": ("jpg", "jpeg", "png", "webp"),
    "audio": ("wav", "flac", "ogg", "mp3"),
    "point": ("npy",),
    "video": ("mp4", "avi", "mkv", "webm"),
}
"""What a member of each modality is called."""
LABELS = ("cls", "json")
"""Where both are there, the first counts."""
BLOCK = 512


OWN = re.compile(r"__[^/]*__($|/)")
"""Names that WebDataset keeps for itself."""


class Entry(NamedTuple):
    """One sample."""

    name: str
    """The member that holds the picture, the recording, the cloud or the clip."""
    start: int
    stop: int
    """Its bytes in the tar: [start, stop)."""
    labels: tuple[int, ...]


class Member(NamedTuple):
    """One file of the tar."""

    key: str
    kind: str
    """What follows the first dot, in lower case."""
    name: str
    start: int
    stop: int
    content: bytes
    """Of labels; of everything else nothing is read."""


def read_index(file: BinaryIO, where: str, modality: str) -> list[Entry]:
    """All samples of the tar that `file` holds, in their order; `where` is its name in messages.

    Raises
    ------
    DamageError
        For what is not a whole, uncompressed tar. One that was cut between two members has lost its end mark.
    InputError
        For a sample without exactly one member of the modality or without labels, and for a key that comes again.
    """
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            found = list(_members(archive))
            # Where a header is damaged, tarfile ends in silence.
            file.seek(archive.offset)
            whole = file.read(BLOCK) == bytes(BLOCK)
    except (tarfile.TarError, EOFError) as error:
        raise DamageError(f"it cannot be read as an uncompressed tar ({error})") from None
    if not whole:
        raise DamageError("it ends without an end mark, or is damaged in the middle")
    if not found:
        raise InputError(where, "samples", "none", "remove it")
    entries = []
    seen: set[str] = set()
    for key, members in groupby(found, lambda member: member.key):
        if key in seen:
            todo = "write the members of a sample one after the other"
            raise InputError(f"{where}/{key}", "a key of its own", "one that came before", todo)
        seen.add(key)
        entries.append(_entry({member.kind: member for member in members}, f"{where}/{key}", modality))
    return entries


def _members(archive: tarfile.TarFile) -> Iterator[Member]:
    """Every file whose name has a key and a kind."""
    for found in archive:
        folder, slash, name = found.name.rpartition("/")
        stem, _, kind = name.partition(".")
        if found.isfile() and stem and kind and not OWN.match(found.name):
            file = archive.extractfile(found) if kind.lower() in LABELS else None
            content = b"" if file is None else file.read()
            start = found.offset_data
            yield Member(folder + slash + stem, kind.lower(), found.name, start, start + found.size, content)


def _entry(members: Mapping[str, Member], where: str, modality: str) -> Entry:
    shown = ", ".join(f".{kind}" for kind in members)
    media = [member for kind, member in members.items() if kind in MEDIA[modality]]
    if len(media) != 1:
        raise InputError(where, f"one member .{', .'.join(MEDIA[modality])}", shown, "write the shard again")
    kind = next((kind for kind in LABELS if kind in members), None)
    if kind is None:
        raise InputError(where, "a member .cls, or .json with `labels`", shown, "write the shard again")
    labels = _labels(members[kind], where)
    return Entry(media[0].name, media[0].start, media[0].stop, labels)


def _labels(member: Member, where: str) -> tuple[int, ...]:
    content: Any = member.content
    try:
        numbers = [int(content)] if member.kind == "cls" else json.loads(content)["labels"]
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise ValueError("other values")
    except (ValueError, KeyError, TypeError):
        expected = "a class number" if member.kind == "cls" else 'class numbers {"labels": [...]}'
        raise InputError(f"{where}.{member.kind}", expected, f"{content[:40]!r}", "write the shard again") from None
    return tuple(numbers)
