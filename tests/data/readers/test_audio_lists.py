"""Published JSON lists of recordings: labels by their codes, paths, and every fault with its row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosspath.config.data import AudioData
from crosspath.data.readers.audio import AudioReader
from crosspath.data.readers.audio_lists import class_table
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.published_audio import NAMES, mid, write_audioset, write_class_table, write_list
from tests.errors import refused

SECTION = AudioData(dataset="audioset-20k", multi_label=True, frames=8, mels=8)


def change(root: Path, row: int, **values: Any) -> None:
    path = root / "audioset" / "train_cleaned.json"
    described = json.loads(path.read_text())
    described["data"][row].update(values)
    path.write_text(json.dumps(described))


def test_labels_are_those_of_the_codes_whatever_the_order_of_the_columns(tmp_path: Path) -> None:
    root = write_audioset(tmp_path, train=20)
    described = json.loads((root / "audioset" / "train_cleaned.json").read_text())["data"]
    codes = {mid(number): number for number in range(len(NAMES))}
    for columns in (("index", "mid", "display_name"), ("display_name", "index", "mid")):
        write_class_table(root / "audioset" / "class_labels_indices.csv", NAMES, columns)
        listing = AudioReader(SECTION).listing(root)
        assert listing.classes == NAMES
        actual = {item.id: item.label for item in listing.items if item.part == "train"}
        assert actual == {
            row["wav"]: tuple(sorted(codes[code] for code in row["labels"].split(","))) for row in described
        }
        assert any(len(labels) == 2 for labels in actual.values() if isinstance(labels, tuple))


def test_a_label_named_twice_counts_once(tmp_path: Path) -> None:
    root = write_audioset(tmp_path)
    change(root, 0, labels=f"{mid(3)}, {mid(1)},{mid(3)}")
    assert AudioReader(SECTION).listing(root).items[0].label == (1, 3)


def test_relative_paths_start_at_the_lists_folder_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_audioset(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    items = AudioReader(SECTION).listing(root).items
    assert items[0].path == root / "audioset" / "train_wav" / "Ytrain0000.wav"


def test_absolute_paths_give_the_same_ids_on_every_machine(tmp_path: Path) -> None:
    ids = []
    for place in ("here", "there/deep"):
        listing = AudioReader(SECTION).listing(write_audioset(tmp_path / place, absolute=True))
        ids.append([item.id for item in listing.items])
        assert all(item.path.is_absolute() for item in listing.items)
    assert ids[0] == ids[1]
    assert ids[0][0] == "train_wav/Ytrain0000.wav"
    assert len(set(ids[0])) == 16


def test_missing_recordings_are_reported_by_their_row_or_skipped_by_name(tmp_path: Path) -> None:
    root = write_audioset(tmp_path)
    for number in (4, 7):
        (root / "audioset" / "train_wav" / f"Ytrain{number:04d}.wav").unlink()
    with refused("train_cleaned.json row 5", "Ytrain0004.wav", "1"):
        load_data(SECTION, root, 0)
    for stream in (False, True):
        data = load_data(SECTION.model_copy(update={"skip_damaged": True, "stream": stream}), root, 0)
        assert [file.path.name for file in data.damaged_files] == ["Ytrain0004.wav", "Ytrain0007.wav"]
        assert "row 8" in data.damaged_files[1].reason
        assert len(data.train) + len(data.validation) == 10


def test_a_damaged_recording_is_reported_as_in_every_set(tmp_path: Path) -> None:
    root = write_audioset(tmp_path)
    path = root / "audioset" / "eval_wav" / "Yeval0001.wav"
    path.write_bytes(path.read_bytes()[:1000])
    with refused("Yeval0001.wav", "audio", "header"):
        load_data(SECTION, root, 0)
    data = load_data(SECTION.model_copy(update={"skip_damaged": True}), root, 0)
    assert [file.path for file in data.damaged_files] == [path]


@pytest.mark.parametrize("name", ["eval_wav/Yeval0001.wav", "./train_wav/../eval_wav/Yeval0001.wav"])
def test_a_recording_in_two_lists_is_a_leak_and_refused(tmp_path: Path, name: str) -> None:
    root = write_audioset(tmp_path)
    change(root, 2, wav=name)
    with refused("eval_cleaned.json row 2", "eval_wav/Yeval0001.wav", "train_cleaned.json", "3"):
        load_data(SECTION, root, 0)


@pytest.mark.parametrize(
    ("labels", "actual"),
    [("/m/unknown", "'/m/unknown'"), ("", "''"), (f"{mid(0)},", "''"), (f"{mid(0)};{mid(1)}", "'/m/0003x;/m/0010x'")],
)
def test_unknown_labels_are_reported_by_their_row(tmp_path: Path, labels: str, actual: str) -> None:
    root = write_audioset(tmp_path)
    change(root, 3, labels=labels)
    with pytest.raises(InputError) as caught:
        load_data(SECTION, root, 0)
    assert caught.value.where.endswith("train_cleaned.json row 4")
    assert caught.value.expected == "labels of class_labels_indices.csv"
    assert caught.value.found == actual


def test_several_labels_need_a_set_of_several_labels(tmp_path: Path) -> None:
    root = write_audioset(tmp_path)
    section = SECTION.model_copy(update={"multi_label": False})
    with refused("train_cleaned.json row 2", "1", "data.multi_label=true"):
        load_data(section, root, 0)


def test_one_label_each_gives_class_numbers(tmp_path: Path) -> None:
    root = write_audioset(tmp_path)
    for name, count in (("train", 12), ("eval", 4)):
        rows = [(f"{name}_wav/Y{name}{number:04d}.wav", (number % 4,)) for number in range(count)]
        write_list(root / "audioset" / f"{name}_cleaned.json", rows)
    data = load_data(SECTION.model_copy(update={"multi_label": False}), root, 0)
    assert data.test.labels.dtype == np.int64
    assert data.test.labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"train_cleaned\.json: expected a list of recordings in JSON, found Expecting"),
        ("[]", r'train_cleaned\.json: expected a list \{"data"'),
        ('{"data": []}', r"found an empty one"),
        ('{"data": [7]}', r"train_cleaned\.json row 1: expected strings `wav` and `labels`, found 7"),
        ('{"data": [{"wav": "a.wav", "labels": ["x"]}]}', r"row 1: expected strings"),
        ('{"data": [{"labels": "x"}]}', r"row 1: expected strings"),
        (b"\xff\xfe", r"train_cleaned\.json: expected a list of recordings in JSON"),
        (None, r"train_cleaned\.json: expected a list of recordings, found none"),
    ],
)
def test_a_faulty_list_is_reported_in_one_line(tmp_path: Path, content: str | bytes | None, message: str) -> None:
    root = write_audioset(tmp_path)
    path = root / "audioset" / "train_cleaned.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as caught:
        load_data(SECTION, root, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0,/m/a,A\n2,/m/b,B", r"the indices 0 to 1, found 2"),
        ("0,/m/a,A\n-1,/m/b,B", r"the indices 0 to 1, found -1"),
        ("0,/m/a,A\n0,/m/b,B", r"row 3: expected an index and a mid that no other row has, found index 0, mid /m/b"),
        ("0,/m/a,A\n1,/m/a,B", r"row 3: expected an index and a mid that no other row has"),
        ("0,/m/a,A\nx,/m/b,B", r"row 3: expected a whole number in `index`"),
    ],
)
def test_a_faulty_class_table_is_reported(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(f"index,mid,display_name\n{rows}\n")
    with pytest.raises(InputError, match=message):
        class_table(tmp_path / "t.csv")


def test_names_may_hold_commas_and_come_twice(tmp_path: Path) -> None:
    names = ("A, b", "A, b", 'c "d"')
    write_class_table(tmp_path / "t.csv", names)
    assert class_table(tmp_path / "t.csv") == ({mid(0): 0, mid(1): 1, mid(2): 2}, names)
