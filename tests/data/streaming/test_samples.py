"""Samples decoded on demand: the same whatever the number of workers, and as if they had been decoded before."""

import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from crosspath.config.augment import AudioAugment, Augment, ImageAugment, VideoAugment
from crosspath.config.data import AudioData, Data, ImageData, VideoData
from crosspath.data.examples import DataSet
from crosspath.data.streaming.samples import StreamedSamples, TrainingViews, training_batches
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from tests.data.files import write_image
from tests.data.published_audio import write_audioset
from tests.data.published_images import write_imagenet
from tests.data.published_video import write_kinetics
from tests.errors import refused

IMAGE = ImageData(dataset="imagenet", image_size=16, stream=True)
AUDIO = AudioData(dataset="audioset-20k", frames=64, mels=32, multi_label=True, stream=True)
VIDEO = VideoData(dataset="k400", frames=4, image_size=16, sampling="dense", frame_step=2, stream=True)
VIEWS: dict[str, tuple[Data, Augment]] = {
    "image": (IMAGE, ImageAugment(resized_crop=(0.2, 1.0), rand_augment="rand-m9-mstd0.5-inc1")),
    "audio": (AUDIO, AudioAugment(waveform=True, mixup=10.0, mixup_probability=0.5)),
    "video": (VIDEO, VideoAugment(resized_crop=(0.2, 1.0), rand_augment="rand-m7-n4-mstd0.5-inc1")),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streamed")
    write_imagenet(folder)
    write_audioset(folder, train=14)
    write_kinetics(folder, train=5, frames=14)
    return folder


def batches(count: int) -> list[np.ndarray]:
    return np.array_split(np.random.default_rng(0).permutation(count), 3)


def read_batches(
    data: DataSet, augment: Augment, *, seed: int = 0, epoch: int = 0, workers: int = 0
) -> list[TrainingViews]:
    assert isinstance(data.train.inputs, StreamedSamples)
    return list(training_batches(data.train.inputs, augment, batches(len(data.train)), seed, epoch, workers))


@pytest.mark.parametrize("modality", VIEWS)
def test_the_number_of_workers_changes_nothing(modality: str, root: Path) -> None:
    section, augment = VIEWS[modality]
    data = load_data(section, root, 0)
    before, before_numpy, before_torch = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    alone = read_batches(data, augment)
    for workers in (1, 2):
        for one, other in zip(alone, read_batches(data, augment, workers=workers), strict=True):
            assert np.array_equal(one.rows, other.rows)
            assert np.array_equal(one.inputs, other.inputs)
            assert (one.targets_BK is None) == (other.targets_BK is None)
            assert one.targets_BK is None or np.array_equal(one.targets_BK, other.targets_BK)
    # Nobody else's random numbers are touched.
    assert random.getstate() == before
    assert np.array_equal(np.random.get_state()[1], before_numpy)
    assert torch.equal(torch.get_rng_state(), before_torch)


@pytest.mark.parametrize("modality", VIEWS)
def test_a_view_follows_from_seed_epoch_and_sample(modality: str, root: Path) -> None:
    section, augment = VIEWS[modality]
    data = load_data(section, root, 0)
    first = np.concatenate([part.inputs for part in read_batches(data, augment)])
    assert np.array_equal(first, np.concatenate([part.inputs for part in read_batches(data, augment)]))
    for changed in ({"seed": 1}, {"epoch": 1}):
        other = np.concatenate([part.inputs for part in read_batches(data, augment, **changed)])
        assert not np.array_equal(first, other)
    # The same sample in another batch is the same view.
    assert isinstance(data.train.inputs, StreamedSamples)
    [alone] = training_batches(data.train.inputs, augment, [np.array([2])], 0, 0, 0)
    together = next(part for part in read_batches(data, augment) if 2 in part.rows)
    assert np.array_equal(alone.inputs[0], together.inputs[together.rows.tolist().index(2)])


@pytest.mark.parametrize("modality", VIEWS)
def test_held_out_views_are_those_of_the_decoded_set(modality: str, root: Path) -> None:
    section, _ = VIEWS[modality]
    streamed = load_data(section, root, 0)
    decoded = load_data(section.model_copy(update={"stream": False}), root, 0)
    for part in ("train", "validation", "test"):
        one, other = getattr(streamed, part), getattr(decoded, part)
        assert one.ids == other.ids
        assert np.array_equal(one.labels, other.labels)
        assert one.inputs.shape == other.inputs.shape
        assert np.array_equal(one.inputs[np.arange(len(one))], other.inputs[np.arange(len(other))])
    assert np.array_equal(streamed.test.inputs[1], decoded.test.inputs[1])
    assert streamed.test.inputs[:0].shape == (0, *streamed.test.inputs.shape[1:])


def test_a_damaged_file_is_refused_or_its_place_taken_by_the_next(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    broken = sorted((tmp_path / "imagenet" / "train").rglob("*.JPEG"))[1]
    broken.write_bytes(b"no picture")
    augment = ImageAugment(resized_crop=(0.2, 1.0))
    data = load_data(IMAGE.model_copy(update={"validation_fraction": 0.2}), tmp_path, 0)
    place = [name for name in data.train.ids if name.endswith(broken.name)]
    assert place, "the broken file must be in the training part"
    row = data.train.ids.index(place[0])
    for workers in (0, 2):
        with pytest.raises(InputError, match=f"{broken.name}: expected a readable image file"):
            read_batches(data, augment, workers=workers)
    skipping = load_data(IMAGE.model_copy(update={"validation_fraction": 0.2, "skip_damaged": True}), tmp_path, 0)
    rows = np.concatenate([part.rows for part in read_batches(skipping, augment)])
    assert row not in rows
    assert (rows == (row + 1) % len(data.train)).sum() == 2
    assert isinstance(skipping.train.inputs, StreamedSamples)
    assert [file.path for file in skipping.train.inputs.damaged_files] == [broken]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_a_zip_is_opened_by_each_worker_and_its_damaged_members_are_named(tmp_path: Path) -> None:
    whole, archive = tmp_path / "picture.png", tmp_path / "pictures.zip"
    damaged = {"a/3.png", "a/4.png", "b/7.png"}
    with zipfile.ZipFile(archive, "w") as file:
        for level, name in enumerate(f"{label}/{number}.png" for label in "ab" for number in range(12)):
            write_image(whole, level)
            file.writestr(name, b"no picture" if name in damaged else whole.read_bytes())
    section = ImageData(folder=archive, image_size=16, stream=True)
    augment = ImageAugment(resized_crop=(0.2, 1.0))
    with refused("3.png", "image"):
        read_batches(load_data(section, None, 0), augment)
    data = load_data(section.model_copy(update={"skip_damaged": True}), None, 0)
    assert isinstance(data.train.inputs, StreamedSamples)
    inside = {archive / name for name in damaged if f"pictures.zip/{name}" in data.train.ids}
    assert len(inside) > 1
    runs = [
        np.concatenate([part.inputs for part in read_batches(data, augment, workers=workers)]) for workers in (0, 1, 3)
    ]
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])
    assert {actual.path for actual in data.train.inputs.damaged_files} == inside
    assert len(data.train.inputs.damaged_files) == len(inside)


