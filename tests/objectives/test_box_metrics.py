"""Average precision of boxes against one computed by hand, and its rules for crowds, areas and pictures of any size."""

import numpy as np
import pytest
import torch
from torch import Tensor

from crosspath.data.boxes import box_array, empty_rows
from crosspath.objectives.box_metrics import box_metrics
from tests.errors import refused

SIZE = 128


def truth(pictures: int, seed: int, *, crowds: bool = False) -> Tensor:
    """Random boxes of three classes in pictures of 640 x 480 and 300 x 600; the last picture has none."""
    rng = np.random.default_rng(seed)
    rows = []
    for picture in range(pictures - 1):
        width, height = ((640, 480), (300, 600))[picture % 2]
        factor = SIZE / max(width, height)
        own = []
        for _ in range(int(rng.integers(1, 7))):
            side = rng.uniform(10, 200, 2)
            x, y = rng.uniform(0, (width - side[0], height - side[1]))
            corners = np.array([x, y, x + side[0], y + side[1]]) * factor
            crowd = float(crowds and rng.random() < 0.2)
            own.append((*corners, float(rng.integers(3)), crowd, float(side.prod()), width, height))
        rows.append(tuple(own))
    rows.append(empty_rows(640, 480))
    return torch.from_numpy(box_array(rows))


def predictions(boxes_NM9: Tensor, seed: int) -> Tensor:
    """Of each box a shifted copy, sometimes of another class, and boxes at random; scores that differ."""
    rng = np.random.default_rng(seed)
    result = torch.zeros(len(boxes_NM9), 40, 6)
    result[..., 5] = -1
    scores = torch.from_numpy(rng.permutation(result[..., 0].numel()).reshape(len(result), 40) / 1e4 + 0.05)
    for picture, rows in enumerate(boxes_NM9):
        own = [(row[:4] + torch.from_numpy(rng.normal(0, 2, 4)), row[4]) for row in rows if not row[4].isnan()]
        for _ in range(12):
            corner, side = rng.uniform(0, 80, 2), rng.uniform(3, 45, 2)
            own.append((torch.from_numpy(np.concatenate([corner, corner + side])), float(rng.integers(3))))
        for place, (corners, kind) in enumerate(own):
            result[picture, place, :4] = torch.cat([corners[:2], torch.maximum(corners[2:], corners[:2] + 1)])
            result[picture, place, 4] = scores[picture, place]
            result[picture, place, 5] = float(kind) if rng.random() < 0.8 else float(rng.integers(3))
    return result


