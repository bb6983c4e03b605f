"""Labels in the columns of tables: numbers, and several labels a sample, for files of every modality."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosspath.config.data import DataSection
from crosspath.data.label_cells import cell_labels, label_columns
from crosspath.modalities import MODALITIES
from crosspath.modalities.load import load_data, with_absolute_folder
from tests.errors import refused

NUMBERS = DataSection(modality="", label_kind="numbers", label_columns=("a", "b"))
MARKS = DataSection(modality="", multi_label=True, label_columns=("cat", "dog"))
TABLE = Path("t.csv")


def test_cells_become_numbers_a_column_each() -> None:
    names, labels = cell_labels(NUMBERS, {"a": ["1", " -2.5 ", "3e2"], "b": ["0", "1", "2"]}, [2, 3, 4], TABLE)
    assert names == ("a", "b")
    assert labels == [(1.0, 0.0), (-2.5, 1.0), (300.0, 2.0)]


@pytest.mark.parametrize("cell", ["", "nan", "NA", "?", "inf", "1e39", "tall", "1,5", "1 000", "1_50", "\uff11"])
def test_a_cell_without_a_finite_number_is_refused_with_its_row(cell: str) -> None:
    with refused("t.csv row 7", "`b`"):
        cell_labels(NUMBERS, {"a": ["1", "2"], "b": ["0", cell]}, [2, 7], TABLE)


def test_numbers_that_32_bits_cannot_tell_apart_are_refused() -> None:
    seconds = [str(1.7e9 + second) for second in range(5)]
    with refused("t.csv column a", "1700000004"):
        cell_labels(NUMBERS, {"a": seconds, "b": list("01234")}, range(2, 7), TABLE)
    shifted = [str(second) for second in range(5)]
    assert len(cell_labels(NUMBERS, {"a": shifted, "b": list("01234")}, range(2, 7), TABLE)[1]) == 5


def test_columns_of_marks_become_several_labels() -> None:
    cells = {"cat": ["1", "0", "True"], "dog": ["yes", "0.0", "no"]}
    assert cell_labels(MARKS, cells, [2, 3, 4], TABLE) == (("cat", "dog"), [(0, 1), (), (0,)])
    for cell in ("", "2", "maybe"):
        with refused("t.csv row 9", "`dog`", "0 or 1"):
            cell_labels(MARKS, {"cat": ["1"], "dog": [cell]}, [9], TABLE)


def test_columns_are_listed_once_each() -> None:
    for columns in ((), ("a", "a")):
        with refused("data.label_columns"):
            label_columns(NUMBERS.model_copy(update={"label_columns": columns}), "label")


def write_picture(path: Path, number: int) -> None:
    from PIL import Image

    Image.fromarray(np.full((8, 8, 3), 10 * number, np.uint8)).save(path)


def write_sound(path: Path, number: int) -> None:
    import soundfile

    soundfile.write(path, np.sin(np.arange(4000) * 0.01 * (number + 1)), 16000)


def write_clip(path: Path, number: int) -> None:
    from PIL import Image

    frames = [Image.fromarray(np.full((8, 8, 3), 20 * number + time, np.uint8)) for time in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)


def write_array(path: Path, number: int) -> None:
    np.save(path, np.random.default_rng(number).standard_normal((40, 3)))


FILES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "image": (".png", write_picture, {"image_size": 8}),
    "audio": (".wav", write_sound, {"frames": 16, "mels": 16}),
    "point": (".npy", write_array, {"points": 16}),
    "video": (".gif", write_clip, {"frames": 2, "image_size": 8}),
    "series": (".npy", write_array, {"length": 16}),
}
TEXTS = ("a b", "c d", "e f")


def samples(modality: str, folder: Path, header: str, rows: list[str]) -> dict[str, Any]:
    """Files with a table beside them, or a table of texts; the settings to read them."""
    folder.mkdir()
    if modality == "text":
        lines = [f"text,{header}", *(f"{TEXTS[number % 3]} {number},{row}" for number, row in enumerate(rows))]
        (folder / "all.csv").write_text("\n".join(lines))
        return {"length": 8, "dataset": "folder"}
    suffix, write, settings = FILES[modality]
    for number in range(len(rows)):
        write(folder / f"{number}{suffix}", number)
    lines = [f"file,{header}", *(f"{number}{suffix},{row}" for number, row in enumerate(rows))]
    (folder / "labels.csv").write_text("\n".join(lines))
    return settings


def load(modality: str, folder: Path, **values: Any) -> Any:
    section = MODALITIES[modality].data_section({"folder": folder, **values})
    return load_data(with_absolute_folder(section, None), None, 0)


MODALITY_NAMES = ("image", "audio", "point", "video", "series", "text")


@pytest.mark.parametrize("modality", MODALITY_NAMES)
def test_numbers_of_a_table_come_with_the_samples_of_every_modality(modality: str, tmp_path: Path) -> None:
    rows = [f"{number}.5,{-number}" for number in range(12)]
    settings = samples(modality, tmp_path / "own", "height (cm),age", rows)
    columns = {"label_kind": "numbers", "label_columns": ("height (cm)", "age")}
    data = load(modality, tmp_path / "own", **settings, **columns)
    assert data.classes == ("height (cm)", "age")
    for part, count in ((data.train, 9), (data.validation, 1), (data.test, 2)):
        assert part.labels.dtype == np.float32
        assert len(part) == count
        for name, (height, age) in zip(part.ids, part.labels.tolist(), strict=True):
            row = int(name.rpartition("/")[2]) - 2 if modality == "text" else int(Path(name).stem)
            assert (height, age) == (row + 0.5, -row)
    assert any("height (cm), age are predicted" in note for note in data.notes)
    assert load(modality, tmp_path / "own", **settings, **columns).fingerprint == data.fingerprint
    with refused("data.labels_per_class", "data.labels_in_all"):
        load(modality, tmp_path / "own", **settings, **columns, labels_per_class=2)
    few = load(modality, tmp_path / "own", **settings, **columns, labels_in_all=4)
    assert (len(few.train), len(few.test)) == (4, 2)
    fold = load(modality, tmp_path / "own", **settings, **columns, held_out_fold=(0, 5))
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (8, 2, 2)


@pytest.mark.parametrize("modality", MODALITY_NAMES)
def test_several_labels_stand_in_one_column_or_a_column_each(modality: str, tmp_path: Path) -> None:
    marks = [f"{number % 2},{number % 3 // 2},1" for number in range(12)]
    names = [
        ";".join(name for name, mark in zip(("cat", "dog", "pig"), row.split(","), strict=True) if mark == "1")
        for row in marks
    ]
    own = {"multi_label": True}
    csv = {} if modality == "text" else {"csv": "labels.csv"}
    wide = samples(modality, tmp_path / "wide", "cat,dog,pig", marks)
    narrow = samples(modality, tmp_path / "narrow", "label", names)
    one = load(modality, tmp_path / "wide", **wide, **own, **csv, label_columns=("cat", "dog", "pig"))
    two = load(modality, tmp_path / "narrow", **narrow, **own, **csv)
    assert one.classes == two.classes == ("cat", "dog", "pig")
    assert one.train.labels.dtype == np.uint8
    assert one.train.ids == two.train.ids
    assert np.array_equal(one.train.labels, two.train.labels)
    assert one.train.labels[:, 2].all()
    assert not one.train.labels[:, 0].all()


@pytest.mark.parametrize("modality", MODALITY_NAMES)
def test_numbers_without_a_table_are_refused_with_how_to_write_one(modality: str, tmp_path: Path) -> None:
    header = "text,label" if modality == "text" else "file,label"
    (tmp_path / "dogs").mkdir()
    settings = {"dataset": "folder"} if modality == "text" else FILES[modality][2]
    with refused(tmp_path, "labels.csv", header):
        load(modality, tmp_path, **settings, label_kind="numbers")


def test_several_tables_are_not_guessed_between(tmp_path: Path) -> None:
    settings = samples("image", tmp_path / "own", "label", ["1", "2", "3"])
    (tmp_path / "own" / "labels.csv").rename(tmp_path / "own" / "one.csv")
    assert load("image", tmp_path / "own", **settings, label_kind="numbers").classes == ("label",)
    (tmp_path / "own" / "two.csv").write_text("file,label\n")
    with refused(tmp_path / "own", "one.csv, two.csv", "data.csv"):
        load("image", tmp_path / "own", **settings, label_kind="numbers")


def test_series_in_one_table_in_an_archive_and_in_arrays_have_numbers(tmp_path: Path) -> None:
    values = {"label_kind": "numbers", "length": 4}
    (tmp_path / "all.csv").write_text("x0;x1;x2;x3;age\n" + "\n".join(f"{n};1;2;3;{n},5" for n in range(9)))
    table = load("series", tmp_path, **values, table="all.csv", label_column="age")
    assert sorted(np.concatenate([part.labels for part in (table.train, table.validation, table.test)])[:, 0]) == [
        n + 0.5 for n in range(9)
    ]
    (tmp_path / "ts").mkdir()
    cases = "\n".join(f"1,2,3,{n}:{n}.25" for n in range(9))
    (tmp_path / "ts" / "t.ts").write_text(f"@univariate true\n@targetLabel true\n@data\n{cases}\n")
    archive = load("series", tmp_path / "ts", **values)
    assert set(archive.train.labels[:, 0] % 1) == {0.25}
    with refused("t.ts", "objective=regression"):
        load("series", tmp_path / "ts", length=4)
    (tmp_path / "npz").mkdir()
    np.savez(tmp_path / "npz" / "a.npz", X=np.random.default_rng(0).random((9, 4)), y=np.arange(18.0).reshape(9, 2))
    arrays = load("series", tmp_path / "npz", **values, table="a.npz")
    assert arrays.classes == ("label 0", "label 1")
    assert (arrays.train.labels[:, 1] - arrays.train.labels[:, 0] == 1).all()