def test_a_damaged_partner_is_named_and_costs_no_whole_recording_its_place(tmp_path: Path) -> None:
    write_audioset(tmp_path, train=14)
    section, augment = AUDIO, AudioAugment(waveform=True, mixup=10.0, mixup_probability=1.0)
    data = load_data(section, tmp_path, 0)
    assert isinstance(data.train.inputs, StreamedSamples)
    broken = data.train.inputs.items[3].path
    broken.write_bytes(b"no sound")
    others = [row for row in range(len(data.train)) if row != 3]
    with pytest.raises(InputError, match=f"{broken.name}: expected a readable audio file"):
        list(training_batches(data.train.inputs, augment, [np.array(others)], 0, 0, 0))
    skipping = load_data(section.model_copy(update={"skip_damaged": True}), tmp_path, 0).train.inputs
    assert isinstance(skipping, StreamedSamples)
    [part] = training_batches(skipping, augment, [np.array(others)], 0, 0, 0)
    assert part.rows.tolist() == others
    assert [file.path for file in skipping.damaged_files] == [broken]


def test_fault_a_folder_that_went_away_gave_zeros(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    data = load_data(IMAGE.model_copy(update={"skip_damaged": True}), tmp_path, 0)
    (tmp_path / "imagenet").rename(tmp_path / "elsewhere")
    for workers in (0, 2):
        with refused("n01440764_000002.JPEG", "15"):
            read_batches(data, ImageAugment(resized_crop=(0.2, 1.0)), workers=workers)


def test_a_damaged_held_out_file_is_refused_even_where_training_skips(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    data = load_data(IMAGE.model_copy(update={"skip_damaged": True}), tmp_path, 0)
    assert isinstance(data.test.inputs, StreamedSamples)
    broken = data.test.inputs.items[1].path
    broken.write_bytes(b"no picture")
    assert len(data.test.inputs[[0]]) == 1
    with pytest.raises(InputError, match=f"{broken.name}: expected a readable image file"):
        data.test.inputs[[0, 1]]


def test_the_fingerprint_tells_a_changed_file(tmp_path: Path) -> None:
    write_imagenet(tmp_path)
    before = load_data(IMAGE, tmp_path, 0).fingerprint
    assert load_data(IMAGE, tmp_path, 1).fingerprint == before
    write_image(next((tmp_path / "imagenet" / "train").rglob("*.JPEG")), 7, (90, 80))
    assert load_data(IMAGE, tmp_path, 0).fingerprint != before
