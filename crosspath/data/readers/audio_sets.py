"""The audio sets that recipes read by name, as their publishers and the published code lay them out.

ESC and Speech Commands exist in two layouts: with the publisher's tables, which are read if present, or with the JSON
lists of AST and AudioMAE (`audio_lists.py`). Both give the same split.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from crosspath.config.data import AudioData
from crosspath.data.folders import folder_below, is_hidden, no_files_error
from crosspath.data.items import Item, Listing, Part, file_stamp
from crosspath.data.listed_files import file_identity, refuse_duplicate, require_file
from crosspath.data.readers.audio_lists import list_recordings
from crosspath.data.table_rows import read_table, whole_number
from crosspath.data.tables import table_items
from crosspath.data.text_files import numbered_lines
from crosspath.errors import InputError

AUDIOSET_CLASSES = "class_labels_indices.csv"
ESC_CLASSES = "esc_class_labels_indices.csv"
ESC_LIST = "esc_eval_data_{}.json"
COMMANDS_CLASSES = "speechcommands_class_labels_indices.csv"
COMMANDS_LISTS: tuple[tuple[Part, str], ...] = (
    ("train", "speechcommand_train_data.json"),
    ("val", "speechcommand_valid_data.json"),
    ("test", "speechcommand_eval_data.json"),
)
COMMANDS_TABLES: tuple[tuple[Part, str], ...] = (("val", "validation_list.txt"), ("test", "testing_list.txt"))


def audioset(train: str, section: AudioData, folder: Path) -> Listing:
    """AudioSet below `audioset`: the training list `train`, and `eval_cleaned.json` as test part.

    Published code selects epochs on the evaluation list that it reports. Here the validation part is held out of
    training, by hashes of the recordings' names.
    """
    root = folder_below(folder, "audioset", f"{train}, eval_cleaned.json and {AUDIOSET_CLASSES}")
    return list_recordings(
        section, (("train", root / train), ("test", root / "eval_cleaned.json")), root / AUDIOSET_CLASSES
    )


def esc(name: str, section: AudioData, folder: Path) -> Listing:
    """ESC-10 or ESC-50 below `name`, in five folds: `data.test_fold` is the test part, `data.validation_fold` the
    validation part.

    `meta/esc50.csv` and `audio/` are read if present, else the evaluation lists `esc_eval_data_1.json` to
    `esc_eval_data_5.json`, each of which is one fold. The training lists add nothing.
    """
    root = folder_below(folder, name, "meta/esc50.csv and audio/")
    table = root / "meta" / "esc50.csv"
    if name == "esc10" or table.is_file():
        return _esc_table(section, root, table)
    paths = {_fold(path): path for path in root.glob(ESC_LIST.format("*"))}
    if not paths:
        expected = f"meta/esc50.csv and audio/, or {ESC_LIST.format(1)} to {ESC_LIST.format(5)}"
        raise InputError(root, expected, "neither", "check the data folder")
    parts = _fold_parts(section, paths)
    lists = [(parts.get(fold, "train"), paths[fold]) for fold in sorted(paths)]
    return list_recordings(section, lists, root / ESC_CLASSES)


def speech_commands(section: AudioData, folder: Path) -> Listing:
    """Speech Commands below `speechcommands`: a folder for each word, with the files of the held-out parts listed in
    `validation_list.txt` and `testing_list.txt`, without `_background_noise_`; else the three JSON lists.
    """
    root = folder_below(folder, "speechcommands", "a folder for each word, validation_list.txt and testing_list.txt")
    if any((root / name).is_file() for _, name in COMMANDS_TABLES):
        return _words(root)
    return list_recordings(section, [(part, root / name) for part, name in COMMANDS_LISTS], root / COMMANDS_CLASSES)


def spoken_digits(section: AudioData, folder: Path) -> Listing:
    """The Free Spoken Digit Dataset below `fsdd`: `metadata.csv` and `recordings/`."""
    root = folder_below(folder, "fsdd", "metadata.csv and recordings/")
    return table_items(root, "metadata.csv", "filename", "digit", "split", below="recordings")


PUBLISHED_SETS: Mapping[str, Callable[[AudioData, Path], Listing]] = {
    "esc10": partial(esc, "esc10"),
    "esc50": partial(esc, "esc50"),
    "fsdd": spoken_digits,
    "audioset-20k": partial(audioset, "train_cleaned.json"),
    "audioset-2m": partial(audioset, "train_all.json"),
    "speechcommands": speech_commands,
}
"""Functions of the section and the data root, by `data.dataset`."""


def _esc_table(section: AudioData, root: Path, table: Path) -> Listing:
    """The samples of the table; classes in the order of their published numbers."""
    rows = list(read_table(table, ("filename", "fold", "target", "category")))
    names: dict[int, str] = {}
    for line, row in rows:
        target = whole_number(row, "target", table, line)
        if names.setdefault(target, row["category"]) != row["category"]:
            found = f"{row['category']}, and {names[target]} above"
            raise InputError(f"{table} row {line}", f"one category of target {target}", found, "correct the row")
    folds = [whole_number(row, "fold", table, line) for line, row in rows]
    parts = _fold_parts(section, set(folds))
    targets = sorted(names)
    items = []
    first_rows: dict[str, str] = {}
    for (line, row), fold in zip(rows, folds, strict=True):
        path = require_file(root / "audio" / row["filename"], table, line)
        refuse_duplicate(first_rows, row["filename"], f"{table} row {line}", identity=file_identity(path))
        items.append(
            Item(
                id=row["filename"],
                label=targets.index(int(row["target"])),
                part=parts.get(fold, "train"),
                path=path,
                stamp=file_stamp(path),
            )
        )
    return Listing(tuple(names[target] for target in targets), tuple(items))


def _fold(path: Path) -> int:
    number = path.stem.rpartition("_")[2]
    if not number.isdecimal():
        raise InputError(path, f"a list named {ESC_LIST.format('<fold>')}", path.name, "rename or remove it")
    return int(number)


def _fold_parts(section: AudioData, folds: Iterable[int]) -> dict[int, Part]:
    """The held-out folds and their parts; all others are training."""
    numbers = sorted(folds)
    test, validation = section.test_fold, section.validation_fold
    for name, fold in (("data.test_fold", test), ("data.validation_fold", validation)):
        if fold not in numbers:
            raise InputError(name, f"one of {', '.join(map(str, numbers))}", str(fold), f"change {name}")
    if test == validation:
        raise InputError("data.validation_fold", "another fold than data.test_fold", str(test), "change one of the two")
    return {test: "test", validation: "val"}


def _words(root: Path) -> Listing:
    words = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(("_", ".")))
    parts: dict[str, Part] = {}
    first_places: dict[str, str] = {}
    for part, name in COMMANDS_TABLES:
        for line, file in numbered_lines(root / name, "file names, one on each line"):
            path = require_file(root / file, root / name, line)
            refuse_duplicate(first_places, file, f"{root / name} row {line}", identity=file_identity(path))
            parts[file] = part
    items = []
    unread = Counter[str]()
    for number, word in enumerate(words):
        files = sorted(path for path in (root / word).iterdir() if path.is_file() and not is_hidden([path.name]))
        paths = [path for path in files if path.suffix.lower() == ".wav"]
        unread.update(path.suffix.lower() or "without suffix" for path in files if path.suffix.lower() != ".wav")
        if not paths:
            raise no_files_error(root / word, "recordings", (".wav",))
        for path in paths:
            file = f"{word}/{path.name}"
            items.append(Item(id=file, label=number, part=parts.pop(file, "train"), path=path, stamp=file_stamp(path)))
    if parts:  # a listed file outside the words' folders
        file = min(parts)
        raise InputError(
            first_places[file_identity(root / file)], "a .wav file in a word's folder", file, "remove the row"
        )
    return Listing(tuple(words), tuple(items), unread=tuple(sorted(unread.items())))