def iou(box: np.ndarray, other: np.ndarray, crowd: bool) -> float:
    across = min(box[2], other[2]) - max(box[0], other[0])
    down = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(across, 0.0) * max(down, 0.0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return shared / (area if crowd else area + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def average_precision(detections: Tensor, boxes: Tensor, areas: tuple[float, float], threshold: float) -> float:
    """By the definition, one box after the other; the mean over classes with a box that counts."""
    values = []
    for kind in range(3):
        hits: list[tuple[float, bool]] = []
        positives = 0
        for found_Q6, rows_M9 in zip(detections.double().numpy(), boxes.double().numpy(), strict=True):
            width, height = rows_M9[0, 7:9]
            factor = SIZE / max(width, height)
            own = [row for row in rows_M9 if row[4] == kind]
            ignored = [bool(row[5]) or not areas[0] <= row[6] <= areas[1] for row in own]
            positives += ignored.count(False)
            used: set[int] = set()
            for row in sorted((row for row in found_Q6 if row[5] == kind), key=lambda row: -row[4]):
                best, match = min(threshold, 1 - 1e-10), None
                for wanted in (False, True):  # a box that counts comes before one that does not
                    for place, other in enumerate(own):
                        if ignored[place] is not wanted or (place in used and not other[5]):
                            continue
                        overlap = iou(row[:4], other[:4], bool(other[5]))
                        if overlap >= best:
                            best, match = overlap, place
                    if match is not None:
                        break
                if match is not None:
                    used.add(match)
                    if not ignored[match]:
                        hits.append((row[4], True))
                    continue
                area = (row[2] - row[0]) * (row[3] - row[1]) / factor**2
                if areas[0] <= area <= areas[1]:
                    hits.append((row[4], False))
        if not positives:
            continue
        hits.sort(key=lambda hit: -hit[0])
        right = np.cumsum([hit for _, hit in hits])
        recall, precision = right / positives, right / np.arange(1, len(hits) + 1)
        best_from = [precision[recall >= level].max(initial=0.0) for level in np.linspace(0, 1, 101)]
        values.append(float(np.mean(best_from)))
    return float(np.mean(values))


EVERY = (0.0, 1e10)
LEVELS = np.linspace(0.5, 0.95, 10)


@pytest.mark.parametrize("crowds", [False, True])
def test_random_predictions_read_as_by_hand(crowds: bool) -> None:
    boxes = truth(12, 3, crowds=crowds)
    found = predictions(boxes, 4)
    measured = box_metrics(found, boxes, SIZE)
    # What reaches beyond the picture is cut, and what lies there alone is no detection.
    found = found.double()
    inside_N2 = boxes[:, 0, 7:9] * SIZE / boxes[:, 0, 7:9].amax(dim=1, keepdim=True)
    found[..., :4] = found[..., :4].clamp(min=0).minimum(inside_N2.repeat(1, 2)[:, None].double())
    found[(found[..., 2:4] <= found[..., :2]).any(dim=-1), 5] = -1
    assert measured["box_ap"] == pytest.approx(
        np.mean([average_precision(found, boxes, EVERY, level) for level in LEVELS]), abs=1e-9
    )
    for name, level in (("box_ap50", 0.5), ("box_ap75", 0.75)):
        assert measured[name] == pytest.approx(average_precision(found, boxes, EVERY, level), abs=1e-9)
    assert 0.05 < measured["box_ap"] < measured["box_ap50"] < 0.95
    for name, areas in (("small", (0, 32**2)), ("medium", (32**2, 96**2)), ("large", (96**2, 1e10))):
        by_hand = np.mean([average_precision(found, boxes, areas, level) for level in LEVELS])
        assert measured[f"box_ap_{name}"] == pytest.approx(by_hand, abs=1e-9)


def test_perfect_none_and_half() -> None:
    boxes = truth(6, 5)
    found = torch.zeros(6, boxes.shape[1], 6)
    found[..., :4], found[..., 4], found[..., 5] = boxes[..., :4], 0.9, boxes[..., 4]
    found[boxes[..., 4].isnan()] = torch.tensor([0.0, 0, 0, 0, 0, -1])
    assert box_metrics(found, boxes, SIZE)["box_ap"] == pytest.approx(1.0)
    nothing = torch.zeros_like(found)
    nothing[..., 5] = -1
    assert box_metrics(nothing, boxes, SIZE)["box_ap"] == 0.0
    wrong = found.clone()
    wrong[..., 5] = (wrong[..., 5] + 1) % 3
    wrong[found[..., 5] < 0] = torch.tensor([0.0, 0, 0, 0, 0, -1])
    assert box_metrics(wrong, boxes, SIZE)["box_ap"] < 0.05


def test_without_boxes_there_is_nothing_to_measure() -> None:
    boxes = torch.from_numpy(box_array([empty_rows(64, 64)] * 2))
    assert box_metrics(torch.zeros(2, 5, 6), boxes, SIZE) == {}


def test_the_extra_is_named_where_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with refused("box_ap", "crosspath[detection]"):
        box_metrics(predictions(truth(3, 0), 0), truth(3, 0), SIZE)


def test_what_reaches_beyond_the_picture_is_cut_as_predictions_are() -> None:
    """A picture of 640 x 480 fills the upper 96 of 128 rows."""
    box = (10.0, 60.0, 100.0, 96.0, 0.0, 0.0, 450.0 * 180.0, 640.0, 480.0)
    boxes = torch.from_numpy(box_array([[box]]))
    found = torch.tensor([[[10.0, 60.0, 100.0, 128.0, 0.9, 0.0], [5.0, 100.0, 90.0, 120.0, 0.95, 0.0]]])
    assert box_metrics(found, boxes, SIZE)["box_ap"] == pytest.approx(1.0)
