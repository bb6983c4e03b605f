"""Each augmentation against an independent computation, and its draws against the batch it sits in."""

import time

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from crosspath.config.augment import AudioAugment, Augment, ImageAugment, PointAugment, VideoAugment
from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.data.views.augment import erase
from crosspath.data.views.draws import Draws
from crosspath.modalities.batches import augment_batch, augment_inputs

AUDIO = AudioData(mean=-6.0, std=5.0)
FILLING = 0.6
QUIET = AudioAugment(roll=False, gain=0.0, time_mask=0, mel_mask=0)

ON: list[tuple[Augment, Data, tuple[int, ...]]] = [
    (ImageAugment(crop_padding=2, flip=0.5), ImageData(), (3, 8, 8)),
    (AudioAugment(), AUDIO, (60, 20)),
    (PointAugment(jitter_std=0.02), PointData(), (32, 3)),
    (VideoAugment(crop_padding=2, flip=0.5, brightness=0.3), VideoData(), (3, 4, 8, 8)),
]
OFF: list[tuple[Augment, Data, tuple[int, ...]]] = [
    (ImageAugment(crop_padding=0, flip=0.0), ImageData(), (3, 8, 8)),
    (AudioAugment(roll=False, gain=0.0, time_mask=0, mel_mask=0), AUDIO, (60, 20)),
    (PointAugment(scale=(1.0, 1.0), shift=0.0), PointData(), (32, 3)),
    (VideoAugment(crop_padding=0), VideoData(), (3, 4, 8, 8)),
]


def batch_of(count: int, shape: tuple[int, ...]) -> Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(0)) * 2 - 1


def augmented(
    section: Augment, data: Data, batch: Tensor, ids: Tensor | None = None, seed: int = 0, epoch: int = 0
) -> Tensor:
    ids = torch.arange(len(batch)) if ids is None else ids
    return augment_batch(section, data, batch, ids % 4, 4, seed, epoch, ids)[0]


@pytest.mark.parametrize(("section", "data", "shape"), OFF)
def test_with_everything_off_the_batch_comes_back(section: Augment, data: Data, shape: tuple[int, ...]) -> None:
    batch, labels = batch_of(6, shape), torch.tensor([0, 3, 1, 2, 2, 0])
    result, targets = augment_batch(section, data, batch, labels, 4, 0, 0, torch.arange(6))
    assert torch.equal(result, batch)
    assert targets.dtype == torch.float32
    assert torch.equal(targets, torch.eye(4)[labels])


@pytest.mark.parametrize(("section", "data", "shape"), ON)
def test_a_sample_is_augmented_alike_in_any_batch(section: Augment, data: Data, shape: tuple[int, ...]) -> None:
    batch, ids = batch_of(12, shape), torch.arange(12) * 5
    untouched = batch.clone()
    whole = augmented(section, data, batch, ids)
    assert torch.equal(batch, untouched)
    assert whole.shape == batch.shape
    assert whole.dtype == torch.float32
    order = torch.tensor([7, 2, 11, 0, 5, 4, 3, 10, 9, 1, 8, 6])
    assert torch.equal(augmented(section, data, batch[order], ids[order]), whole[order])
    assert torch.equal(augmented(section, data, batch[4:7], ids[4:7]), whole[4:7])
    assert torch.equal(augmented(section, data, batch, ids), whole)
    assert not torch.equal(augmented(section, data, batch, ids, epoch=1), whole)
    assert not torch.equal(augmented(section, data, batch, ids, seed=1), whole)


@pytest.mark.parametrize("shape", [(3, 9, 7), (2, 3, 9, 7)])
def test_crops_and_flips_are_those_of_the_padded_picture(shape: tuple[int, ...]) -> None:
    """Every result is found among all crops (torch's reflection padding), and all of them turn up."""
    section: Augment = ImageAugment(crop_padding=2, flip=0.5)
    data: Data = ImageData()
    if len(shape) == 4:
        section, data = VideoAugment(crop_padding=2, flip=0.5), VideoData()
    one = batch_of(1, shape)
    planes = one.reshape(-1, 9, 7)
    padded = functional.pad(planes, (2, 2, 2, 2), mode="reflect")
    crops = [padded[:, top : top + 9, left : left + 7] for top in range(5) for left in range(5)]
    crops += [crop.flip(-1) for crop in crops]
    result = augmented(section, data, one.repeat(1000, *[1] * len(shape))).reshape(1000, *planes.shape)
    counts = [int((result == crop).flatten(1).all(1).sum()) for crop in crops]
    assert sum(counts) == 1000
    assert stats.chisquare(counts).pvalue > 0.001


