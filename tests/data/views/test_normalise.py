"""The fixed normalisation of each modality."""

import warnings

import numpy as np
import pytest
import torch

from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.data.views.point_resampling import held_out_cloud
from crosspath.modalities.batches import prepare, prepare_held_out

CPU = torch.device("cpu")


@pytest.mark.parametrize(("section", "shape"), [(ImageData(), (2, 3, 4, 4)), (VideoData(), (2, 3, 2, 4, 4))])
def test_pixels_go_to_minus_one_to_one(section: Data, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    pixels.flat[0], pixels.flat[1] = 0, 255
    batch = prepare(section, pixels, CPU)
    assert batch.dtype == torch.float32
    assert batch.flatten()[:2].tolist() == [-1.0, 1.0]
    np.testing.assert_allclose(batch.numpy(), (pixels.astype(np.float64) / 255 - 0.5) / 0.5, atol=1e-6)


def test_frames_are_centred_and_divided_by_two_std() -> None:
    section = AudioData(mean=-4.0, std=3.0)
    frames = np.array([[[-4.0, 2.0], [-10.0, 0.0]]], np.float32)
    assert prepare(section, frames, CPU).tolist() == [[[0.0, 1.0], [-1.0, pytest.approx(4 / 6)]]]


def test_points_stay_as_they_are() -> None:
    points = np.random.default_rng(0).standard_normal((2, 5, 3))
    batch = prepare(PointData(), points, CPU)
    assert batch.dtype == torch.float32
    assert np.array_equal(batch.numpy(), points.astype(np.float32))


def test_fault_cached_samples_were_normalised_in_place() -> None:
    frames = np.ones((2, 3, 4), np.float32)
    frames.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare(AudioData(), frames, CPU)
        prepare(PointData(), frames, CPU).add_(1.0)
    assert (frames == 1.0).all()


def test_by_default_all_256_values_are_bitwise_those_of_two_steps() -> None:
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3).transpose(0, 3, 1, 2)
    expected = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
    assert np.array_equal(prepare(ImageData(), pixels, CPU).numpy(), expected)


@pytest.mark.parametrize("video", [False, True])
def test_channels_have_their_own_mean_and_spread(video: bool) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    section = (VideoData if video else ImageData)(image_size=4, mean=mean, std=std)
    inputs = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 4, 4) if video else (2, 3, 4, 4), np.uint8)
    actual = prepare(section, inputs, torch.device("cpu")).double()
    for channel in range(3):
        expected = (inputs[:, channel] / 255 - mean[channel]) / std[channel]
        assert actual[:, channel].numpy() == pytest.approx(expected, abs=1e-5)


def test_held_out_clouds_are_farthest_point_samples() -> None:
    clouds = np.random.default_rng(0).standard_normal((2, 30, 3)).astype(np.float32)
    section = PointData(points=8, stored_points=30)
    actual = prepare_held_out(section, clouds, torch.device("cpu"))
    expected = held_out_cloud(torch.from_numpy(clouds), 8)
    assert torch.equal(actual, expected)
    assert actual.shape == (2, 8, 3)
    assert prepare(section, clouds, torch.device("cpu")).shape == (2, 30, 3)
