"""Random crops and RandAugment of pictures and clips."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from timm.data.auto_augment import rand_augment_transform

from crosspath.config.augment import AudioAugment, ImageAugment, VideoAugment
from crosspath.config.data import AudioData, ImageData, VideoData
from crosspath.data.views.frame_views import augment_pictures, frames_view, multi_scale_box, resized_crop_box
from crosspath.modalities import MODALITIES
from tests.errors import refused

DATA = ImageData(image_size=24)
POLICY = "rand-m9-mstd0.5-inc1"


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@given(width=st.integers(8, 300), height=st.integers(8, 300), seed=st.integers(0, 10**6))
def test_a_crop_lies_inside_with_its_share_and_ratio(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = resized_crop_box(width, height, (0.2, 1.0), np.random.default_rng(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    across, down = right - left, bottom - top
    # Sides are whole pixels.
    assert (across + 0.5) / (down - 0.5) >= 3 / 4 or across == width
    assert (across - 0.5) / (down + 0.5) <= 4 / 3 or down == height
    if across < width and down < height:
        assert (across + 0.5) * (down + 0.5) >= 0.2 * width * height


def test_crops_cover_the_range_of_shares_evenly() -> None:
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(3000):
        left, top, right, bottom = resized_crop_box(1000, 1000, (0.08, 0.5), generator)
        shares.append((right - left) * (bottom - top) / 1e6)
    assert np.quantile(shares, [0.0, 0.25, 0.5, 0.75, 1.0]) == pytest.approx([0.08, 0.185, 0.29, 0.395, 0.5], abs=0.015)


def test_a_thin_picture_falls_back_to_its_middle() -> None:
    assert resized_crop_box(600, 20, (0.9, 1.0), np.random.default_rng(0)) == (286, 0, 313, 20)


def test_multi_scale_crops_are_squares_in_corners_or_the_middle() -> None:
    generator = np.random.default_rng(0)
    boxes = {multi_scale_box(320, 240, generator) for _ in range(400)}
    assert {right - left for left, _, right, _ in boxes} == {240, 210, 180, 158}
    assert all(right - left == bottom - top for left, top, right, bottom in boxes)
    corners = {(left, top) for left, top, right, bottom in boxes if right - left == 180}
    assert corners == {(0, 0), (140, 0), (0, 60), (140, 60), (70, 30)}


def test_a_crop_is_pillows_resized_box() -> None:
    section = ImageAugment(resized_crop=(0.3, 0.6))
    [actual] = frames_view([picture()], DATA, section, 1, 2, 3)
    drawn = np.random.default_rng((0xF4A3E, 1, 2, 3))
    box = resized_crop_box(40, 30, (0.3, 0.6), drawn)
    expected = picture().crop(box).resize((24, 24), Image.Resampling.BICUBIC)
    assert actual.shape == (3, 24, 24)
    # Cropped first, the border of the box cannot see beyond it.
    assert np.abs(actual[:, 4:-4, 4:-4].astype(int) - np.asarray(expected).transpose(2, 0, 1)[:, 4:-4, 4:-4]).max() <= 2


def test_rand_augment_is_timms_and_leaves_its_generators_alone() -> None:
    section = ImageAugment(rand_augment=POLICY)
    image = picture(24, 24)
    state, numpy_state = random.getstate(), np.random.get_state()[1].copy()
    actual = [frames_view([image], DATA, section, 0, 0, sample)[0] for sample in range(8)]
    assert random.getstate() == state
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert len({view.tobytes() for view in actual}) > 4
    generator = np.random.default_rng((0xF4A3E, 0, 0, 5))
    word = int(generator.integers(2**32))
    settings = {"translate_const": int(24 * 0.45), "img_mean": (128,) * 3, "interpolation": Image.Resampling.BICUBIC}
    random.seed(word)
    np.random.seed(word)
    expected = rand_augment_transform(POLICY, settings)(image)
    random.setstate(state)
    assert np.array_equal(actual[5], np.asarray(expected).transpose(2, 0, 1))


def test_all_frames_of_a_clip_are_altered_alike() -> None:
    section = VideoAugment(resized_crop=(0.2, 0.6), rand_augment="rand-m7-n4-mstd0.5-inc1")
    data = VideoData(frames=3, image_size=24)
    for sample in range(6):
        same = frames_view([picture()] * 3, data, section, 0, 0, sample)
        assert all(np.array_equal(frame, same[0]) for frame in same)


@pytest.mark.parametrize("video", [False, True])
def test_decoded_samples_get_the_views_of_their_pictures(video: bool) -> None:
    generator = np.random.default_rng(0)
    shape = (4, 3, 2, 24, 24) if video else (4, 3, 24, 24)
    inputs = generator.integers(0, 256, shape, np.uint8)
    data = VideoData(frames=2, image_size=24) if video else DATA
    section = (VideoAugment if video else ImageAugment)(resized_crop=(0.2, 0.6), rand_augment=POLICY)
    ids = np.array([3, 9, 4, 1])
    actual = augment_pictures(data, section, inputs, 7, 8, ids)
    assert actual.shape == inputs.shape
    frames = inputs[2].transpose(1, 2, 3, 0) if video else inputs[2].transpose(1, 2, 0)[None]
    expected = np.stack(frames_view([Image.fromarray(frame) for frame in frames], data, section, 7, 8, 4))
    assert np.array_equal(actual[2], expected.transpose(1, 0, 2, 3) if video else expected[0])
    alone = augment_pictures(data, section, inputs[2:3], 7, 8, ids[2:3])
    assert np.array_equal(alone[0], actual[2])


def test_without_such_augmentation_samples_come_back_as_they_are() -> None:
    inputs = np.zeros((2, 3, 24, 24), np.uint8)
    assert augment_pictures(DATA, ImageAugment(), inputs, 0, 0, np.arange(2)) is inputs
    frames = np.zeros((2, 8, 4), np.float32)
    assert MODALITIES["audio"].before_batch(AudioData(), AudioAugment(), frames, 0, 0, np.arange(2)) is frames


def test_an_unknown_policy_is_named() -> None:
    with refused("augment.rand_augment"):
        frames_view([picture(24, 24)], DATA, ImageAugment(rand_augment="foo"), 0, 0, 0)