def test_padding_may_exceed_the_picture() -> None:
    result = augmented(ImageAugment(crop_padding=9, flip=0.0), ImageData(), batch_of(50, (1, 3, 3)))
    assert set(result.flatten().tolist()) <= set(batch_of(50, (1, 3, 3)).flatten().tolist())


@pytest.mark.parametrize("flip", [0.0, 0.25, 1.0])
def test_the_chance_of_a_flip(flip: float) -> None:
    batch = batch_of(400, (1, 2, 4))
    result = augmented(ImageAugment(crop_padding=0, flip=flip), ImageData(), batch)
    flipped = int((result == batch.flip(-1)).flatten(1).all(1).sum())
    assert int((result == batch).flatten(1).all(1).sum()) == 400 - flipped
    assert stats.binomtest(flipped, 400, flip).pvalue > 0.001


def test_brightness_multiplies_the_pixels_of_a_clip() -> None:
    batch = batch_of(300, (3, 2, 4, 4))
    result = augmented(VideoAugment(crop_padding=0, brightness=0.4), VideoData(), batch)
    before, after = (batch + 1) / 2, (result + 1) / 2
    factors = after.flatten(1).sum(1) / before.flatten(1).sum(1)
    dark = before.flatten(1) < 0.6
    ratio = after.flatten(1) / before.flatten(1)
    factor = ratio.where(dark & (before.flatten(1) > 0.1), torch.nan).nanmedian(1).values
    expected = (before.flatten(1) * factor[:, None]).clamp(0, 1)
    torch.testing.assert_close(after.flatten(1), expected, rtol=1e-4, atol=1e-5)
    assert stats.kstest(factor.numpy(), stats.uniform(0.6, 0.8).cdf).pvalue > 0.001
    assert factors.min() > 0.55


def test_roll_really_rolls() -> None:
    frames = 50
    batch = batch_of(500, (frames, 3))
    result = augmented(QUIET.model_copy(update={"roll": True}), AUDIO, batch)
    shifts = []
    for before, after in zip(batch, result, strict=True):
        (shift,) = [shift for shift in range(frames) if torch.equal(before.roll(shift, 0), after)]
        shifts.append(shift)
    counts = np.bincount(shifts, minlength=frames)
    assert counts[0] < 40
    assert stats.chisquare(counts).pvalue > 0.001


def test_gain_adds_a_loudness_in_raw_units() -> None:
    batch = batch_of(500, (6, 4))
    result = augmented(QUIET.model_copy(update={"gain": 0.5}), AUDIO, batch)
    raw = (result - batch) * 2 * AUDIO.std
    assert raw.flatten(1).std(1).max() < 1e-5
    assert stats.kstest(raw[:, 0, 0].numpy(), stats.uniform(-0.5, 1.0).cdf).pvalue > 0.001


@pytest.mark.parametrize(("field", "axis", "size"), [("time_mask", 1, 40), ("mel_mask", 2, 24)])
def test_masks_are_one_run_filled_with_raw_zero(field: str, axis: int, size: int) -> None:
    longest = 9
    batch = batch_of(800, (40, 24))
    result = augmented(QUIET.model_copy(update={field: longest}), AUDIO, batch)
    changed = result != batch
    masked = changed.all(3 - axis)
    assert torch.equal(changed.any(3 - axis), masked)
    torch.testing.assert_close(result[changed], torch.full_like(result[changed], FILLING))
    lengths = masked.sum(1)
    edges = functional.pad(masked.long(), (1, 1)).diff(dim=1)
    assert (edges == 1).sum(1).max() == 1
    assert stats.chisquare(np.bincount(lengths.numpy(), minlength=longest + 1)).pvalue > 0.001
    # The run lies anywhere: its place is even over the room that its length leaves.
    starts = (edges == 1).float().argmax(1)[lengths > 0]
    room = size - lengths[lengths > 0] + 1
    jittered = (starts + torch.rand(len(starts), generator=torch.Generator().manual_seed(0))) / room
    assert stats.kstest(jittered.numpy(), "uniform").pvalue > 0.001


