"""The table of known sets: it fits the readers, names nothing twice, and states what it states in full."""

import re
from pathlib import Path

import pytest

from crosspath.catalogue.sets import PUBLISHED_SETS, find_set
from crosspath.config.data import AudioData, ImageData, PointData, SeriesData, TextData, VideoData
from crosspath.data.places import SET_FOLDERS
from crosspath.errors import InputError
from crosspath.modalities.load import reader_of
from tests.errors import refused

every_set = pytest.mark.parametrize("name", PUBLISHED_SETS)
SECTIONS = {
    "image": ImageData,
    "audio": AudioData,
    "point": PointData,
    "video": VideoData,
    "series": SeriesData,
    "text": TextData,
}


def test_every_published_set_that_readers_know_is_in_the_table() -> None:
    assert sorted(dataset for entry in PUBLISHED_SETS.values() for dataset in entry.datasets) == sorted(SET_FOLDERS)


@every_set
def test_a_set_can_be_had_by_download_or_by_steps(name: str) -> None:
    entry = PUBLISHED_SETS[name]
    assert bool(entry.archives) != bool(entry.steps)
    assert re.fullmatch(r"https://\S+", entry.terms)
    assert entry.licence
    assert entry.pieces
    for archive in entry.archives:
        assert re.fullmatch(r"https?://\S+", archive.address)
        assert archive.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", archive.sha256)
        assert archive.name.endswith((".zip", ".tar.gz", ".rar"))


@every_set
def test_its_datasets_share_a_folder_and_a_modality(name: str) -> None:
    entry = PUBLISHED_SETS[name]
    assert {SET_FOLDERS[dataset] for dataset in entry.datasets} == {entry.folder}
    for dataset in entry.datasets:
        assert SECTIONS[entry.modality].model_validate({"dataset": dataset}).dataset == dataset
    assert set(entry.variants) <= set(entry.datasets) or len(entry.datasets) == 1


@every_set
def test_its_reader_names_the_same_folder_and_first_pieces(name: str, tmp_path: Path) -> None:
    """An empty data root and an empty folder: what the reader asks for is in the tree that is shown."""
    entry = PUBLISHED_SETS[name]
    reader = reader_of(SECTIONS[entry.modality].model_validate({"dataset": entry.datasets[0]}))
    with pytest.raises(InputError) as caught:
        reader.listing(tmp_path)
    assert caught.value.where.startswith(str(tmp_path / entry.folder))
    (tmp_path / entry.folder).mkdir()
    with pytest.raises(InputError) as caught:
        reader.listing(tmp_path)
    expected = f"{caught.value.where.removeprefix(str(tmp_path / entry.folder))} {caught.value.expected}"
    assert any(Path(piece.pattern).parts[0].strip("*") in expected for piece in entry.pieces)


def test_a_set_is_found_by_name_dataset_and_folder() -> None:
    assert find_set("modelnet40") is find_set("modelnet40_normal_resampled") is PUBLISHED_SETS["modelnet40"]
    assert find_set("grid") is find_set("grid_s1") is PUBLISHED_SETS["grid_s1"]
    assert find_set("scanobjectnn-hardest") is PUBLISHED_SETS["scanobjectnn"]
    with refused("NAME", "esc50"):
        find_set("esc5")
    with refused("NAME", "crosspath data list"):
        find_set("qqqq")


@pytest.mark.parametrize("name", ["cifar10", "esc10", "fsdd", "grid_s1", "modelnet10", "banking77"])
def test_the_real_folders_have_every_piece(name: str, data_root: Path) -> None:
    assert PUBLISHED_SETS[name].missing(data_root / name) == ()
    assert PUBLISHED_SETS[name].here(data_root / name) == PUBLISHED_SETS[name].datasets


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_one_whole_variant_is_enough(tmp_path: Path) -> None:
    entry = PUBLISHED_SETS["audioset"]
    folder = touched(tmp_path, "class_labels_indices.csv", "eval_cleaned.json")
    assert [piece.pattern for piece in entry.missing(folder)] == ["train_cleaned.json"]
    assert entry.here(folder) == ()
    touched(folder, "train_all.json")
    assert entry.missing(folder) == ()
    assert entry.here(folder) == ("audioset-2m",)


def test_other_layouts_of_one_dataset_count(tmp_path: Path) -> None:
    entry = PUBLISHED_SETS["esc50"]
    folder = touched(tmp_path, "esc_class_labels_indices.csv", "esc_eval_data_1.json")
    assert entry.missing(folder) == ()
    assert entry.here(folder) == ("esc50",)
    (folder / "esc_eval_data_1.json").unlink()
    assert entry.here(folder) == ()
    assert [piece.pattern for piece in entry.missing(folder)] == ["esc_eval_data_*.json"]
