"""Generated recordings, laid out on disk the way AudioSet, ESC-50 and Speech Commands are published."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.data.files import write_sound

Row = tuple[str, Sequence[int]]
"""Path of a recording as its list has it, and its classes."""
NAMES = ("Speech", "Male speech, man speaking", "Dog", "Rain", "Silence")
COLUMNS = ("index", "mid", "display_name")


def mid(number: int) -> str:
    """The code of a class, which says nothing of its number."""
    return f"/m/0{(7 * number + 3) % 1000:03d}x"


def write_class_table(path: Path, names: Sequence[str], columns: Sequence[str] = COLUMNS) -> None:
    """The csv that names the classes, its columns in any order."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        for number, name in enumerate(names):
            table.writerow({"index": number, "mid": mid(number), "display_name": name})


def write_list(path: Path, rows: Sequence[Row]) -> None:
    """The JSON list of some recordings."""
    entries = [{"wav": wav, "labels": ",".join(mid(label) for label in labels)} for wav, labels in rows]
    path.write_text(json.dumps({"data": entries}, indent=1), encoding="utf-8")


def write_audioset(
    root: Path,
    *,
    train: int = 12,
    evaluation: int = 4,
    classes: Sequence[str] = NAMES,
    train_list: str = "train_cleaned.json",
    absolute: bool = False,
    write: Callable[[Path, int], None] = write_sound,
) -> Path:
    """`root/audioset`: lists, class table and recordings; sample k has the classes k and, every other one, 2 k."""
    folder = root / "audioset"
    for part, name, count in (("train", train_list, train), ("eval", "eval_cleaned.json", evaluation)):
        (folder / f"{part}_wav").mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for number in range(count):
            path = folder / f"{part}_wav" / f"Y{part}{number:04d}.wav"
            write(path, number)
            labels = {number % len(classes), *([2 * number % len(classes)] if number % 2 else [])}
            rows.append((str(path) if absolute else path.relative_to(folder).as_posix(), sorted(labels)))
        write_list(folder / name, rows)
    write_class_table(folder / "class_labels_indices.csv", classes)
    return root


def write_esc50_folder(root: Path, *, classes: int = 2, per_fold: int = 1, name: str = "esc50") -> Path:
    """`root/esc50` as its authors publish it: `audio/` and `meta/esc50.csv`, five folds."""
    folder = root / name
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    with (folder / "meta" / "esc50.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("filename", "fold", "target", "category", "esc10", "src_file", "take"))
        for fold, label, take in _esc(classes, per_fold):
            file_name = f"{fold}-1000{label}-{chr(65 + take)}-{label}.wav"
            write_sound(folder / "audio" / file_name, 10 * label + fold)
            table.writerow((file_name, fold, label, f"class_{label}", "False", f"1000{label}", chr(65 + take)))
    return root


def write_esc50_json(root: Path, *, classes: int = 2, per_fold: int = 1) -> Path:
    """`root/esc50` as the published code reads it: for each fold a training list and an evaluation list."""
    folder = root / "esc50"
    (folder / "audio").mkdir(parents=True)
    rows: dict[int, list[Row]] = {fold: [] for fold in range(1, 6)}
    for fold, label, take in _esc(classes, per_fold):
        file_name = f"{fold}-1000{label}-{chr(65 + take)}-{label}.wav"
        write_sound(folder / "audio" / file_name, 10 * label + fold)
        rows[fold].append((f"audio/{file_name}", (label,)))
    for fold, held in rows.items():
        others = [row for other, actual in rows.items() for row in actual if other != fold]
        write_list(folder / f"esc_train_data_{fold}.json", others)
        write_list(folder / f"esc_eval_data_{fold}.json", held)
    write_class_table(folder / "esc_class_labels_indices.csv", [f"class_{label}" for label in range(classes)])
    return root


def _esc(classes: int, per_fold: int) -> list[tuple[int, int, int]]:
    return [(fold, label, take) for fold in range(1, 6) for label in range(classes) for take in range(per_fold)]


def write_speechcommands(root: Path, *, words: Sequence[str] = ("bed", "cat", "yes"), per_word: int = 6) -> Path:
    """`root/speechcommands` as its authors publish it: of each word the last file tests, the last but one validates."""
    folder = root / "speechcommands"
    held: dict[str, list[str]] = {"validation": [], "testing": []}
    for word, label, place in _spoken(words, per_word):
        (folder / word).mkdir(parents=True, exist_ok=True)
        # The same speaker says every word: file names come again in each folder.
        write_sound(folder / word / f"00{place}_nohash_0.wav", 10 * label + place, seconds=0.3)
        part = {per_word - 1: "testing", per_word - 2: "validation"}.get(place)
        if part is not None:
            held[part].append(f"{word}/00{place}_nohash_0.wav")
    for part, files in held.items():
        (folder / f"{part}_list.txt").write_text("\n".join(files) + "\n")
    (folder / "_background_noise_").mkdir()
    write_sound(folder / "_background_noise_" / "pink_noise.wav", 9)
    return root


def write_speechcommands_json(root: Path, *, words: Sequence[str] = ("bed", "cat", "yes"), per_word: int = 6) -> Path:
    """`root/speechcommands` as the published code reads it: three lists; the split of `write_speechcommands`."""
    write_speechcommands(root, words=words, per_word=per_word)
    folder = root / "speechcommands"
    rows: dict[str, list[Row]] = {"train": [], "valid": [], "eval": []}
    for word, label, place in _spoken(words, per_word):
        part = {per_word - 1: "eval", per_word - 2: "valid"}.get(place, "train")
        rows[part].append((f"./{word}/00{place}_nohash_0.wav", (label,)))
    for part, actual in rows.items():
        write_list(folder / f"speechcommand_{part}_data.json", actual)
    for name in ("validation_list.txt", "testing_list.txt"):
        (folder / name).unlink()
    write_class_table(folder / "speechcommands_class_labels_indices.csv", words, ("mid", "display_name", "index"))
    return root


def _spoken(words: Sequence[str], per_word: int) -> list[tuple[str, int, int]]:
    return [(word, label, place) for label, word in enumerate(words) for place in range(per_word)]