def test_masks_longer_than_the_sample_are_cut() -> None:
    result = augmented(QUIET.model_copy(update={"time_mask": 500, "mel_mask": 500}), AUDIO, batch_of(20, (6, 4)))
    assert torch.isfinite(result).all()


def test_points_are_stretched_and_shifted_by_axis() -> None:
    batch = batch_of(500, (16, 3))
    result = augmented(PointAugment(scale=(0.5, 1.5), shift=0.2), PointData(), batch)
    # A straight line through each axis' coordinates gives factor and shift back.
    centred = batch - batch.mean(1, keepdim=True)
    factor = (centred * result).sum(1) / (centred * centred).sum(1)
    shift = result.mean(1) - factor * batch.mean(1)
    torch.testing.assert_close(batch * factor[:, None] + shift[:, None], result, rtol=1e-4, atol=1e-4)
    assert stats.kstest(factor.flatten().numpy(), stats.uniform(0.5, 1.0).cdf).pvalue > 0.001
    assert stats.kstest(shift.flatten().numpy(), stats.uniform(-0.2, 0.4).cdf).pvalue > 0.001
    assert abs(np.corrcoef(factor.T.numpy()) - np.eye(3)).max() < 0.2


def test_jitter_is_normal_noise_on_each_coordinate() -> None:
    batch = batch_of(50, (40, 3))
    section = PointAugment(scale=(1.0, 1.0), shift=0.0, jitter_std=0.05)
    noise = augmented(section, PointData(), batch) - batch
    assert stats.kstest(noise.flatten().numpy(), stats.norm(0.0, 0.05).cdf).pvalue > 0.001


@pytest.mark.parametrize(
    ("section", "data", "shape"),
    [
        (ImageAugment(crop_padding=0, flip=0.0, mixup=0.8), ImageData(), (3, 8, 8)),
        (ImageAugment(crop_padding=0, flip=0.0, cutmix=1.0), ImageData(), (3, 8, 8)),
        (VideoAugment(crop_padding=0, mixup=0.8, cutmix=1.0), VideoData(), (3, 2, 8, 8)),
        (AudioAugment(roll=False, gain=0.0, time_mask=0, mel_mask=0, mixup=0.8), AUDIO, (20, 8)),
    ],
)
def test_mixing_reaches_every_modality_that_has_it(section: Augment, data: Data, shape: tuple[int, ...]) -> None:
    labels = torch.arange(6)
    batch = labels.float().view(-1, *[1] * len(shape)).expand(6, *shape)
    differs = False
    for epoch in range(4):
        mixed, targets = augment_batch(section, data, batch, labels, 6, 0, epoch, labels)
        torch.testing.assert_close(mixed.flatten(1).mean(1), targets @ torch.arange(6.0))
        torch.testing.assert_close(targets.sum(1), torch.ones(6))
        differs |= not torch.equal(mixed, batch)
    assert differs


def test_a_batch_of_pictures_takes_milliseconds() -> None:
    section = ImageAugment(mixup=0.8, cutmix=1.0)
    batch = batch_of(64, (3, 32, 32))
    times = []
    for epoch in range(10):
        begun = time.perf_counter()
        augmented(section, ImageData(), batch, epoch=epoch)
        times.append(time.perf_counter() - begun)
    # 1.5 ms on one thread; the bound is wide for busy machines, and a loop over samples would still break it.
    assert min(times) < 0.01


@pytest.mark.parametrize("shape", [(400, 3, 20, 30), (300, 3, 4, 20, 30)])
def test_erasing_replaces_one_box_by_noise(shape: tuple[int, ...]) -> None:
    batch = torch.zeros(shape)
    draws = Draws(0, 0, torch.arange(len(batch)), batch.device)
    actual = erase(batch, 0.5, draws)
    changed = (actual != 0).all(dim=1)  # every channel has its own value
    assert torch.equal(changed, (actual != 0).any(dim=1))
    if batch.ndim == 5:
        assert torch.equal(changed.any(dim=1), changed.all(dim=1))  # the same box in every frame
        assert not torch.equal(actual[:, :, 0], actual[:, :, 1])
        changed = changed[:, 0]
    hit = changed.flatten(1).any(dim=1)
    assert 0.4 < float(hit.float().mean()) < 0.6
    shares = changed[hit].flatten(1).float().mean(dim=1)
    assert float(shares.min()) > 0.01
    assert float(shares.max()) < 0.36
    for sample in changed[hit][:60]:
        rows, columns = sample.any(dim=1).nonzero()[:, 0], sample.any(dim=0).nonzero()[:, 0]
        box = (int(rows[-1] - rows[0]) + 1) * (int(columns[-1] - columns[0]) + 1)
        assert int(sample.sum()) == box
    values = actual[actual != 0]
    assert abs(float(values.mean())) < 0.02
    assert abs(float(values.std()) - 1) < 0.02
    assert erase(batch, 0.0, draws) is batch


