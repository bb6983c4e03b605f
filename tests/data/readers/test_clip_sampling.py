"""Frame numbers against the published formulas, written out here in exact fractions, and their bounds."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspath.config.data import VideoData
from crosspath.data.readers.clip_sampling import crop_places, held_out_indices, training_indices, view_indices

DENSE = VideoData(frames=16, sampling="dense", frame_step=4)
UNIFORM = VideoData(frames=8, sampling="uniform")
SPREAD = VideoData(frames=5)
SECTIONS = st.builds(
    VideoData,
    frames=st.integers(1, 20),
    sampling=st.sampled_from(["dense", "uniform", "spread"]),
    frame_step=st.integers(1, 6),
)


def draws(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def window_from(start: int) -> list[int]:
    """Sixteen frames evenly over [start, start + 64], the end of which is one too far."""
    return [min(start + int(Fraction(64 * place, 15)), start + 63) for place in range(16)]


def test_a_dense_held_out_clip_is_the_window_in_the_middle() -> None:
    assert held_out_indices(300, DENSE) == window_from(118)
    assert held_out_indices(65, DENSE) == window_from(0)
    assert held_out_indices(301, DENSE)[0] == 118


def test_a_dense_training_clip_is_a_window_at_any_place() -> None:
    generator = draws()
    actual = [training_indices(70, DENSE, generator) for _ in range(200)]
    assert {tuple(clip) for clip in actual} == {tuple(window_from(start)) for start in range(7)}


def test_a_short_video_is_taken_whole_and_repeats_its_last_frame() -> None:
    # 40 frames give ten, evenly over [0, 40].
    expected = [min(int(Fraction(40 * place, 9)), 39) for place in range(10)] + [39] * 6
    assert held_out_indices(40, DENSE) == expected
    assert training_indices(40, DENSE, draws()) == expected
    assert held_out_indices(2, DENSE) == [0] + [1] * 15
    assert held_out_indices(1, DENSE) == [0] * 16


def test_a_video_of_the_windows_length_is_read_to_its_end() -> None:
    assert held_out_indices(64, DENSE) == window_from(0)


def test_uniform_takes_the_middle_of_each_segment_and_trains_on_any_of_its_frames() -> None:
    assert held_out_indices(24, UNIFORM) == list(range(1, 24, 3))
    generator = draws()
    results = np.array([training_indices(24, UNIFORM, generator) for _ in range(300)])
    for place, column in enumerate(results.T):
        assert set(column) == {3 * place, 3 * place + 1, 3 * place + 2}


def test_uniform_segments_leave_no_frame_out() -> None:
    # The published segments are 29 // 8 = 3 frames long: the last five of 29 frames are never seen.
    generator = draws()
    results = {index for _ in range(500) for index in training_indices(29, UNIFORM, generator)}
    assert results == set(range(29))


def test_fewer_frames_than_segments_repeat() -> None:
    assert held_out_indices(3, UNIFORM) == [0, 0, 0, 1, 1, 1, 2, 2]
    assert held_out_indices(1, UNIFORM) == [0] * 8


def test_dense_views_slide_over_every_frame_stepth_frame() -> None:
    every = list(range(0, 300, 4))  # 75 frames
    expected = [every[start : start + 16] for start in (0, 14, 29, 44, 59)]  # int(k · 59 / 4)
    assert view_indices(300, DENSE, 5) == expected


def test_views_of_a_short_video_repeat_its_last_sampled_frame() -> None:
    assert view_indices(9, DENSE, 2) == [[0, 4, 8] + [8] * 13] * 2


def test_uniform_views_lie_between_each_other() -> None:
    # int(k · tick / S + tick · x) with ticks of 20 / 8 frames.
    expected = [[int(Fraction(20, 8) * (Fraction(k, 2) + place)) for place in range(8)] for k in range(2)]
    assert view_indices(20, UNIFORM, 2) == expected
    assert expected[0] == [0, 2, 5, 7, 10, 12, 15, 17]


@pytest.mark.parametrize("section", [DENSE, UNIFORM, SPREAD])
def test_one_segment_does_not_divide_by_zero(section: VideoData) -> None:
    [clip] = view_indices(100, section, 1)
    assert len(clip) == section.frames
    if section is DENSE:
        assert clip == list(range(0, 100, 4))[4:20]  # int((25 - 16) / 2)
    else:
        assert clip == held_out_indices(100, section)


def test_one_crop_does_not_divide_by_zero_and_lies_in_the_middle() -> None:
    assert crop_places(320, 224, 1) == [48]
    assert crop_places(224, 224, 1) == [0]


def test_crops_slide_along_the_long_side() -> None:
    assert crop_places(320, 224, 3) == [0, 48, 96]
    assert crop_places(299, 224, 4) == [0, 25, 50, 75]
    assert crop_places(224, 224, 3) == [0, 0, 0]


@given(SECTIONS, st.integers(1, 400), st.integers(0, 2**32), st.integers(1, 6))
def test_every_clip_has_its_frames_in_order_and_inside_the_video(
    section: VideoData, length: int, seed: int, segments: int
) -> None:
    clips = [held_out_indices(length, section), training_indices(length, section, draws(seed))]
    clips += view_indices(length, section, segments)
    assert len(clips) == 2 + segments
    for clip in clips:
        assert len(clip) == section.frames
        assert clip == sorted(clip)
        assert min(clip) >= 0
        assert max(clip) < length
        assert all(type(index) is int for index in clip)


@given(st.integers(1, 400), st.integers(0, 2**32))
def test_the_same_draws_give_the_same_clip(length: int, seed: int) -> None:
    for section in (DENSE, UNIFORM):
        assert training_indices(length, section, draws(seed)) == training_indices(length, section, draws(seed))
