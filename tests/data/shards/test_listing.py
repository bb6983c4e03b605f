"""Sets in tar files: read like single files, in any order, indexed once, local or elsewhere."""

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from crosspath.config.augment import AudioAugment, Augment, ImageAugment, PointAugment, VideoAugment
from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.data.examples import DataSet
from crosspath.data.items import DamageError, Listing
from crosspath.data.shards import listing as shards
from crosspath.data.shards.listing import read_member
from crosspath.data.streaming.samples import StreamedSamples, training_batches
from crosspath.errors import InputError
from crosspath.modalities.load import load_data, read_file, reader_of, with_absolute_folder
from tests.data.published_shards import write_shards
from tests.errors import refused

MODALITIES: dict[str, tuple[Data, Augment]] = {
    "image": (ImageData(image_size=8), ImageAugment()),
    "audio": (AudioData(frames=8, mels=8), AudioAugment()),
    "point": (PointData(points=16), PointAugment()),
    "video": (VideoData(frames=2, image_size=8), VideoAugment()),
}
every_modality = pytest.mark.parametrize("modality", MODALITIES)
TRAIN = "train-{000..001}.tar"


def section(modality: str, folder: Path | None, /, **changes: Any) -> Any:
    values = {"dataset": "shards", "folder": folder, "train_shards": TRAIN, **changes}
    return MODALITIES[modality][0].model_copy(update=values)


def list_shards(section: Any, folder: Path) -> Listing:
    return reader_of(section).listing(folder)


def ids(data: DataSet) -> list[str]:
    return sorted(data.train.ids + data.validation.ids + data.test.ids)


@every_modality
@pytest.mark.parametrize("stream", [False, True])
def test_samples_are_those_of_the_files_that_went_in(modality: str, stream: bool, tmp_path: Path) -> None:
    paths = write_shards(tmp_path / "shards", modality)
    for path in paths:
        with tarfile.open(path) as archive:
            archive.extractall(tmp_path / path.name, filter="data")
    own = section(modality, tmp_path / "shards", stream=stream)
    data = load_data(own, None, 0)
    assert data.classes == ("0", "1")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 2, 2]
    for part in (data.train, data.validation, data.test):
        for sample, label, name in zip(part.inputs[:], part.labels, part.ids, strict=True):
            assert label == int(Path(name).stem) % 2
            one = read_file(own.model_copy(update={"dataset": "folder"}), tmp_path / name)
            assert one.dtype == sample.dtype
            np.testing.assert_array_equal(sample, one)


@every_modality
def test_training_views_do_not_depend_on_the_number_of_workers(modality: str, tmp_path: Path) -> None:
    write_shards(tmp_path, modality)
    train = load_data(section(modality, tmp_path, stream=True), None, 0).train
    assert isinstance(train.inputs, StreamedSamples)
    batches = [np.array([5, 0, 3]), np.array([1, 7])]
    results = [
        [actual.inputs for actual in training_batches(train.inputs, MODALITIES[modality][1], batches, 1, 2, workers)]
        for workers in (0, 2)
    ]
    for alone, shared in zip(*results, strict=True):
        np.testing.assert_array_equal(alone, shared)


