"""Augmentation of normalised batches on the device, vectorised over samples.

One function for each modality, all with the same signature. A sample's draws depend on nothing else in the batch
(`draws.py`). With everything off the batch is returned unchanged; the input is never modified.
"""

import math

import torch
from torch import Tensor

from crosspath.config.augment import AudioAugment, ImageAugment, PointAugment, TextAugment, VideoAugment
from crosspath.config.data import AudioData, ImageData, PointData, TextData, VideoData
from crosspath.data.generated.brackets import bracket_sequences
from crosspath.data.views.draws import Draws
from crosspath.data.views.point_resampling import training_cloud

ERASED_SHARES = (0.02, 1 / 3)
NARROWEST = 0.3
STEP = 8
"""Texts of a batch are cut to a multiple of this many tokens, so that few shapes occur."""


def augment_images(section: ImageAugment, data: ImageData, batch_BCHW: Tensor, draws: Draws) -> Tensor:
    """Padded crop, flip and random erasing. Annotations are moved alike, and not erased."""
    padding = section.crop_padding if section.resized_crop is None else 0
    moved_BCHW = crop_and_flip(batch_BCHW, padding, section.flip, draws)
    if not data.annotated:
        return erase(moved_BCHW, section.erasing, draws)
    colours_B3HW, classes_B1HW = moved_BCHW[:, :-1], moved_BCHW[:, -1:]
    return torch.cat([erase(colours_B3HW, section.erasing, draws), classes_B1HW], dim=1)


def augment_clips(section: VideoAugment, data: VideoData, batch_BCTHW: Tensor, draws: Draws) -> Tensor:
    """Padded crop, flip, brightness and random erasing, the same in all frames of a clip."""
    crops = section.resized_crop is not None or section.multi_scale_crop
    batch_BCTHW = crop_and_flip(batch_BCTHW, 0 if crops else section.crop_padding, section.flip, draws)
    return erase(change_brightness(batch_BCTHW, section.brightness, data, draws), section.erasing, draws)


def redraw_sequences(section: TextAugment, data: TextData, batch_BL: Tensor, draws: Draws) -> Tensor:
    """With `redraw`, new bracket sequences by the rule of the set; of texts what `trim` leaves."""
    if not section.redraw:
        return trim(data, batch_BL)
    return bracket_sequences(data, draws.seed, draws.epoch, draws.sample_ids_B, "brackets/redrawn")


