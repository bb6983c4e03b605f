"""Training views of pictures with masks: colours and classes stay together, whatever is drawn."""

from colorsys import rgb_to_hsv

import numpy as np
import pytest
from numpy.typing import NDArray

from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.data.annotations import NOT_LABELLED, stack_samples
from crosspath.data.views.scene_views import LARGEST_SHARE, resize_picture, scene_view

DATA = ImageData(image_size=24, label_kind="dense", mean=(0.2, 0.5, 0.8))


def blocks(height: int, width: int, side: int = 8) -> NDArray[np.uint8]:
    """Squares whose red level is 20 times their class, which differs from one square to the next."""
    rows, columns = np.mgrid[:height, :width] // side
    classes = ((rows + 3 * columns) % 10).astype(np.uint8)
    return np.stack([classes * 20, np.full_like(classes, 90), np.full_like(classes, 30), classes])


@pytest.mark.parametrize("size", [(40, 56), (24, 24), (10, 90)])
def test_every_pixel_keeps_its_class(size: tuple[int, int]) -> None:
    section = ImageAugment(crop_padding=0)
    for sample in range(20):
        view = scene_view(blocks(*size), DATA, section, 0, 0, sample)
        assert view.shape == (4, 24, 24)
        labelled = view[3] != NOT_LABELLED
        assert labelled.sum() == min(size[0], 24) * min(size[1], 24)
        assert np.array_equal(view[0][labelled], 20 * view[3][labelled])
        assert (view[:3][:, ~labelled].T == [51, 128, 204]).all()


def test_a_resized_picture_has_the_classes_of_its_colours_but_at_borders() -> None:
    for factor in (0.5, 1.7):
        picture = resize_picture(blocks(64, 48, 16), factor)
        assert picture.shape == (4, round(64 * factor), round(48 * factor))
        assert (picture[0] == 20 * picture[3]).mean() > 0.6
        assert np.abs(picture[0].astype(int) - 20 * picture[3]).max() < 200
    picture = blocks(64, 48)
    assert resize_picture(picture, 1.0) is picture


def test_the_range_of_factors_is_covered_and_the_short_side_counts_first() -> None:
    section = ImageAugment(crop_padding=0, resize_range=(0.5, 2.0))
    sides = []
    for sample in range(200):
        view = scene_view(
            blocks(48, 96, 6), DATA.model_copy(update={"resize": 24, "image_size": 96}), section, 0, 0, sample
        )
        sides.append(int((view[3] != NOT_LABELLED)[:, 0].sum()))
    assert min(sides) in (12, 13)
    assert max(sides) in (47, 48)
    assert np.isclose(np.mean(sides), 1.25 * 24, atol=1.5)


def test_a_crop_in_which_a_class_covers_most_is_drawn_again() -> None:
    picture = np.zeros((4, 24, 400), np.uint8)
    picture[3, :, 190:210] = 1
    views = [scene_view(picture, DATA, ImageAugment(crop_padding=0), 0, 0, sample)[3] for sample in range(200)]
    shares = np.array([np.bincount(view.ravel(), minlength=2).max() / view.size for view in views])
    plain = 1 - (44 - 2 * 6) / 377
    assert (shares < LARGEST_SHARE).mean() > 0.4 > 1 - plain


def test_draws_follow_from_seed_epoch_and_sample() -> None:
    section = ImageAugment(crop_padding=0, resize_range=(0.5, 2.0), distort_colours=True)
    view = scene_view(blocks(40, 56), DATA, section, 1, 2, 3)
    assert np.array_equal(view, scene_view(blocks(40, 56), DATA, section, 1, 2, 3))
    for other in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not np.array_equal(view, scene_view(blocks(40, 56), DATA, section, *other))


def test_what_lies_outside_the_picture_is_never_seen() -> None:
    both = stack_samples([blocks(30, 30), blocks(60, 60)])
    section = ImageAugment(crop_padding=0, resize_range=(0.5, 2.0))
    for sample in range(10):
        view = scene_view(both[0], DATA, section, 0, 0, sample)
        assert np.array_equal(view, scene_view(blocks(30, 30), DATA, section, 0, 0, sample))


def test_distorted_colours_change_levels_and_no_class() -> None:
    plain, distorted = ImageAugment(crop_padding=0), ImageAugment(crop_padding=0, distort_colours=True)
    picture = blocks(24, 24)
    differences = []
    for sample in range(60):
        view = scene_view(picture, DATA, distorted, 0, 0, sample)
        assert np.array_equal(view[3], scene_view(picture, DATA, plain, 0, 0, sample)[3])
        differences.append(np.abs(view[:3].astype(int) - picture[:3]).mean())
    assert 0.02 < (np.array(differences) == 0).mean() < 0.2  # of four changes none, 1 in 16
    assert 5 < np.mean(differences) < 40


def test_hues_turn_by_up_to_36_degrees() -> None:
    red, distorted = np.zeros((4, 24, 24), np.uint8), ImageAugment(crop_padding=0, distort_colours=True)
    red[0] = 200
    turns = []
    for sample in range(200):
        levels = scene_view(red, DATA, distorted, 0, 0, sample)[:3, 0, 0] / 255
        turns.append((360 * rgb_to_hsv(*levels.tolist())[0] + 180) % 360 - 180)
    # To the 256 levels of a hue, 1.4 degrees each.
    assert -38 < min(turns) < -32
    assert 32 < max(turns) < 38
