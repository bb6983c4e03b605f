"""Pictures of single samples: the truth's colours and the model's stand where arrays say, and files hold the answer."""

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crosspath.data.annotations import NOT_LABELLED, OUTSIDE
from crosspath.data.examples import Examples
from crosspath.objectives import box_pictures
from crosspath.objectives.box_pictures import draw_boxes
from crosspath.objectives.drawing import Answer, prepare_samples
from crosspath.objectives.sample_pictures import draw_parts, draw_pixels, mask_file, parts_file
from crosspath.pictures.canvas import GAP, LINE
from crosspath.pictures.palette import class_colours
from crosspath.recipes import recipe_named
from tests.checkpoints.small import image_recipe

NAMES = ("road", "sky", "tree")
COLOURS = class_colours(3)


def answer(read: np.ndarray, says: Any, truth: Any = None) -> Answer:
    return Answer("one", lambda: read, np.asarray(says, float), None, None if truth is None else np.asarray(truth))


def count(picture: np.ndarray, colour: np.ndarray) -> int:
    return int((picture == colour).all(axis=-1).sum())


def test_masks_stand_beside_the_image_and_the_truth() -> None:
    grey, half = np.zeros((3, 64, 64), np.float32), np.zeros((64, 64), int)
    half[:, 32:] = 1
    truth = half.copy()
    truth[:8] = NOT_LABELLED
    picture = np.asarray(draw_pixels(image_recipe(), answer(grey, 2 - half, truth), NAMES))
    side = 256  # 64 pixels, four times as large
    panels = [picture[GAP + LINE :, GAP + place * (side + GAP) :][:side, :side] for place in range(3)]
    assert (panels[0] == 128).all()
    mixed = np.rint(128 + 0.55 * (COLOURS.astype(float) - 128))
    for panel, left, right in ((panels[1], 0, 1), (panels[2], 2, 1)):
        assert (panel[128, 40] == mixed[left]).all()
        assert (panel[128, 200] == mixed[right]).all()
    assert (panels[1][10, 40] == 128).all()  # what is not labelled stays as it is
    alone = draw_pixels(image_recipe(), answer(grey, 2 - half), NAMES)
    assert alone.width == picture.shape[1] - side - GAP


def test_a_mask_file_holds_the_numbers() -> None:
    says = np.arange(12).reshape(3, 4)
    ((suffix, content),) = mask_file(image_recipe(), answer(np.zeros((3, 3, 4)), says), NAMES).items()
    assert suffix == ".mask.png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), says)


def test_parts_have_their_colours_from_two_sides() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (400, 3))
    parts = (points[:, 2] > 0).astype(int)
    wrong = np.where(parts == 1, 2, 0).astype(float)
    wrong[:5] = np.nan
    recipe = recipe_named("point/furniture")
    picture = np.asarray(draw_parts(recipe, answer(points, wrong, parts), NAMES)).astype(int)
    panels = [picture[GAP + LINE :, GAP + place * (200 + GAP) :][:200, :200] for place in range(4)]
    for panel in panels[:2]:  # part 1, orange, lies above part 0, blue
        above, below = (np.argwhere(panel[..., a] > panel[..., b] + 40) for a, b in ((0, 2), (2, 0)))
        assert above[:, 0].mean() < below[:, 0].mean() - 20
    for panel in panels[2:]:  # nothing is orange: part 2 is green
        assert not (panel[..., 0] > panel[..., 1] + 40).any()


def test_a_parts_file_has_a_line_a_point() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    content = parts_file(recipe_named("point/furniture"), answer(points, [0, 3, 2, 1, 0]), NAMES)[".parts.txt"]
    rows = np.loadtxt(io.BytesIO(content))
    assert np.allclose(rows[:, :3], points, atol=1e-6)
    assert rows[:, 3].tolist() == [0, 3, 2, 1, 0]


def test_boxes_that_the_model_is_sure_of_and_those_that_are_true() -> None:
    grey = np.zeros((3, 64, 64), np.float32)
    found = [[5, 20, 25, 40, 0.9, 0], [30, 20, 60, 60, 0.2, 1], [0, 0, 0, 0, 0, -1]]
    true = np.full((3, 9), np.nan)
    true[0, :6] = [5, 20, 25, 40, 1, 0]
    true[1, :6] = [30, 20, 60, 60, 2, 1]  # a crowd
    picture = np.asarray(draw_boxes(image_recipe(), answer(grey, found, true), NAMES))
    first, second = picture[:, : 320 + GAP + 4], picture[:, 320 + GAP + 4 :]
    assert count(first, COLOURS[1]) > 100
    assert count(first, COLOURS[2]) == count(first, COLOURS[0]) == 0
    assert count(second, COLOURS[0]) > 100
    assert count(second, COLOURS[1]) == count(second, COLOURS[2]) == 0


def test_the_caption_counts_the_boxes_that_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    captions: list[str] = []
    monkeypatch.setattr(box_pictures, "compose", lambda *_, caption: captions.append(caption))
    found = [[5, 20, 25, 40, 0.9, 0]] * 30 + [[5, 20, 25, 40, 0.1, 0]] * 5
    for count in (30, 1):
        draw_boxes(image_recipe(), answer(np.zeros((3, 64, 64), np.float32), found[30 - count :], None), NAMES)
    assert captions[0].endswith("the best 20 of 30 boxes of score 0.3 or more, of 35")
    assert captions[1].endswith("1 box of score 0.3 or more, of 6")


def test_an_annotated_sample_is_read_without_what_fills_its_array() -> None:
    cpu, row = torch.device("cpu"), np.array([1])
    clouds = np.zeros((2, 10, 4), np.float32)
    clouds[:, 7:, 3] = OUTSIDE
    recipe = recipe_named("point/furniture")
    inputs, truths = prepare_samples(recipe, Examples(clouds, np.zeros(2, np.int64), ("a", "b")), row, cpu)
    assert inputs.shape == (1, 7, 3)
    assert truths.shape == (1, 7)