def test_parts_may_have_shards_of_their_own(tmp_path: Path) -> None:
    write_shards(tmp_path, "image", names=("train-0.tar", "val-0.tar", "test-0.tar", "test-1.tar"), per_shard=4)
    names = {"train_shards": "train-0.tar", "validation_shards": "val-0.tar", "test_shards": "test-{0,1}.tar"}
    data = load_data(section("image", tmp_path, **names), None, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [4, 4, 8]
    assert data.test.ids[0] == "test-0.tar/20000.jpg"
    unnamed = load_data(section("image", tmp_path, **{**names, "validation_shards": None}), None, 0)
    assert [len(part) for part in (unnamed.train, unnamed.validation, unnamed.test)] == [2, 2, 8]
    assert ids(unnamed) == sorted(set(ids(data)) - set(data.validation.ids))


def test_several_labels_a_sample(tmp_path: Path) -> None:
    write_shards(tmp_path, "audio", kind="wav", labels=lambda number: [number % 3, 4])
    own = section("audio", tmp_path, multi_label=True)
    data = load_data(own, None, 0)
    assert data.classes == ("0", "1", "2", "3", "4")
    for label, name in zip(data.train.labels, data.train.ids, strict=True):
        assert np.flatnonzero(label).tolist() == [int(Path(name).stem) % 10000 % 3, 4]
    with refused("00000.wav", "4", "data.multi_label"):
        load_data(own.model_copy(update={"multi_label": False}), None, 0)


def test_class_names_lie_beside_the_shards(tmp_path: Path) -> None:
    write_shards(tmp_path / "deep", "image", classes=3)
    own = section("image", tmp_path, train_shards="deep/" + TRAIN)
    assert load_data(own, None, 0).classes == ("0", "1", "2")
    assert load_data(own.model_copy(update={"classes": 5}), None, 0).classes == ("0", "1", "2", "3", "4")
    (tmp_path / "deep" / "classes.txt").write_text("cat\ndog\nred fox\n\n")
    assert load_data(own, None, 0).classes == ("cat", "dog", "red fox")
    (tmp_path / "deep" / "classes.txt").write_text("cat\ndog")
    with refused("10005.jpg", "2", "class"):
        load_data(own, None, 0)
    (tmp_path / "deep" / "classes.txt").write_text("a\nb\nc")
    with refused("data.classes", "4", "3", "classes"):
        load_data(own.model_copy(update={"classes": 4}), None, 0)


def test_class_numbers_start_at_nought(tmp_path: Path) -> None:
    write_shards(tmp_path, "audio", labels=lambda number: [number - 1])
    with refused("00000.flac", "-1"):
        load_data(section("audio", tmp_path), None, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_shards": None}, r"data\.train_shards: expected the names of the training shards, found none"),
        ({"train_shards": "pipe:curl x.tar"}, r"data\.train_shards: .*a pipe would run a command"),
        ({"test_shards": "pipe:rm -r ."}, r"data\.test_shards: .*a pipe would run a command"),
        ({"train_shards": "train-{0..1.tar"}, r"data\.train_shards: expected braces in pairs"),
        ({"train_shards": "train-000.tar.gz"}, r"data\.train_shards: expected names that end in \.tar"),
        ({"train_shards": "train-{000..002}.tar"}, r"train-002\.tar: expected a shard, found none; check data\.folder"),
        ({"test_shards": "train-001.tar"}, r"data\.test_shards: expected every file once, found train-001\.tar"),
        ({"folder": None}, r"data\.folder: expected the folder with your data"),
        ({"train_shards": "nowhere://x/a.tar"}, r"nowhere://x/a\.tar: expected a URL .*Protocol not known"),
    ],
)
def test_faulty_names_are_reported(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_shards(tmp_path, "image")
    with pytest.raises(InputError, match=message) as caught:
        load_data(section("image", tmp_path, **changes), None, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stream", [False, True])
def test_a_damaged_shard_is_reported_or_skipped(stream: bool, tmp_path: Path) -> None:
    paths = write_shards(tmp_path, "image")
    paths[1].write_bytes(paths[1].read_bytes()[:2000])
    own = section("image", tmp_path, stream=stream)
    with refused("train-001.tar", "--set", "data.skip_damaged=true"):
        load_data(own, None, 0)
    data = load_data(own.model_copy(update={"skip_damaged": True}), None, 0)
    assert [file.path for file in data.damaged_files] == [paths[1]]
    assert len(ids(data)) == 6


@pytest.mark.parametrize(("modality", "kind"), [("image", "jpg"), ("audio", "wav"), ("point", "npy"), ("video", "mp4")])
def test_a_damaged_sample_is_named_by_its_shard_and_member(modality: str, kind: str, tmp_path: Path) -> None:
    (path,) = write_shards(tmp_path, modality, names=("train-000.tar",), kind=kind, per_shard=12)
    with tarfile.open(path) as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            whole = content if name != f"00003.{kind}" else content[: len(content) // 2]
            entry = tarfile.TarInfo(name)
            entry.size = len(whole)
            archive.addfile(entry, io.BytesIO(whole))
    own = section(modality, tmp_path, train_shards="train-000.tar")
    with pytest.raises(InputError, match=rf"train-000\.tar/00003\.{kind}: expected a readable {modality} file"):
        load_data(own, None, 0)
    data = load_data(own.model_copy(update={"skip_damaged": True}), None, 0)
    assert [file.path for file in data.damaged_files] == [path / f"00003.{kind}"]
    assert len(ids(data)) == 11


def test_a_shard_that_became_shorter_is_damaged(tmp_path: Path) -> None:
    paths = write_shards(tmp_path, "image")
    item = list_shards(section("image", tmp_path), tmp_path).items[3]
    whole = read_member(item)
    assert whole.startswith(b"\xff\xd8")
    assert isinstance(item.inside, tuple)
    paths[0].write_bytes(paths[0].read_bytes()[: item.inside[1] - 1])
    with pytest.raises(DamageError, match="the shard ends before this sample does"):
        read_member(item)


def test_a_shard_is_read_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_shards(tmp_path / "shards", "image")
    own = section("image", tmp_path / "shards", cache_folder=tmp_path / "cache")
    read: list[str] = []
    original = shards.read_index

    def counted(file: Any, where: str, modality: str) -> Any:
        read.append(Path(where).name)
        return original(file, where, modality)

    monkeypatch.setattr(shards, "read_index", counted)
    first = list_shards(own, tmp_path / "shards")
    assert sorted(read) == ["train-000.tar", "train-001.tar"]
    assert list_shards(own, tmp_path / "shards") == first
    assert len(read) == 2
    os.utime(paths[1], (1, 1))
    list_shards(own, tmp_path / "shards")
    assert read[2:] == ["train-001.tar"]
    for kept in (tmp_path / "cache" / "shards").iterdir():
        kept.write_text('[["half"')
    assert [item.id for item in list_shards(own, tmp_path / "shards").items] == [item.id for item in first.items]
    assert len(read) == 5
    for kept in (tmp_path / "cache" / "shards").iterdir():
        if kept.read_text() == '[["half"':
            continue  # of the shard before its time changed
        index = json.loads(kept.read_text())
        index["entries"][0][3] = [1 - index["entries"][0][3][0]]
        kept.write_text(json.dumps(index))
    again = list_shards(own, tmp_path / "shards")
    assert [item.label for item in again.items] == [item.label for item in first.items]
    assert len(read) == 7
    # The same files read as another modality are looked at again.
    with refused("00000"):
        list_shards(section("point", tmp_path / "shards", cache_folder=tmp_path / "cache"), tmp_path / "shards")


def test_no_place_to_keep_an_index_is_no_fault(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", "image")
    (tmp_path / "file").write_text("x")
    own = section("image", tmp_path / "shards", cache_folder=tmp_path / "file" / "cache", stream=True)
    assert len(ids(load_data(own, None, 0))) == 12


def test_the_folder_of_shards_is_stored_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_absolute_folder(section("image", Path("shards")), None).folder == tmp_path / "shards"
    assert with_absolute_folder(section("image", Path("shards")), tmp_path / "other").folder == tmp_path / "other"


@pytest.fixture
def elsewhere() -> Iterator[Any]:
    """A store at `memory://`, empty before and after."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()


@every_modality
@pytest.mark.parametrize("stream", [False, True])
def test_shards_elsewhere_read_as_local_ones(modality: str, stream: bool, tmp_path: Path, elsewhere: Any) -> None:
    for path in write_shards(tmp_path, modality):
        elsewhere.pipe_file(f"/bucket/set/{path.name}", path.read_bytes())
    here = load_data(section(modality, tmp_path), None, 0)
    there = load_data(section(modality, None, train_shards=f"memory://bucket/set/{TRAIN}", stream=stream), None, 0)
    assert there.train.ids[0] == "set/" + here.train.ids[0]
    for part in ("train", "validation", "test"):
        actual, expected = getattr(there, part), getattr(here, part)
        np.testing.assert_array_equal(actual.inputs[:], expected.inputs[:])
        np.testing.assert_array_equal(actual.labels, expected.labels)


def test_class_names_and_damage_elsewhere(tmp_path: Path, elsewhere: Any) -> None:
    paths = write_shards(tmp_path, "image")
    for path in paths:
        elsewhere.pipe_file(f"/bucket/set/{path.name}", path.read_bytes())
    elsewhere.pipe_file("/bucket/set/classes.txt", b"cat\ndog\n")
    own = section("image", None, train_shards=f"memory://bucket/set/{TRAIN}", stream=True)
    assert load_data(own, None, 0).classes == ("cat", "dog")
    elsewhere.pipe_file("/bucket/set/train-001.tar", paths[1].read_bytes()[:2000])
    with refused("memory://bucket/set/train-001.tar"):
        load_data(own, None, 0)
    assert len(ids(load_data(own.model_copy(update={"skip_damaged": True}), None, 0))) == 6
    elsewhere.rm("/bucket/set/train-001.tar")
    with refused("memory://bucket/set/train-001.tar", "found none"):
        load_data(own.model_copy(update={"skip_damaged": True}), None, 0)


def test_a_changed_shard_elsewhere_is_read_again(tmp_path: Path, elsewhere: Any) -> None:
    (path,) = write_shards(tmp_path, "image", names=("a.tar",))
    elsewhere.pipe_file("/bucket/a.tar", path.read_bytes())
    own = section("image", None, train_shards="memory://bucket/a.tar")
    first = list_shards(own, tmp_path)
    assert list_shards(own, tmp_path) == first
    (path,) = write_shards(tmp_path, "image", names=("a.tar",), per_shard=7)
    elsewhere.pipe_file("/bucket/a.tar", path.read_bytes())
    assert len(list_shards(own, tmp_path).items) == 7
