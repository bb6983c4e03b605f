"""AudioSet, ESC-50 and Speech Commands as they are published, in every layout, with their parts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from crosspath.config.data import AudioData
from crosspath.data.examples import DataSet
from crosspath.data.readers.audio import AudioReader
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.published_audio import (
    write_audioset,
    write_esc50_folder,
    write_esc50_json,
    write_speechcommands,
    write_speechcommands_json,
)
from tests.errors import refused

AUDIOSET = AudioData(dataset="audioset-20k", multi_label=True, frames=8, mels=8)
ESC = AudioData(dataset="esc50", frames=8, mels=8)
COMMANDS = AudioData(dataset="speechcommands", frames=8, mels=8)


def parts(data: DataSet) -> dict[str, dict[str, str]]:
    """{part: {file name with its folder where names come again: class}}."""
    return {
        name: {
            file.removeprefix("audio/"): data.classes[label] for file, label in zip(part.ids, part.labels, strict=True)
        }
        for name, part in (("train", data.train), ("val", data.validation), ("test", data.test))
    }


def test_audioset_has_labels_of_zeros_and_ones(tmp_path: Path) -> None:
    data = load_data(AUDIOSET, write_audioset(tmp_path), 0)
    for part in (data.train, data.validation, data.test):
        assert part.labels.dtype == np.uint8
        assert part.labels.shape == (len(part), 5)
    assert data.test.ids[3] == "eval_wav/Yeval0003.wav"
    assert data.test.labels[3].tolist() == [0, 1, 0, 1, 0]


def test_fault_epochs_were_chosen_on_the_evaluation_list(tmp_path: Path) -> None:
    data = load_data(AUDIOSET, write_audioset(tmp_path, train=30, evaluation=5), 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [27, 3, 5]
    assert {name.split("/")[0] for name in data.train.ids + data.validation.ids} == {"train_wav"}
    assert {name.split("/")[0] for name in data.test.ids} == {"eval_wav"}
    assert not set(data.train.ids) & set(data.validation.ids)


def test_the_small_and_the_large_list(tmp_path: Path) -> None:
    root = write_audioset(tmp_path, train=10)
    write_audioset(tmp_path, train=20, train_list="train_all.json")
    large = AUDIOSET.model_copy(update={"dataset": "audioset-2m"})
    for section, count in ((AUDIOSET, 10), (large, 20)):
        data = load_data(section, root, 0)
        assert len(data.train) + len(data.validation) == count


def test_few_labels_of_a_set_of_several_labels_are_refused(tmp_path: Path) -> None:
    section = AUDIOSET.model_copy(update={"labels_per_class": 2})
    with refused("data.labels_per_class", "class", "label"):
        load_data(section, write_audioset(tmp_path), 0)


def test_a_class_that_no_training_sample_has_is_reported(tmp_path: Path) -> None:
    root = write_audioset(tmp_path, classes=("a", "b", "c", "d", "e", "never"), train=4)
    path = root / "audioset" / "train_cleaned.json"
    described = json.loads(path.read_text())
    for row in described["data"]:
        row["labels"] = described["data"][1]["labels"]
    path.write_text(json.dumps(described))
    notes = load_data(AUDIOSET, root, 0).notes
    assert notes == ("no training sample of class a, d, e, never", "no validation sample of class a, d")


def test_the_fingerprint_is_of_every_label(tmp_path: Path) -> None:
    root = write_audioset(tmp_path)
    first = load_data(AUDIOSET, root, 0).fingerprint
    assert load_data(AUDIOSET, root, 1).fingerprint == first
    path = root / "audioset" / "train_cleaned.json"
    described = json.loads(path.read_text())
    described["data"][0]["labels"] = described["data"][1]["labels"]
    path.write_text(json.dumps(described))
    assert load_data(AUDIOSET, root, 0).fingerprint != first


def test_decoded_sets_of_several_labels_come_back_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_audioset(tmp_path)
    section = AUDIOSET.model_copy(update={"cache_folder": tmp_path / "cache"})
    first = load_data(section, root, 0)
    monkeypatch.setattr(AudioReader, "wave_of", lambda *_: pytest.fail("decoded again"))
    second = load_data(section, root, 0)
    for part in ("train", "validation", "test"):
        assert getattr(first, part).ids == getattr(second, part).ids
        assert np.array_equal(getattr(first, part).labels, getattr(second, part).labels)
        assert getattr(second, part).labels.dtype == np.uint8


def test_another_reading_of_the_labels_is_another_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the files are absent, a prepared cache must not give labels of the other kind.
    root = write_esc50_folder(tmp_path)
    section = ESC.model_copy(update={"cache_folder": tmp_path / "cache"})
    load_data(section, root, 0)
    shutil.rmtree(root / "esc50")
    monkeypatch.delenv("CROSSPATH_DATA", raising=False)
    monkeypatch.setattr("crosspath.modalities.load.data_root", lambda named: tmp_path / "nowhere")
    assert load_data(section, None, 0).train.labels.ndim == 1
    with refused("esc50", "folder"):
        load_data(section.model_copy(update={"multi_label": True}), None, 0)


def test_esc50_reads_the_same_from_both_layouts(tmp_path: Path) -> None:
    by_table = load_data(ESC, write_esc50_folder(tmp_path / "a", classes=3, per_fold=2), 0)
    by_lists = load_data(ESC, write_esc50_json(tmp_path / "b", classes=3, per_fold=2), 0)
    assert by_table.classes == by_lists.classes == ("class_0", "class_1", "class_2")
    assert parts(by_table) == parts(by_lists)
    assert [len(part) for part in (by_table.train, by_table.validation, by_table.test)] == [18, 6, 6]
    assert {name[0] for name in parts(by_table)["test"]} == {"5"}
    assert {name[0] for name in parts(by_table)["val"]} == {"4"}


@pytest.mark.parametrize("write", [write_esc50_folder, write_esc50_json])
def test_folds_may_be_chosen(tmp_path: Path, write: object) -> None:
    assert callable(write)
    root = write(tmp_path)
    data = load_data(ESC.model_copy(update={"test_fold": 1, "validation_fold": 3}), root, 0)
    assert {name[0] for name in parts(data)["test"]} == {"1"}
    assert {name[0] for name in parts(data)["val"]} == {"3"}
    with refused("data.test_fold", "1", "2", "3"):
        load_data(ESC.model_copy(update={"test_fold": 6}), root, 0)
    with refused("data.validation_fold", "fold"):
        load_data(ESC.model_copy(update={"test_fold": 4}), root, 0)


def test_the_table_of_esc50_goes_before_lists(tmp_path: Path) -> None:
    write_esc50_folder(tmp_path)
    write_esc50_json(tmp_path / "lists")
    for path in (tmp_path / "lists" / "esc50").glob("esc_*"):
        path.rename(tmp_path / "esc50" / path.name)
    assert load_data(ESC, tmp_path, 0).test.ids[0] == "5-10000-A-0.wav"


def test_neither_layout_of_esc50_is_reported(tmp_path: Path) -> None:
    (tmp_path / "esc50").mkdir()
    with refused("esc50", "meta/esc50.csv", "audio/", "esc_eval_data_1.json"):
        load_data(ESC, tmp_path, 0)
    (tmp_path / "esc50" / "esc_eval_data_all.json").write_text("{}")
    with refused("esc_eval_data_all.json", "esc_eval_data_<fold>"):
        load_data(ESC, tmp_path, 0)


def test_a_set_of_one_label_each_may_be_read_as_one_of_several(tmp_path: Path) -> None:
    root = write_esc50_folder(tmp_path)
    one, several = (load_data(ESC.model_copy(update={"multi_label": flag}), root, 0) for flag in (False, True))
    np.testing.assert_array_equal(several.train.labels, np.eye(2, dtype=np.uint8)[one.train.labels])
    assert [one.train.ids, one.validation.ids] == [several.train.ids, several.validation.ids]


def test_speech_commands_reads_the_same_from_both_layouts(tmp_path: Path) -> None:
    by_folders = load_data(COMMANDS, write_speechcommands(tmp_path / "a"), 0)
    by_lists = load_data(COMMANDS, write_speechcommands_json(tmp_path / "b"), 0)
    assert by_folders.classes == by_lists.classes == ("bed", "cat", "yes")
    assert parts(by_folders) == parts(by_lists)
    for name, numbers in (("train", "0123"), ("val", "4"), ("test", "5")):
        assert parts(by_folders)[name] == {
            f"{word}/00{number}_nohash_0.wav": word for word in by_folders.classes for number in numbers
        }


def test_faulty_lists_of_speech_commands_are_reported(tmp_path: Path) -> None:
    folder = write_speechcommands(tmp_path) / "speechcommands"
    whole = (folder / "testing_list.txt").read_text()
    for line, message in (
        ("bed/none.wav", r"testing_list\.txt row 4: .*none\.wav, which is missing"),
        ("bed/004_nohash_0.wav", r"testing_list\.txt row 4: .*also in .*validation_list\.txt row 1"),
        ("_background_noise_/pink_noise.wav", r"testing_list\.txt row 4: expected a \.wav file in a word's folder"),
    ):
        (folder / "testing_list.txt").write_text(whole + line + "\n")
        with pytest.raises(InputError, match=message):
            load_data(COMMANDS, tmp_path, 0)
    (folder / "testing_list.txt").unlink()
    with refused("testing_list.txt"):
        load_data(COMMANDS, tmp_path, 0)
    (folder / "testing_list.txt").write_text(whole)
    (folder / "marvin").mkdir()
    with refused("marvin"):
        load_data(COMMANDS, tmp_path, 0)


@pytest.mark.parametrize("section", [AUDIOSET, ESC, COMMANDS], ids=lambda section: section.dataset)
def test_a_missing_folder_is_named(tmp_path: Path, section: AudioData) -> None:
    with refused("", "found none", "--data"):
        load_data(section, tmp_path, 0)


def test_a_row_of_the_esc_table_that_contradicts_another_is_refused(tmp_path: Path) -> None:
    root = write_esc50_folder(tmp_path)
    table = root / "esc50" / "meta" / "esc50.csv"
    header, *rows = table.read_text().splitlines()
    first = rows[0].split(",")
    table.write_text("\n".join((header, *rows, rows[0])) + "\n")
    with refused(f"esc50.csv row {len(rows) + 2}", "esc50.csv row 2"):
        load_data(ESC, tmp_path, 0)
    other = rows[-1].split(",")
    assert header.split(",")[2:4] == ["target", "category"]
    other[2] = first[2]
    table.write_text("\n".join((header, *rows[:-1], ",".join(other))) + "\n")
    with refused(f"esc50.csv row {len(rows) + 1}", first[3], other[3]):
        load_data(ESC, tmp_path, 0)


def test_files_of_a_word_in_other_formats_are_counted(tmp_path: Path) -> None:
    folder = write_speechcommands(tmp_path) / "speechcommands"
    before = load_data(COMMANDS, tmp_path, 0)
    shutil.copy(next((folder / "bed").glob("*.wav")), folder / "bed" / "upper.WAV")
    for name in ("a.flac", "b.txt", ".hidden"):
        (folder / "cat" / name).touch()
    after = load_data(COMMANDS, tmp_path, 0)
    assert len(after.train) == len(before.train) + 1
    assert dict(after.unread) == {".flac": 1, ".txt": 1}
