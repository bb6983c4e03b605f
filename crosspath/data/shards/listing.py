"""Sets in shards: tar files of samples (`index.py`), below a folder or behind URLs.

Each tar is read once, and its index stays in the cache folder. After that its samples can be read in any order, so
order, splits, resuming and the division over several processes work as for every other set. Samples are read by their
byte range, on a disk or over the network.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crosspath.config.data import Data
from crosspath.data.cache import cache_root
from crosspath.data.items import DamageError, Item, Listing, Part, file_stamp, require_within
from crosspath.data.labels import label_of
from crosspath.data.listed_files import refuse_duplicate
from crosspath.data.shards.index import Entry, read_index
from crosspath.data.shards.remote import beside, is_address, name_of, read_complete, read_part, read_through, stamp_of
from crosspath.data.text_files import class_names
from crosspath.errors import InputError
from crosspath.files import write_text
from crosspath.limits import BYTES

INDEX_VERSION = 3
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
    """As in the pattern, or the path of its URL; the ids of its samples begin with it."""
    part: Part
    path: Path
    address: str | None = None

    @property
    def where(self) -> str:
        """Its path or URL, for messages."""
        return self.address or str(self.path)

    def stamp(self) -> str:
        """Differs once the shard has changed. Raises `InputError` when it is missing."""
        if self.address is not None:
            return stamp_of(self.address)
        if not self.path.is_file():
            todo = "check data.folder and the names of the shards"
            raise InputError(self.path, "a shard", "none", todo)
        return file_stamp(self.path)

    def index(self, media: tuple[str, ...]) -> list[Entry]:
        """Its samples. Raises as `read_index` does."""
        if self.address is not None:
            return read_through(self.address, lambda file: read_index(file, self.where, media))
        with self.path.open("rb") as file:
            return read_index(file, self.where, media)


def list_shards(section: Data, folder: Path, media: tuple[str, ...]) -> Listing:
    """Every sample of the shards in `data.train_shards`, `validation_shards` and `test_shards`, in their order.

    Names are relative to `folder`, or URLs, and may have braces as in bash: `train-{000..146}.tar`. A part without
    shards is held out of training. Class names are the lines of `classes.txt` beside the first shard; else numbers
    below `data.classes`, or up to the largest label. `media` are the kinds of the members that hold a sample.

    Raises
    ------
    InputError
        For missing names or shards, faulty samples, class numbers beyond the classes, and damaged shards unless
        `data.skip_damaged` skips them.
    """
    shards = [shard for part, field in PATTERNS for shard in _shards_of_part(section, part, field, folder)]
    first_places: dict[str, str] = {}
    for shard in shards:
        refuse_duplicate(first_places, shard.name, f"data.{dict(PATTERNS)[shard.part]}")
    cache = cache_root(section.cache_folder) / "shards"
    items: list[Item] = []
    skipped_files: list[tuple[Path, str]] = []
    largest: tuple[int, str] = (-1, "")
    with ThreadPoolExecutor() as pool:
        indexes = pool.map(lambda shard: _load_index(shard, section.modality, media, cache), shards)
        for shard, (stamp, entries) in zip(shards, indexes, strict=True):
            if isinstance(entries, str):
                if not section.skip_damaged:
                    todo = "download it again, or skip damaged shards with --set data.skip_damaged=true"
                    raise InputError(shard.where, "a complete shard", entries, todo)
                skipped_files.append((shard.path, entries))
                continue
            for entry in entries:
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
    return Listing(_classes(section, shards[0], *largest), tuple(items), tuple(skipped_files))


def read_member(item: Item) -> bytes:
    """The bytes of a sample's member. Raises `DamageError` for more than `limits.BYTES` and when the shard has become
    shorter, and `InputError` when its server does not answer.
    """
    assert isinstance(item.inside, tuple), item
    start, stop = item.inside
    require_within(BYTES, stop - start)
    if item.address is not None:
        return read_part(item.address, start, stop)
    with item.path.open("rb") as file:
        file.seek(start)
        content = file.read(stop - start)
    if len(content) < stop - start:
        raise DamageError("the shard ends before this sample does")
    return content


def _shards_of_part(section: Data, part: Part, field: str, folder: Path) -> Iterator[Shard]:
    """The shards of one part; none if the section has no pattern for it."""
    pattern: str | None = getattr(section, field)
    if pattern is None:
        if part == "train":
            todo = f"add --set data.{field}='train-{{000..146}}.tar'"
            raise InputError(f"data.{field}", "the names of the training shards", "none", todo)
        return
    if pattern.startswith("pipe:"):
        todo = "use file names or URLs: a pipe would run a command"
        raise InputError(f"data.{field}", "names of tar files", repr(pattern), todo)
    for name in _expand_braces(pattern, field):
        address = name if is_address(name) else None
        path = name_of(address) if address is not None else name
        if not path.endswith(".tar"):
            raise InputError(f"data.{field}", "names that end in .tar", repr(name), "use uncompressed tar files")
        yield Shard(path, part, Path(path) if address is not None else folder / name, address)


def _expand_braces(pattern: str, field: str) -> list[str]:
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


def _load_index(shard: Shard, modality: str, media: tuple[str, ...], cache: Path) -> tuple[str, list[Entry] | str]:
    """(stamp, index or the reason why the shard is damaged); from the cache if it has the index."""
    stamp = shard.stamp()
    key = hashlib.sha256(json.dumps([INDEX_VERSION, shard.where, stamp, modality]).encode()).hexdigest()
    path = cache / f"{key[:32]}.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if index["sha256"] == _digest(index["entries"]):
            return stamp, [Entry(name, start, stop, tuple(labels)) for name, start, stop, labels in index["entries"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # absent, or not what was written
        pass
    try:
        entries = shard.index(media)
    except DamageError as damage:
        return stamp, str(damage)
    with suppress(InputError):  # without a writable cache the index is read from the shard each time
        write_text(path, json.dumps({"sha256": _digest(entries), "entries": entries}))
    return stamp, entries


def _digest(entries: object) -> str:
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _classes(section: Data, first: Shard, largest: int, where: str) -> tuple[str, ...]:
    if first.address is None:
        path = first.path.parent / CLASSES
        content = path.read_bytes() if path.is_file() else None
    else:
        content = read_complete(beside(first.address, CLASSES))
    if content is None:
        names = [str(number) for number in range(section.classes or largest + 1)]
    else:
        names = list(class_names(first.path.parent / CLASSES, content))
    if largest >= len(names):
        todo = f"correct {CLASSES} or data.classes"
        raise InputError(where, f"class numbers below {len(names)}", str(largest), todo)
    return tuple(names)
