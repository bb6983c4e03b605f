"""What lies where in a tar of samples, by the convention of WebDataset (github.com/webdataset/webdataset).

Neighbouring members of one key, the name up to the first dot of its last part, are one sample; the rest of the name
says what a member is: a picture, a recording, a cloud or a clip, and beside it `cls`, a class number, or `json`, whose
`labels` are several. Only headers and labels are read. Every other byte is left where it is, to be read when its turn
comes, so samples of a tar are reached in any order.
"""

import json
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
BLOCK = 512


class Entry(NamedTuple):
    """One sample."""

    name: str
    """The member that holds the picture, the recording, the cloud or the clip."""
    start: int
    stop: int
    """Its bytes in the tar: [start, stop)."""
    labels: tuple[int, ...]


def read_index(file: BinaryIO, where: str, modality: str) -> list[Entry]:
    """All samples of the tar that `file` holds, in their order; `where` is its name in messages.

    Raises
    ------
    DamageError
        For what is not a whole, uncompressed tar. One that was cut between two members has lost its end mark.
    InputError
        For a sample without exactly one member of the modality or without labels, and for a key that comes again.
    """
    entries = []
    seen: set[str] = set()
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for key, members in groupby(_members(archive), lambda found: found[0]):
                if key in seen:
                    todo = "write the members of a sample one after the other"
                    raise InputError(f"{where}/{key}", "a key of its own", "one that came before", todo)
                seen.add(key)
                entries.append(
                    _entry(archive, f"{where}/{key}", {kind: member for _, kind, member in members}, modality)
                )
            # Where a header is damaged, tarfile ends in silence.
            file.seek(archive.offset)
            if file.read(BLOCK) != bytes(BLOCK):
                raise DamageError("it ends without an end mark, or is damaged in the middle")
    except (tarfile.TarError, EOFError) as error:
        raise DamageError(f"it cannot be read as an uncompressed tar ({error})") from None
    if not entries:
        raise InputError(where, "samples", "none", "remove it")
    return entries


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, str, tarfile.TarInfo]]:
    """(key, kind, member) of every file that has both; names such as `__meta__` are WebDataset's own."""
    for member in archive:
        folder, _, name = member.name.rpartition("/")
        stem, _, kind = name.partition(".")
        if member.isfile() and stem and kind and not (stem.startswith("__") and stem.endswith("__")):
            yield f"{folder}/{stem}" if folder else stem, kind.lower(), member


def _entry(archive: tarfile.TarFile, where: str, members: Mapping[str, tarfile.TarInfo], modality: str) -> Entry:
    media = [member for kind, member in members.items() if kind in MEDIA[modality]]
    if len(media) != 1:
        expected = f"one member .{', .'.join(MEDIA[modality])}"
        raise InputError(where, expected, ", ".join(f".{kind}" for kind in members), "write the shard again")
    start = media[0].offset_data
    return Entry(media[0].name, start, start + media[0].size, _labels(archive, where, members))


def _labels(archive: tarfile.TarFile, where: str, members: Mapping[str, tarfile.TarInfo]) -> tuple[int, ...]:
    """`cls` where it is there, else the `labels` of `json`."""
    kind = next((kind for kind in ("cls", "json") if kind in members), None)
    if kind is None:
        found = ", ".join(f".{kind}" for kind in members)
        raise InputError(where, "a member .cls, or .json with `labels`", found, "write the shard again")
    file = archive.extractfile(members[kind])
    assert file is not None, where
    content: Any = file.read()
    try:
        numbers = [int(content)] if kind == "cls" else json.loads(content)["labels"]
        if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
            raise ValueError("other values")
    except (ValueError, KeyError, TypeError):
        expected = "a class number" if kind == "cls" else 'class numbers {"labels": [...]}'
        raise InputError(f"{where}.{kind}", expected, f"{content[:40]!r}", "write the shard again") from None
    return tuple(numbers)
