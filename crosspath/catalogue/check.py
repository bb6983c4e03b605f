"""Verifies a data folder: all pieces are there, and every file can be decoded."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crosspath.catalogue.published_set import PublishedSet
from crosspath.catalogue.sets import PUBLISHED_SETS
from crosspath.config.data import Data, DataSection
from crosspath.data.decoding import Progress, decode_items
from crosspath.data.items import Item, Reader
from crosspath.errors import InputError
from crosspath.modalities import MODALITIES, Modality, modality_of
from crosspath.modalities.load import reader_of


@dataclass(frozen=True)
class Fault:
    """A missing or damaged file."""

    path: str
    """Relative to the folder, if inside it."""
    reason: str


@dataclass(frozen=True)
class CheckReport:
    """The result of a check."""

    folder: str
    set: str | None
    """Name of the published set; None for a user's own folder."""
    modality: str
    classes: int
    samples: dict[str, int]
    """Samples of each part, damaged ones included; `unsplit` if the set has no parts."""
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def recognise_set(folder: Path) -> PublishedSet | None:
    """The published set with this folder's name; None for any other folder.

    Raises
    ------
    InputError
        For a missing folder, a published set under another name, and a data root of several sets.
    """
    if not folder.is_dir() and folder.suffix.lower() != ".zip":
        raise InputError(folder, "the folder of a data set", "none", "check the path")
    name = _with_name(folder).name
    for entry in PUBLISHED_SETS.values():
        if entry.folder == name:
            return entry
    inside = [entry.folder for entry in PUBLISHED_SETS.values() if (folder / entry.folder).is_dir()]
    if inside:
        todo = f"name one of them, such as {folder / inside[0]}"
        raise InputError(folder, "the folder of one data set", f"a data root with {', '.join(inside)}", todo)
    for entry in PUBLISHED_SETS.values():
        if _matches(entry, folder):
            todo = "rename it, or link to it under that name"
            raise InputError(folder, f"the name {entry.folder}, where readers look", f"{entry.name} as {name}", todo)
    return None


def guess_section(folder: Path) -> DataSection:
    """The `data` section for a user's class folders, of the modality of most files. Files that two modalities read,
    such as .mp4, count for both; in a tie the modality with more files that only it reads is taken.

    Raises
    ------
    InputError
        For a folder without files of any modality.
    """
    modalities = [modality for modality in MODALITIES.values() if modality.suffixes]
    if folder.is_file():
        return next(modality for modality in modalities if modality.reads_zips).data_section({"folder": folder})
    endings = Counter(path.suffix.lower() for path in folder.rglob("*") if path.is_file())

    def counts(modality: Modality[Any, Any, Any]) -> tuple[int, int]:
        own = [suffix for suffix in modality.suffixes if suffix not in modality.containers]
        return sum(endings[suffix] for suffix in modality.suffixes), sum(endings[suffix] for suffix in own)

    best = max(modalities, key=counts)
    if not counts(best)[0]:
        todo = "choose another folder, or name its recipe with --recipe NAME"
        *others, last = (modality.content for modality in modalities)
        raise InputError(folder, f"{', '.join(others)} or {last}", "none", todo)
    return best.data_section({"folder": folder})


def sections_of_set(entry: PublishedSet, folder: Path) -> list[DataSection]:
    """The `data` section of every variant of a set that is present: from its first recipe, else the defaults."""
    from crosspath.recipes import PRETRAINING, RECIPES

    recipe_sections = [recipe().data for table in (RECIPES, PRETRAINING) for recipe in table.values()]
    sections = []
    for dataset in entry.here(folder) or entry.datasets:
        default = MODALITIES[entry.modality].data_section({"dataset": dataset})
        sections.append(next((section for section in recipe_sections if section.dataset == dataset), default))
    return sections


def check(
    folder: Path, entry: PublishedSet | None, sections: Sequence[Data], progress: Progress | None = None
) -> CheckReport:
    """Lists and decodes everything that the sections read.

    Parameters
    ----------
    entry
        The published set whose pieces must all be there; None for a user's own folder.
    sections
        One for each way of reading the folder, all of one modality. A sample that several read is decoded once.
    progress
        Called with (samples decoded, samples in total).

    Returns
    -------
    The report. Missing pieces, faulty tables and damaged files are `faults`.

    Raises
    ------
    InputError
        For a published set under another name than its readers look for.
    """
    name = _with_name(folder).name
    faults = (
        [] if entry is None else [Fault(piece.pattern, f"missing: {piece.what}") for piece in entry.missing(folder)]
    )
    work: list[tuple[Reader, list[Item]]] = []
    classes: set[str] = set()
    visited: set[tuple[Path, object]] = set()
    for section in sections:
        sets = modality_of(section).sets
        expected = sets.get(section.dataset, name)
        if expected != name:
            todo = "rename it, or link to it under that name"
            raise InputError(folder, f"the name {expected}, where the reader of {section.dataset} looks", name, todo)
        # Without `skip_damaged` the listing would end at the first missing file.
        reader = reader_of(section.model_copy(update={"skip_damaged": True}))
        try:
            listing = reader.listing(_with_name(folder).parent if section.dataset in sets else folder)
        except InputError as error:
            faults.append(Fault(_below(folder, error.where), f"expected {error.expected}, found {error.found}"))
            continue
        classes |= set(listing.classes)
        faults += [Fault(_below(folder, path), reason) for path, reason in listing.skipped]
        new = [item for item in listing.items if (item.path, item.inside) not in visited]
        visited |= {(item.path, item.inside) for item in new}
        work.append((reader, new))
    faults += _decoding_faults(folder, work, progress)
    samples = Counter[str](item.part or "unsplit" for _, items in work for item in items)
    return CheckReport(
        folder=str(folder),
        set=None if entry is None else entry.name,
        modality=sections[0].modality,
        classes=len(classes),
        samples=dict(samples),
        faults=tuple(dict.fromkeys(faults)),
    )


def _decoding_faults(
    folder: Path, work: Sequence[tuple[Reader, list[Item]]], progress: Progress | None
) -> Iterator[Fault]:
    """Decodes every item; a fault for each damaged one."""
    done, total = 0, sum(len(items) for _, items in work)
    for reader, items in work:
        before = done
        for done, (item, result) in enumerate(decode_items(reader, items, None), before + 1):
            if progress is not None:
                progress(done, total)
            if isinstance(result, str):
                member = f"/{item.inside}" if isinstance(item.inside, str) else ""
                yield Fault(_below(folder, item.path) + member, result)


def _matches(entry: PublishedSet, folder: Path) -> bool:
    """Whether a folder has all pieces of a published set, among them a file name that no other set has."""
    others = {piece.pattern for other in PUBLISHED_SETS.values() if other is not entry for piece in other.pieces}
    own = {piece.pattern for piece in entry.pieces if "*" not in piece.pattern} - others
    return any((folder / name).exists() for name in own) and not entry.missing(folder)


def _with_name(folder: Path) -> Path:
    """The folder with a name, also if given as `.` or ending in `..`."""
    return folder.resolve() if folder.name in ("", "..") else folder.absolute()


def _below(folder: Path, where: str | Path) -> str:
    """A path relative to the folder."""
    return str(where).replace(f"{_with_name(folder)}/", "").replace(f"{folder}/", "")
