"""Verify a data folder: are all its pieces there, and does every file decode the way its reader decodes it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from crosspath.catalogue.published_set import PublishedSet
from crosspath.catalogue.sets import PUBLISHED_SETS
from crosspath.config.data import Data, DataSection
from crosspath.data.cache import CHUNK, Progress
from crosspath.data.items import DamageError, Item, Reader
from crosspath.errors import InputError
from crosspath.modalities import MODALITIES, Modality, modality_of
from crosspath.modalities.load import reader_of

Decoder = Callable[[Item], NDArray[Any]]


@dataclass(frozen=True)
class Fault:
    """Something missing or damaged."""

    path: str
    """Below the folder where it lies there."""
    reason: str


@dataclass(frozen=True)
class CheckReport:
    """What was found in a folder."""

    folder: str
    set: str | None
    """The known set that it is; None for a folder of one's own."""
    modality: str
    classes: int
    samples: dict[str, int]
    """Samples of each part, whole or damaged; `unsplit` where the set does not say."""
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """As one object."""
        return asdict(self)


def recognise_set(folder: Path) -> PublishedSet | None:
    """The known set that this folder is, by its name; None for any other.

    Raises
    ------
    InputError
        For a missing folder, a known set's files under another name, and a data root of several sets.
    """
    if not folder.is_dir() and folder.suffix.lower() != ".zip":
        raise InputError(folder, "the folder of a data set", "none", "check the path")
    name = _named(folder).name
    for known in PUBLISHED_SETS.values():
        if known.folder == name:
            return known
    inside = [known.folder for known in PUBLISHED_SETS.values() if (folder / known.folder).is_dir()]
    if inside:
        todo = f"name one of them, such as {folder / inside[0]}"
        raise InputError(folder, "the folder of one data set", f"a data root with {', '.join(inside)}", todo)
    for known in PUBLISHED_SETS.values():
        if _like(known, folder):
            todo = "rename it, or link to it under that name"
            raise InputError(folder, f"the name {known.folder}, where readers look", f"{known.name} as {name}", todo)
    return None


def guess_section(folder: Path) -> DataSection:
    """The `data` section for class folders of one's own, of the modality that most files have. Files that two
    modalities read, such as .mp4, count for both; between equals the one with more files of its own wins.

    Raises
    ------
    InputError
        For a folder without files of any modality.
    """
    readable = [modality for modality in MODALITIES.values() if modality.suffixes]
    if folder.is_file():
        return next(modality for modality in readable if modality.reads_zips).data_section({"folder": folder})
    endings = Counter(path.suffix.lower() for path in folder.rglob("*") if path.is_file())

    def counts(modality: Modality[Any, Any, Any]) -> tuple[int, int]:
        own = [suffix for suffix in modality.suffixes if suffix not in modality.containers]
        return sum(endings[suffix] for suffix in modality.suffixes), sum(endings[suffix] for suffix in own)

    best = max(readable, key=counts)
    if not counts(best)[0]:
        todo = "name another folder, or say how it is read with --recipe NAME"
        *others, last = (modality.content for modality in readable)
        raise InputError(folder, f"{', '.join(others)} or {last}", "none", todo)
    return best.data_section({"folder": folder})


def check(
    folder: Path, known: PublishedSet | None, sections: Sequence[Data], progress: Progress | None = None
) -> CheckReport:
    """List and decode everything that the sections read.

    Parameters
    ----------
    known
        The set whose pieces must all be there; None to ask only for what the sections name.
    sections
        One for each way in which the folder is read, all of one modality. A sample that several read is decoded once.
    progress
        Told (samples decoded, samples in all).

    Returns
    -------
    What was found. Missing pieces, faulty tables and damaged files are `faults`.

    Raises
    ------
    InputError
        For a known set under another name than its readers look for.
    """
    name = _named(folder).name
    faults = (
        [] if known is None else [Fault(piece.pattern, f"missing: {piece.what}") for piece in known.missing(folder)]
    )
    work: list[tuple[Reader, list[Item]]] = []
    classes: set[str] = set()
    seen: set[tuple[Path, object]] = set()
    for section in sections:
        sets = modality_of(section).sets
        expected = sets.get(section.dataset, name)
        if expected != name:
            todo = "rename it, or link to it under that name"
            raise InputError(folder, f"the name {expected}, where {section.dataset} is looked for", name, todo)
        # Files that a table names and that are missing are then listed; the first of them would end it otherwise.
        reader = reader_of(section.model_copy(update={"skip_damaged": True}))
        try:
            listing = reader.listing(_named(folder).parent if section.dataset in sets else folder)
        except InputError as error:
            faults.append(Fault(_below(folder, error.where), f"expected {error.expected}, found {error.found}"))
            continue
        classes |= set(listing.classes)
        faults += [Fault(_below(folder, path), reason) for path, reason in listing.skipped]
        new = [item for item in listing.items if (item.path, item.inside) not in seen]
        seen |= {(item.path, item.inside) for item in new}
        work.append((reader, new))
    faults += _damaged(folder, work, progress)
    samples = Counter[str](item.part or "unsplit" for _, items in work for item in items)
    return CheckReport(
        folder=str(folder),
        set=None if known is None else known.name,
        modality=sections[0].modality,
        classes=len(classes),
        samples=dict(samples),
        faults=tuple(dict.fromkeys(faults)),
    )


def _damaged(folder: Path, work: Sequence[tuple[Reader, list[Item]]], progress: Progress | None) -> Iterator[Fault]:
    """Decode every item; a fault for each that cannot be."""
    done, total = 0, sum(len(items) for _, items in work)
    for reader, items in work:
        with reader.open_decoder() as decode, ThreadPoolExecutor() as pool:

            def attempt(item: Item, decode: Decoder = decode) -> str | None:
                try:
                    decode(item)
                except DamageError as damage:
                    return str(damage)
                except OSError as error:
                    return f"it cannot be read ({error.strerror or error})"
                return None

            for start in range(0, len(items), CHUNK):
                chunk = items[start : start + CHUNK]
                for item, reason in zip(chunk, pool.map(attempt, chunk), strict=True):
                    done += 1
                    if progress is not None:
                        progress(done, total)
                    if reason is not None:
                        inside = f"/{item.inside}" if isinstance(item.inside, str) else ""
                        yield Fault(_below(folder, item.path) + inside, reason)


def _like(known: PublishedSet, folder: Path) -> bool:
    """Whether a folder has all pieces of a known set, and among them a file by whose name no other set goes."""
    others = {piece.pattern for other in PUBLISHED_SETS.values() if other is not known for piece in other.pieces}
    own = {piece.pattern for piece in known.pieces if "*" not in piece.pattern} - others
    return any((folder / name).exists() for name in own) and not known.missing(folder)


def _named(folder: Path) -> Path:
    """The folder under the name by which it was called, also where that was `.` or ended in `..`."""
    return folder.resolve() if folder.name in ("", "..") else folder.absolute()


def _below(folder: Path, where: str | Path) -> str:
    """A place as seen from the folder."""
    return str(where).replace(f"{_named(folder)}/", "").replace(f"{folder}/", "")
