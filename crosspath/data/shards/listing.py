"""Sets in shards: tar files of samples (`shard_index.py`), below a folder or at addresses.

Each tar is read through once, and where its samples lie is kept in the cache folder. After that a shard is like any
other file with many samples in it: they are reached in any order, so the order of a run, its splits, its resumption and
its parts for several processes are those of every other set. Samples are read where they lie, on a disk or elsewhere.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crosspath.config.data import Data
from crosspath.data.cache import cache_root
from crosspath.data.items import DamageError, Item, Listing, Part, file_stamp
from crosspath.data.labels import label_of
from crosspath.data.shards.index import Entry, read_index
from crosspath.data.shards.remote import beside, is_address, name_of, read_part, read_through, read_whole, stamp_of
from crosspath.data.tables import refuse_repeated
from crosspath.errors import InputError

INDEX_VERSION = 1
CLASSES = "classes.txt"
PATTERNS: tuple[tuple[Part, str], ...] = (
    ("train", "train_shards"),
    ("val", "validation_shards"),
    ("test", "test_shards"),
)


@dataclass(frozen=True)
class Shard:
    """One tar of samples."""

    name: str
    """As the pattern has it, or the path of its address: the ids of its samples begin with it."""
    part: Part
    path: Path
    address: str | None = None

    @property
    def where(self) -> str:
        """Its full name."""
        return self.address or str(self.path)

    def stamp(self) -> str:
        """Changes when the shard does. Raises `InputError` where it is missing."""
        if self.address is not None:
            return stamp_of(self.address)
        if not self.path.is_file():
            todo = "check data.folder and the names of the shards"
            raise InputError(self.path, "a shard", "none", todo)
        return file_stamp(self.path)

    def index(self, modality: str) -> list[Entry]:
        """Its samples. Raises as `read_index` does."""
        if self.address is not None:
            return read_through(self.address, lambda file: read_index(file, self.where, modality))
        with self.path.open("rb") as file:
            return read_index(file, self.where, modality)


def list_shards(section: Data, folder: Path) -> Listing:
    """Every sample of the shards that `data.train_shards`, `validation_shards` and `test_shards` name, in their order.

    Names may hold braces, `train-{000..146}.tar`, as in bash; they are relative to `folder`, or addresses. A part
    without shards of its own is held out of training. Class names are the lines of `classes.txt` beside the first
    shard; else the classes are numbers, `data.classes` of them or as many as are found.

    Raises
    ------
    InputError
        For missing names or shards, faulty samples, class numbers beyond the classes, and damaged shards unless
        `data.skip_damaged` leaves these out.
    """
    shards = [shard for part, field in PATTERNS for shard in _named(section, part, field, folder)]
    seen: dict[str, str] = {}
    for shard in shards:
        refuse_repeated(seen, shard.name, f"data.{dict(PATTERNS)[shard.part]}")
    cache = cache_root(section.cache_folder) / "shards"
    items: list[Item] = []
    skipped: list[tuple[Path, str]] = []
    largest: tuple[int, str] = (-1, "")
    with ThreadPoolExecutor() as pool:
        indexes = pool.map(lambda shard: _indexed(shard, section.modality, cache), shards)
        for shard, (stamp, found) in zip(shards, indexes, strict=True):
            if isinstance(found, str):
                if not section.skip_damaged:
                    todo = "get it again, or leave damaged shards out with --set data.skip_damaged=true"
                    raise InputError(shard.where, "a whole shard", found, todo)
                skipped.append((shard.path, found))
                continue
            for entry in found:
                where = f"{shard.where}/{entry.name}"
                if entry.labels and min(entry.labels) < 0:
                    raise InputError(where, "class numbers from 0", str(min(entry.labels)), "write the shard again")
                largest = max(largest, (max(entry.labels, default=-1), where))
                items.append(
                    Item(
                        id=f"{shard.name}/{entry.name}",
                        label=label_of(entry.labels, section.several_labels, where),
                        part=shard.part,
                        path=shard.path,
                        inside=(entry.start, entry.stop),
                        address=shard.address,
                        stamp=stamp,
                    )
                )
    return Listing(_classes(section, shards[0], *largest), tuple(items), tuple(skipped))


def read_member(item: Item) -> bytes:
    """The content of one sample. Raises `DamageError` where its shard has become shorter, and `InputError` where an
    address stays silent.
    """
    assert isinstance(item.inside, tuple), item
    start, stop = item.inside
    if item.address is not None:
        return read_part(item.address, start, stop)
    with item.path.open("rb") as file:
        file.seek(start)
        content = file.read(stop - start)
    if len(content) < stop - start:
        raise DamageError("the shard ends before this sample does")
    return content


def _named(section: Data, part: Part, field: str, folder: Path) -> Iterator[Shard]:
    """The shards of one part; none where the section names none."""
    pattern: str | None = getattr(section, field)
    if pattern is None:
        if part == "train":
            todo = f"add --set data.{field}='train-{{000..146}}.tar'"
            raise InputError(f"data.{field}", "the names of the training shards", "none", todo)
        return
    if pattern.startswith("pipe:"):
        todo = "name files or addresses: a pipe would run a command"
        raise InputError(f"data.{field}", "names of tar files", repr(pattern), todo)
    for name in _expanded(pattern, field):
        address = name if is_address(name) else None
        shown = name_of(address) if address is not None else name
        if not shown.endswith(".tar"):
            raise InputError(f"data.{field}", "names that end in .tar", repr(name), "use uncompressed tar files")
        yield Shard(shown, part, Path(shown) if address is not None else folder / name, address)


def _expanded(pattern: str, field: str) -> list[str]:
    if "{" not in pattern:
        return [pattern]
    try:
        from braceexpand import braceexpand
    except ImportError:
        todo = "pip install 'crosspath[shards]'"
        raise InputError(f"data.{field}", "the package braceexpand, for names with braces", "none", todo) from None
    try:
        return list(braceexpand(pattern))
    except ValueError as error:
        raise InputError(f"data.{field}", "braces in pairs", str(error), "correct the pattern") from None


def _indexed(shard: Shard, modality: str, cache: Path) -> tuple[str, list[Entry] | str]:
    """(stamp, samples, or why the shard is damaged), from the cache where it knows this shard."""
    stamp = shard.stamp()
    key = hashlib.sha256(json.dumps([INDEX_VERSION, shard.where, stamp, modality]).encode()).hexdigest()
    kept = cache / f"{key[:32]}.json"
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        return stamp, [Entry(name, start, stop, tuple(labels)) for name, start, stop, labels in found]
    except (OSError, ValueError, TypeError):  # absent, or half of one
        pass
    try:
        entries = shard.index(modality)
    except DamageError as damage:
        return stamp, str(damage)
    temporary = kept.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(entries), encoding="utf-8")
        temporary.replace(kept)
    except OSError:  # without a place to keep it, the index is made anew each time
        with suppress(OSError):
            temporary.unlink()
    return stamp, entries


def _classes(section: Data, first: Shard, largest: int, where: str) -> tuple[str, ...]:
    if first.address is None:
        path = first.path.parent / CLASSES
        content = path.read_bytes() if path.is_file() else None
    else:
        content = read_whole(beside(first.address, CLASSES))
    if content is None:
        names = [str(number) for number in range(section.classes or largest + 1)]
    else:
        names = [line.strip() for line in content.decode("utf-8").splitlines() if line.strip()]
    if largest >= len(names):
        todo = f"correct {CLASSES} or data.classes"
        raise InputError(where, f"class numbers below {len(names)}", str(largest), todo)
    return tuple(names)
