"""Annotations ride in the sample: whatever moves a sample moves its annotation, and the model never sees it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from crosspath.config.augment import ImageAugment, PointAugment
from crosspath.config.data import ImageData, PointData
from crosspath.data.annotations import NOT_LABELLED, OUTSIDE, stack_samples, without_outside
from crosspath.data.views.draws import Draws
from crosspath.modalities import modality_of
from crosspath.modalities.annotations import annotated_shape, divide
from crosspath.modalities.batches import augment_inputs, prepare, prepare_held_out
from crosspath.modalities.load import read_file

CPU = torch.device("cpu")


PICTURES = ImageData(label_kind="dense", image_size=12, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
CLOUDS = PointData(label_kind="dense", points=20)


def pictures() -> Tensor:
    """Prepared: the class of a pixel is its red level before normalisation."""
    levels = np.random.default_rng(0).integers(0, 256, (5, 4, 12, 12), dtype=np.uint8)
    levels[:, 3] = levels[:, 0]
    return prepare(PICTURES, levels, CPU)


def red_levels(batch: Tensor) -> Tensor:
    return ((batch[:, 0] * 0.2 + 0.4) * 255).round()


def clouds(points: int) -> Tensor:
    """The part of a point is its number, and so is a thousandth of its coordinates."""
    numbers = np.tile(np.random.default_rng(1).permutation(points).astype(np.float32), (3, 1))
    return prepare(CLOUDS, np.stack([numbers / 1000, np.sin(numbers), np.cos(numbers), numbers], axis=-1), CPU)


def test_normalisation_leaves_classes_as_they_are() -> None:
    batch = pictures()
    assert torch.equal(batch[:, 3], red_levels(batch))
    plain = prepare(ImageData(image_size=12, mean=PICTURES.mean, std=PICTURES.std), _levels(batch), CPU)
    assert torch.equal(plain, batch[:, :3])


def _levels(batch: Tensor) -> np.ndarray:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PICTURES.mean, PICTURES.std))
    return ((batch[:, :3] * std + mean) * 255).round().to(torch.uint8).numpy()


def test_crops_and_flips_move_classes_with_their_pixels() -> None:
    batch = pictures()
    moved = augment_inputs(ImageAugment(crop_padding=5, flip=0.5), PICTURES, batch, 0, 0, torch.arange(5))
    assert not torch.equal(moved, batch)
    assert torch.equal(moved[:, 3], red_levels(moved))


def test_erasing_fills_colours_alone_and_draws_as_without_annotations() -> None:
    batch = pictures()
    section = ImageAugment(crop_padding=0, flip=0.0, erasing=1.0)
    erased = augment_inputs(section, PICTURES, batch, 0, 0, torch.arange(5))
    assert torch.equal(erased[:, 3], batch[:, 3])
    plain = augment_inputs(section, ImageData(image_size=12), batch[:, :3], 0, 0, torch.arange(5))
    assert torch.equal(erased[:, :3], plain)
    assert not torch.equal(plain, batch[:, :3])


@pytest.mark.parametrize("how", ["random", "farthest"])
def test_parts_go_with_their_points_and_are_not_stretched(how: str) -> None:
    batch = clouds(60)
    section = PointAugment(scale=(1.0, 1.0), shift=0.0, resample=how)  # type: ignore[arg-type]
    drawn = augment_inputs(section, CLOUDS, batch, 0, 0, torch.arange(3))
    assert drawn.shape == (3, 20, 4)
    assert torch.equal((drawn[..., 0] * 1000).round(), drawn[..., 3])
    moved = modality_of(CLOUDS).augment(PointAugment(jitter_std=0.1), CLOUDS, drawn, Draws(0, 0, torch.arange(3), CPU))
    assert torch.equal(moved[..., 3], drawn[..., 3])
    plain = modality_of(CLOUDS).augment(
        PointAugment(jitter_std=0.1), CLOUDS, drawn[..., :3], Draws(0, 0, torch.arange(3), CPU)
    )
    assert torch.equal(moved[..., :3], plain)
    assert not torch.equal(plain, drawn[..., :3])


def test_a_held_out_cloud_is_its_first_points_which_the_reader_has_drawn() -> None:
    batch = clouds(60).numpy()
    assert torch.equal(prepare_held_out(CLOUDS, batch, CPU), torch.tensor(batch[:, :20]))


def test_training_draws_the_points_of_a_cloud_before_those_outside_it() -> None:
    batch = clouds(60)
    batch[0, 12:, 3] = OUTSIDE
    section = PointAugment(scale=(1.0, 1.0), shift=0.0)
    drawn, other = (augment_inputs(section, CLOUDS, batch, 0, epoch, torch.arange(3)) for epoch in (0, 1))
    assert (drawn[0, :12, 3] != OUTSIDE).all()
    assert set(drawn[0, :12, 3].tolist()) == set(batch[0, :12, 3].tolist())
    assert (drawn[0, 12:, 3] == OUTSIDE).all()
    assert not torch.equal(drawn[1], other[1])
    assert len(set(drawn[1, :, 3].tolist())) == 20


def test_what_the_model_is_given_holds_no_annotation() -> None:
    inputs, classes = divide(PICTURES, pictures())
    assert inputs.shape == (5, 3, 12, 12)
    assert classes.dtype == torch.int64
    assert torch.equal(classes, red_levels(inputs).long())
    points, parts = divide(CLOUDS, clouds(20))
    assert points.shape == (3, 20, 3)
    assert torch.equal(parts, (points[..., 0] * 1000).round().long())
    for section, shape in ((PICTURES, (4, 12, 12)), (CLOUDS, (20, 4))):
        assert annotated_shape(section) == shape
        assert np.prod(modality_of(section).sample_shape(section)) < np.prod(shape)
    assert annotated_shape(ImageData(image_size=12)) == (3, 12, 12)


def test_pictures_of_unequal_sizes_share_an_array() -> None:
    rng = np.random.default_rng(2)
    samples = [rng.integers(0, 9, (4, *size), dtype=np.uint8) for size in ((5, 9), (7, 3), (2, 2))]
    samples[0][3, 0] = NOT_LABELLED
    batch = stack_samples(samples)
    assert batch.shape == (3, 4, 7, 9)
    assert (batch[1, 3, :, 3:] == OUTSIDE).all()
    for row, sample in zip(batch, samples, strict=True):
        assert np.array_equal(without_outside(row), sample)
    assert np.array_equal(stack_samples(samples[:1]), np.stack(samples[:1]))


def test_files_to_predict_are_read_without_annotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(tmp_path / "a.png")
    sections = []
    image = modality_of(PICTURES)
    reader = replace(image, reader=lambda section: (sections.append(section.annotated), image.reader(section))[1])
    monkeypatch.setattr("crosspath.modalities.load.modality_of", lambda section: reader)
    assert read_file(PICTURES, tmp_path / "a.png").shape == (3, 12, 12)
    assert sections[0] is False
