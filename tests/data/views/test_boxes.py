"""Boxes move with their pictures: white rectangles are where their boxes say, whatever is drawn."""

import numpy as np
import pytest
import torch
from torch import Tensor

from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.data.boxes import box_array, empty_rows
from crosspath.data.views.boxes import augment_boxed_images
from crosspath.data.views.draws import Draws
from crosspath.modalities.batches import augment_batch

DATA = ImageData(image_size=40, label_kind="boxes")
CORNERS = ((4, 6, 16, 30), (20, 10, 37, 18), (10, 22, 34, 39))


def batch() -> tuple[Tensor, Tensor]:
    """Pictures with one white rectangle each on black, one twice, and one without."""
    pictures = torch.zeros(5, 3, 40, 40)
    rows = []
    for number, (x0, y0, x1, y1) in enumerate((*CORNERS, CORNERS[0])):
        pictures[number, :, y0:y1, x0:x1] = 1.0
        rows.append(((x0, y0, x1, y1, 1.0, 0.0, 50.0, 40.0, 40.0),))
    return pictures, torch.from_numpy(box_array([*rows, empty_rows(40, 40)]))


def bright(picture: Tensor) -> list[int]:
    """The box around the bright pixels."""
    mask = (picture[0] > 0.5).numpy()
    across, down = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    return [int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1]


def moved(section: ImageAugment, epoch: int = 0, ids: tuple[int, ...] = (0, 1, 2, 3, 4)) -> tuple[Tensor, Tensor]:
    pictures, boxes = batch()
    before = pictures.clone(), boxes.clone()
    rows = torch.tensor(ids)
    result = augment_batch(section, DATA, pictures[rows], boxes[rows], 3, 0, epoch, rows)
    assert torch.equal(pictures, before[0])
    assert torch.equal(boxes.nan_to_num(-1), before[1].nan_to_num(-1))
    return result


def test_a_flip_mirrors_picture_and_boxes() -> None:
    flipped = 0
    for epoch in range(6):
        pictures, boxes = moved(ImageAugment(crop_padding=0, flip=0.5), epoch)
        for picture, row, own in zip(pictures, boxes[:4, 0], (*CORNERS, CORNERS[0]), strict=False):
            assert bright(picture) == row[:4].tolist()
            flipped += row[:4].tolist() != list(own)
            assert row[4:].tolist() == [1.0, 0.0, 50.0, 40.0, 40.0]
        assert boxes[4, 0, :7].isnan().all()
    assert 6 <= flipped <= 18


@pytest.mark.parametrize("factors", [(0.3, 0.9), (1.1, 2.0)])
def test_scale_jitter_resizes_and_cuts_both(factors: tuple[float, float]) -> None:
    section = ImageAugment(crop_padding=0, flip=0.5, scale_jitter=factors)
    seen = 0
    for epoch in range(8):
        pictures, boxes = moved(section, epoch)
        for picture, row in zip(pictures[:4], boxes[:4, 0], strict=True):
            if row[0].isnan():
                assert (picture[0] > 0.5).sum() <= 40  # a sliver at most
                continue
            seen += 1
            assert bright(picture) == pytest.approx(row[:4].tolist(), abs=1.01)
            assert ((row[:4] >= 0) & (row[:4] <= 40)).all()
    assert seen > 20


def test_what_is_drawn_for_a_sample_depends_on_nothing_beside_it() -> None:
    section = ImageAugment(crop_padding=0, flip=0.5, scale_jitter=(0.5, 1.5), erasing=0.5)
    pictures, boxes = moved(section, 3)
    alone, box = moved(section, 3, (2,))
    assert torch.equal(alone[0], pictures[2])
    assert torch.equal(box[0], boxes[2])


def test_nothing_is_changed_where_nothing_is_on() -> None:
    pictures, boxes = batch()
    draws = Draws(0, 0, torch.arange(5), torch.device("cpu"))
    same, rows = augment_boxed_images(ImageAugment(crop_padding=0, flip=0.0), DATA, pictures, boxes, draws)
    assert torch.equal(same, pictures)
    assert torch.equal(rows.nan_to_num(-1), boxes.nan_to_num(-1))