@pytest.mark.parametrize("shape", [(30, 3, 20, 31), (12, 3, 4, 16, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_noise_in_a_box_is_that_of_the_whole_sample(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    batch = torch.zeros(shape, dtype=dtype)
    draws = Draws(4, 2, torch.arange(len(batch)) * 7, batch.device)
    actual = erase(batch, 0.5, draws)
    everywhere = draws.normal("erasing/noise", batch[0].numel()).view(shape).to(dtype)
    assert torch.equal(actual, torch.where(actual != 0, everywhere, batch))
    assert (actual != 0).any()
    assert not batch.any()  # the input keeps its values


def test_noise_is_drawn_in_boxes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = torch.zeros(20, 3, 64, 64)
    counts = []
    at = Draws.normal_at

    def counted(self: Draws, stream: str, rows_N: Tensor, places_N: Tensor) -> Tensor:
        counts.append(len(places_N))
        return at(self, stream, rows_N, places_N)

    monkeypatch.setattr(Draws, "normal_at", counted)
    monkeypatch.delattr(Draws, "normal")
    erased = erase(batch, 0.25, Draws(0, 0, torch.arange(20), batch.device))
    assert counts == [int((erased != 0).sum())]


def test_a_random_crop_replaces_the_padded_one_and_waveforms_are_not_altered_twice() -> None:
    batch = torch.randn(4, 3, 8, 8)
    section = ImageAugment(crop_padding=2, flip=0.0, resized_crop=(0.5, 1.0))
    assert torch.equal(augment_inputs(section, ImageData(image_size=8), batch, 0, 0, torch.arange(4)), batch)
    frames = torch.randn(4, 16, 8)
    audio = AudioAugment(waveform=True, roll=True, gain=0.5, time_mask=0, mel_mask=0, mixup=10.0)
    assert torch.equal(augment_inputs(audio, AudioData(frames=16, mels=8), frames, 0, 0, torch.arange(4)), frames)
    mixed = torch.rand(4, 5)
    actual, targets = augment_batch(audio, AudioData(frames=16, mels=8), frames, mixed, 5, 0, 0, torch.arange(4))
    assert torch.equal(actual, frames)
    assert torch.equal(targets, mixed)


def test_brightness_is_that_of_the_pixels_whatever_the_normalisation() -> None:
    pixels = torch.rand(20, 3, 2, 4, 4)
    data = VideoData(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (data.mean, data.std))
    section = VideoAugment(crop_padding=0, brightness=0.4)
    actual = augment_inputs(section, data, (pixels - mean) / std, 0, 0, torch.arange(20)) * std + mean
    factors = actual.flatten(1).amax(1) / pixels.flatten(1).amax(1)
    darker = factors < 1
    torch.testing.assert_close(
        actual[darker], pixels[darker] * factors[darker].view(-1, 1, 1, 1, 1), rtol=1e-4, atol=1e-5
    )
    assert 5 < int(darker.sum()) < 15
    assert float(actual.max()) <= 1 + 1e-5


def test_the_chance_to_be_mixed_is_each_samples_own() -> None:
    section = AudioAugment(roll=False, gain=0.0, time_mask=0, mel_mask=0, mixup=1.0, mixup_probability=0.3)
    frames = torch.arange(400.0).view(400, 1, 1).expand(400, 4, 4).contiguous()
    data = AudioData(frames=4, mels=4)
    actual, targets = augment_batch(section, data, frames, torch.arange(400), 400, 0, 0, torch.arange(400))
    alone = (actual == frames).flatten(1).all(1)
    assert 0.65 < float(alone.float().mean()) < 0.75
    assert torch.equal(targets[alone].argmax(1), torch.arange(400)[alone])
    assert bool((targets[alone].amax(1) == 1).all())
    assert bool((targets[~alone].amax(1) < 1).all())