def trim(data: TextData, batch_BL: Tensor) -> Tensor:
    """Rows of texts without the number of their tokens, which stands last, cut to the longest of the batch."""
    if batch_BL.shape[1] != data.length + 1:
        return batch_BL
    longest = int((batch_BL[:, :-1] >= 0).sum(dim=1).max())
    return batch_BL[:, : min(data.length, -(-longest // STEP) * STEP)]


def crop_and_flip(batch: Tensor, padding: int, flip: float, draws: Draws) -> Tensor:
    """Each sample (..., H, W) reflection-padded, cropped to its size, and mirrored with probability `flip`.

    All channels and frames of a sample are moved alike.
    """
    if padding == 0 and flip == 0.0:
        return batch
    height, width = batch.shape[-2:]
    rows_BH = torch.arange(height, device=batch.device).expand(len(batch), -1)
    columns_BW = torch.arange(width, device=batch.device).expand(len(batch), -1)
    if flip > 0.0:
        columns_BW = torch.where(draws.uniform("flip") < flip, columns_BW.flip(1), columns_BW)
    if padding > 0:
        rows_BH = reflect(rows_BH + draws.integers("crop/row", 2 * padding + 1)[:, None] - padding, height)
        columns_BW = reflect(columns_BW + draws.integers("crop/column", 2 * padding + 1)[:, None] - padding, width)
    places_BS = (rows_BH[:, :, None] * width + columns_BW[:, None, :]).flatten(1)
    planes_BCS = batch.reshape(len(batch), -1, height * width)
    return planes_BCS.gather(2, places_BS[:, None].expand_as(planes_BCS)).view_as(batch)


def reflect(indices: Tensor, size: int) -> Tensor:
    """Indices beyond [0, size) reflected at the first and last element, which are not repeated."""
    period = max(2 * (size - 1), 1)
    places = indices.remainder(period)
    return torch.minimum(places, period - places) if size > 1 else torch.zeros_like(indices)


def change_brightness(batch_BCTHW: Tensor, most: float, data: VideoData, draws: Draws) -> Tensor:
    """Each clip's brightness (black is 0) multiplied by 1 + U(-most, most) and clamped at white."""
    if most == 0.0:
        return batch_BCTHW
    channels = list(zip(data.mean, data.std, strict=True))
    # The normalised values of 0 and 1.
    black_C111, white_C111 = (
        torch.tensor([(value - mean) / std for mean, std in channels], device=batch_BCTHW.device).view(3, 1, 1, 1)
        for value in (0.0, 1.0)
    )
    factors_B = 1.0 + most * (2.0 * draws.uniform("brightness")[:, 0] - 1.0)
    brighter_BCTHW = (batch_BCTHW - black_C111) * factors_B.view(-1, 1, 1, 1, 1) + black_C111
    return brighter_BCTHW.clamp(black_C111, white_C111)


def erase(batch: Tensor, chance: float, draws: Draws) -> Tensor:
    """In each sample (B, C, ..., H, W) one box is filled with normal noise, with probability `chance`.

    Random erasing (Zhong et al. 2020, arXiv 1708.04896) with the settings of timm and MAE: 2 % to a third of the area,
    sides in a ratio of 0.3 to 1 / 0.3. All frames of a clip lose the same box and get different noise.
    """
    if chance == 0.0:
        return batch
    height, width = batch.shape[-2:]
    draw_B5 = draws.uniform("erasing", 5)
    area_B = (ERASED_SHARES[0] + (ERASED_SHARES[1] - ERASED_SHARES[0]) * draw_B5[:, 1]) * height * width
    log_ratio_B = math.log(NARROWEST) * (1.0 - 2.0 * draw_B5[:, 2])
    # A box that does not fit is clipped; timm draws again, which makes narrow boxes slightly rarer.
    down_B = (area_B * log_ratio_B.exp()).sqrt().round().clamp(1, height)
    across_B = (area_B / log_ratio_B.exp()).sqrt().round().clamp(1, width)
    top_B = (draw_B5[:, 3] * (height - down_B + 1)).floor()
    left_B = (draw_B5[:, 4] * (width - across_B + 1)).floor()
    rows_H, columns_W = (torch.arange(size, device=batch.device) for size in (height, width))
    in_rows_BH = (rows_H >= top_B[:, None]) & (rows_H < (top_B + down_B)[:, None])
    in_columns_BW = (columns_W >= left_B[:, None]) & (columns_W < (left_B + across_B)[:, None])
    box_BHW = in_rows_BH[:, :, None] & in_columns_BW[:, None, :] & (draw_B5[:, 0] < chance)[:, None, None]
    # Noise is drawn where it is used, since most pixels keep their values. Planes are channels and frames.
    rows_N, pixels_N = box_BHW.flatten(1).nonzero(as_tuple=True)
    planes_BPS = batch.flatten(1).clone().view(len(batch), -1, height * width)
    planes_P1 = torch.arange(planes_BPS.shape[1], device=batch.device)[:, None]
    places = (planes_P1 * (height * width) + pixels_N).flatten()
    noise = draws.normal_at("erasing/noise", rows_N.repeat(len(planes_P1)), places)
    planes_BPS[rows_N, :, pixels_N] = noise.view(len(planes_P1), -1).t().to(batch.dtype)
    return planes_BPS.view_as(batch)


def augment_frames(section: AudioAugment, data: AudioData, batch_BTF: Tensor, draws: Draws) -> Tensor:
    """Roll in time, gain, then SpecAugment's masks (Park et al. 2019), one along each axis.

    Gain is in natural-log units of the raw values, which normalisation divides by 2 std. Masks are filled with the
    normalised value of a raw 0, as in the published training.
    """
    frames, mels = batch_BTF.shape[1:]
    if section.roll and not section.waveform:
        shifts_B = draws.integers("roll", frames)
        sources_BT = (torch.arange(frames, device=batch_BTF.device) - shifts_B[:, None]).remainder(frames)
        batch_BTF = batch_BTF.gather(1, sources_BT[:, :, None].expand_as(batch_BTF))
    if section.gain > 0.0 and not section.waveform:
        gains_B = section.gain * (2.0 * draws.uniform("gain")[:, 0] - 1.0) / (2.0 * data.std)
        batch_BTF = batch_BTF + gains_B[:, None, None]
    filling = (0.0 - data.mean) / (2.0 * data.std)
    if section.time_mask > 0:
        masked_BT = random_runs(frames, section.time_mask, "time_mask", draws)
        batch_BTF = batch_BTF.masked_fill(masked_BT[:, :, None], filling)
    if section.mel_mask > 0:
        masked_BF = random_runs(mels, section.mel_mask, "mel_mask", draws)
        batch_BTF = batch_BTF.masked_fill(masked_BF[:, None, :], filling)
    return batch_BTF


def random_runs(size: int, longest: int, stream: str, draws: Draws) -> Tensor:
    """bool (B, size): in each row a run of 0 to `longest` (at most `size`) elements, uniform in length and place."""
    lengths_B = draws.integers(f"{stream}/length", min(longest, size) + 1)
    starts_B = (draws.uniform(f"{stream}/start")[:, 0] * (size - lengths_B + 1)).to(torch.int64)
    places_S = torch.arange(size, device=lengths_B.device)
    return (places_S >= starts_B[:, None]) & (places_S < (starts_B + lengths_B)[:, None])


def augment_clouds(section: PointAugment, data: PointData, batch_BS3: Tensor, draws: Draws) -> Tensor:
    """Draws `data.points` of the points, then `move_clouds`."""
    ids_B = draws.sample_ids_B
    batch_BP3 = training_cloud(batch_BS3, data.points, section.resample, draws.seed, draws.epoch, ids_B)
    return move_clouds(section, batch_BP3, draws)


def move_clouds(section: PointAugment, batch_BP3: Tensor, draws: Draws) -> Tensor:
    """A random factor and shift for each axis, then normal jitter of each coordinate. Annotations stay as they are."""
    batch_BP3, annotations_BPA = batch_BP3[..., :3], batch_BP3[..., 3:]
    low, high = section.scale
    if (low, high) != (1.0, 1.0):
        batch_BP3 = batch_BP3 * (low + (high - low) * draws.uniform("scale", 3))[:, None, :]
    if section.shift > 0.0:
        batch_BP3 = batch_BP3 + section.shift * (2.0 * draws.uniform("shift", 3) - 1.0)[:, None, :]
    if section.jitter_std > 0.0:
        jitter_BP3 = draws.normal("jitter", batch_BP3.shape[1] * 3).view_as(batch_BP3)
        batch_BP3 = batch_BP3 + section.jitter_std * jitter_BP3
    return torch.cat([batch_BP3, annotations_BPA], dim=-1) if annotations_BPA.shape[-1] else batch_BP3
