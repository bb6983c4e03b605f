"""Verifies a data folder: all pieces are there, every file can be decoded, and a run could begin on what is read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.catalogue.published_set import PublishedSet
from crosspath.catalogue.recognise import guess_section, own_recipe, recognise_set, sections_of_set, with_name
from crosspath.config.data import DataSection
from crosspath.data.cache import Store
from crosspath.data.decoding import Progress, decode_items
from crosspath.data.examples import DamagedFile, DataSet
from crosspath.data.items import Item, Listing, place_of, remarks_of
from crosspath.data.streaming.samples import damaged_file_error
from crosspath.errors import InputError
from crosspath.modalities import modality_of
from crosspath.modalities.annotations import absent_classes, annotation_axis
from crosspath.modalities.load import reader_of
from crosspath.modalities.split import damage_advice, listed_store, refuse_damaged, split_store

__all__ = ["CheckReport", "Fault", "check", "guess_section", "own_recipe", "recognise_set", "sections_of_set"]
RESTORE = "restore the files listed on stdout"


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
    used: dict[str, int] = field(default_factory=dict)
    """Samples of each part as a run splits and uses them; empty where a run would be refused, or for several variants
    of a set."""
    damaged: int = 0
    """How many of the faults are files, or links to them, that cannot be read."""
    unread: dict[str, int] = field(default_factory=dict)
    """Files that are not read, by kind: a suffix, or `hidden`."""
    notes: tuple[str, ...] = ()
    """What the run's log will say of the data; and which classes no training pixel or point has, for which a run would
    have to read every mask before its first step."""
    refusal: InputError | None = None
    """The error with which a run on these data would end; None for several variants of a set."""
    data: DataSet | None = None
    """The data set that a run would read, with its samples left out unless they are annotated."""
    todo: str = RESTORE
    """What to do about the faults."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        plain = replace(self, refusal=None, data=None)
        return {name: value for name, value in asdict(plain).items() if name not in ("refusal", "data", "todo")}


def check(
    folder: Path,
    entry: PublishedSet | None,
    sections: Sequence[DataSection],
    progress: Progress | None = None,
    seed: int = 0,
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
    seed
        The run's, which draws `data.labels_per_class`.

    Returns
    -------
    The report. Missing pieces, faulty tables and damaged files are `faults`.

    Raises
    ------
    InputError
        For a published set under another name than its readers look for, and a set that is generated.
    """
    name = with_name(folder).name
    faults = (
        [] if entry is None else [Fault(piece.pattern, f"missing: {piece.what}") for piece in entry.missing(folder)]
    )
    complete = not faults
    work: list[tuple[DataSection, Listing, list[Item]]] = []
    refusals: list[InputError] = []
    keys: set[tuple[Path, object]] = set()
    for section in sections:
        if section.dataset in modality_of(section).generated:
            found = f"one of {section.dataset}, whose samples are generated"
            raise InputError(folder, "a recipe that reads files", found, "name another with --recipe")
        sets = modality_of(section).sets
        expected = sets.get(section.dataset, name)
        if expected != name:
            todo = "rename it, or link to it under that name"
            raise InputError(folder, f"the name {expected}, where the reader of {section.dataset} looks", name, todo)
        try:
            # Without `skip_damaged` the listing would end at the first missing file.
            reader = reader_of(section.model_copy(update={"skip_damaged": True}))
            listing = reader.listing(with_name(folder).parent if section.dataset in sets else folder)
        except InputError as error:
            refusals.append(error)
            faults.append(Fault(_below(folder, error.where), f"expected {error.expected}, found {error.found}"))
            continue
        faults += [Fault(_below(folder, path), reason) for path, reason in listing.skipped_files]
        new = [item for item in listing.items if (item.path, item.inside) not in keys]
        keys |= {(item.path, item.inside) for item in new}
        work.append((section, listing, new))
    remarks: list[str] = []
    annotations: dict[str, NDArray[Any]] = {}
    damage = dict(_find_damage(work, progress, remarks, annotations))
    faults += [Fault(_place(folder, item), reason) for item, reason in damage.items()]
    outcomes = [_outcome(section, listing, damage, seed) for section, listing, _ in work]
    refusals += [error for error, _, _ in outcomes if error is not None]
    advice = next(
        (advice for _, _, advice in outcomes if "skip_damaged" not in advice), outcomes[0][2] if outcomes else ""
    )
    skippable = complete and len(outcomes) == len(sections) and "skip_damaged" in advice
    single = len(sections) == 1
    data = outcomes[0][1] if single and outcomes else None
    parts = {} if data is None else {"train": data.train, "validation": data.validation, "test": data.test}
    return CheckReport(
        folder=str(folder),
        set=None if entry is None else entry.name,
        modality=sections[0].modality,
        classes=len({name for _, listing, _ in work for name in listing.classes}),
        samples=dict(Counter[str](item.part or "unsplit" for _, _, items in work for item in items)),
        faults=tuple(dict.fromkeys(faults)),
        used={part: len(examples) for part, examples in parts.items()},
        damaged=len(damage) + sum(len(listing.skipped_files) for _, listing, _ in work),
        unread=dict(work[0][1].unread) if work else {},
        notes=(*(() if data is None else (*data.notes, *absent_classes(sections[0], data, annotations))), *remarks),
        refusal=refusals[0] if single and refusals else None,
        data=data,
        todo=f"{RESTORE}, or train without them: --set data.skip_damaged=true" if skippable else advice or RESTORE,
    )


def _find_damage(
    work: Sequence[tuple[DataSection, Listing, list[Item]]],
    progress: Progress | None,
    remarks: list[str],
    annotations: dict[str, NDArray[Any]],
) -> Iterator[tuple[Item, str]]:
    """Decodes every item; (item, reason) for each damaged one. What reading did to the others is added to `remarks`,
    and the different values of their annotations to `annotations`, by the samples' names.
    """
    count, total = 0, sum(len(items) for _, _, items in work)
    for section, _, items in work:
        before = count
        reader = reader_of(section)
        for count, (item, result) in enumerate(decode_items(reader, items, None), before + 1):
            if progress is not None:
                progress(count, total)
            if isinstance(result, str):
                yield item, result
            elif section.annotated:
                annotations[item.id] = np.unique(result.take(-1, annotation_axis(section)))
        remarks += remarks_of(reader)


def _outcome(
    section: DataSection, listing: Listing, damage: dict[Item, str], seed: int
) -> tuple[InputError | None, DataSet | None, str]:
    """What a run makes of a listing: (why it ends, the data set it reads, what to do about damaged files)."""
    faulty = [(item, damage[item]) for item in listing.items if item in damage]
    try:
        store = _store(section, listing, damage)
        advice = damage_advice(section, store, seed) if store.damaged_files or faulty else ""
        refuse_damaged(section, store, seed)
        data = split_store(section, store, seed)
    except InputError as error:
        return error, None, error.todo
    if section.stream and faulty:
        # They are met while the run goes on; one that is held out ends it in any case.
        held_out = {*data.validation.ids, *data.test.ids}
        fatal = [pair for pair in faulty if not section.skip_damaged or pair[0].id in held_out]
        advice = "restore it" if any(item.id in held_out for item, _ in faulty) else advice
        if fatal:
            return damaged_file_error(section, *fatal[0]), None, advice
    return None, data, advice


def _store(section: DataSection, listing: Listing, damage: dict[Item, str]) -> Store:
    """The samples as a run has them before they are split. Zeros stand for those that it decodes, unless they are
    annotated: a run looks at their annotations before it begins.
    """
    if section.stream:
        return listed_store(section, listing)
    readable = tuple(item for item in listing.items if item not in damage)
    store = listed_store(section, replace(listing, items=readable))
    shape, dtype = reader_of(section).sample
    return replace(
        store,
        inputs=store.inputs if section.annotated else np.broadcast_to(np.zeros((), dtype), (len(readable), *shape)),
        damaged_files=(
            *store.damaged_files,
            *(DamagedFile(place_of(item), damage[item]) for item in listing.items if item in damage),
        ),
    )


def _place(folder: Path, item: Item) -> str:
    return _below(folder, item.path) + (f"/{item.inside}" if isinstance(item.inside, str) else "")


def _below(folder: Path, where: str | Path) -> str:
    """A path relative to the folder."""
    return str(where).replace(f"{with_name(folder)}/", "").replace(f"{folder}/", "")
