"""The feature pyramid against its own arithmetic, and the library's detectors on an encoder's maps."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from crosspath.data.boxes import box_array
from crosspath.models.detector import KIND, SCORE, Detector
from crosspath.models.encoder import Encoder
from crosspath.models.feature_pyramid import FeaturePyramid, pyramid_strides
from crosspath.objectives.box_metrics import box_metrics
from crosspath.tokenizers import ImageTokenizer
from tests.errors import refused


def detector(size: int = 32, patch: int = 8, kind: Literal["retinanet", "faster_rcnn"] = "retinanet") -> Detector:
    torch.manual_seed(0)
    return Detector(ImageTokenizer(size, (patch, patch), 16), Encoder(16, 1, 2, cls_token=True), 3, kind, 16, 20)


def boxes(*pictures: list[tuple[float, ...]]) -> Tensor:
    rows = [[(*row, 0.0, 100.0, 32.0, 32.0) for row in own] or [(*(float("nan"),) * 7, 32.0, 32.0)] for own in pictures]
    return torch.from_numpy(box_array(rows))


def test_the_pyramid_is_the_published_one() -> None:
    """ViTDet's levels written out with torch's functions, from the pyramid's own weights."""
    torch.manual_seed(1)
    pyramid = FeaturePyramid(8, 4)
    map_BDHW = torch.randn(2, 8, 6, 6)
    weights = dict(pyramid.named_parameters())

    def layer_norm(values: Tensor, name: str) -> Tensor:
        mean, variance = values.mean(1, keepdim=True), values.var(1, keepdim=True, unbiased=False)
        normed = (values - mean) / (variance + 1e-6).sqrt()
        return normed * weights[f"{name}.weight"][:, None, None] + weights[f"{name}.bias"][:, None, None]

    def up(values: Tensor, name: str) -> Tensor:
        return functional.conv_transpose2d(values, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=2)

    def ends(values: Tensor, level: int, first: int) -> Tensor:
        values = functional.conv2d(values, weights[f"levels.{level}.{first}.weight"])
        values = layer_norm(values, f"levels.{level}.{first + 1}")
        values = functional.conv2d(values, weights[f"levels.{level}.{first + 2}.weight"], padding=1)
        return layer_norm(values, f"levels.{level}.{first + 3}")

    for parameter in pyramid.parameters():
        nn.init.normal_(parameter, std=0.5)
    fine = functional.gelu(layer_norm(up(map_BDHW, "levels.0.0"), "levels.0.1"))
    expected = {
        "0": ends(up(fine, "levels.0.3"), 0, 4),
        "1": ends(up(map_BDHW, "levels.1.0"), 1, 1),
        "2": ends(map_BDHW, 2, 0),
        "3": ends(functional.max_pool2d(map_BDHW, 2), 3, 1),
    }
    expected["pool"] = expected["3"][..., ::2, ::2]
    found = pyramid(map_BDHW)
    assert list(found) == list(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    assert [value.shape[-1] for value in found.values()] == [24, 12, 6, 3, 2]
    assert pyramid_strides(16) == (4, 8, 16, 32, 64)
    assert pyramid_strides(14) == (3.5, 7, 14, 28, 56)


@pytest.mark.parametrize(("size", "patch"), [(64, 16), (98, 14)])
def test_anchors_stand_where_their_cells_are(size: int, patch: int) -> None:
    """Strides of patches of 14 pixels are not whole, and an odd grid does not halve: neither moves an anchor."""
    model = detector(size, patch)
    grid = size // patch
    maps = [torch.zeros(1, 16, side, side) for side in (4 * grid, 2 * grid, grid, -(-grid // 2), -(-grid // 4))]
    images, _ = model.head.transform([torch.zeros(16, grid, grid)])
    anchors = model.head.anchor_generator(images, maps)[0]
    start = 0
    for level, stride in zip(maps, pyramid_strides(patch), strict=True):
        side = level.shape[-1]
        own = anchors[start : start + 9 * side * side].view(side, side, 9, 4)
        middles = (own[..., :2] + own[..., 2:]) / 2
        assert middles[0, -1, 0].tolist() == pytest.approx([stride * (side - 1), 0])
        assert middles[-1, 0, 0].tolist() == pytest.approx([0, stride * (side - 1)])
        assert own.dtype == torch.float32
        start += 9 * side * side
    assert start == len(anchors)


def test_regions_are_pooled_at_the_strides_of_their_maps() -> None:
    """torchvision would take 1 / 14 for 1 / 16."""
    model = detector(98, 14, "faster_rcnn")
    pooling = model.head.roi_heads.box_roi_pool
    ramp = [torch.linspace(0.5, side - 0.5, side).expand(1, 1, side, side) for side in (28, 14, 7, 4)]
    features = {str(number): values for number, values in enumerate(ramp)}
    box = torch.tensor([[21.0, 14.0, 70.0, 84.0]])
    pooled = pooling(features, [box], [(98, 98)])
    stride = pyramid_strides(14)[int(pooling.map_levels([box])[0])]
    # The mean place of what was pooled is the middle of the box; the library counts from the middle of the first cell.
    assert float(pooled.mean()) * stride == pytest.approx(45.5 + stride / 2, abs=0.1)


@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
def test_a_sample_s_loss_is_the_library_s_and_the_mean_is_that_of_the_batch(
    kind: Literal["retinanet", "faster_rcnn"],
) -> None:
    model = detector(kind=kind).train()
    pictures = torch.randn(3, 3, 32, 32)
    labels = boxes([(2, 3, 20, 22, 1), (18, 18, 30, 31, 2)], [], [(5, 5, 14, 12, 0)])
    torch.manual_seed(3)
    losses_B = model(pictures, labels)
    assert losses_B.shape == (3,)
    if kind == "retinanet":  # the other one draws
        maps = list(model.maps(pictures))
        terms = model.head(maps, [model._target(own) for own in labels])
        assert losses_B.mean().item() == pytest.approx(sum(terms.values()).item(), rel=1e-5)
        for one in range(3):
            alone = model(pictures[one : one + 1], labels[one : one + 1])
            torch.testing.assert_close(alone[0], losses_B[one])
    losses_B.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_crowds_and_unused_rows_are_not_trained_on() -> None:
    model = detector()
    labels = boxes([(2, 3, 20, 22, 1), (1, 1, 9, 9, 2)], [])
    labels[0, 1, 5] = 1.0
    target = model._target(labels[0])
    assert target["boxes"].tolist() == [[2, 3, 20, 22]]
    assert target["labels"].tolist() == [1]
    assert model._target(labels[1])["boxes"].shape == (0, 4)
    assert detector(kind="faster_rcnn")._target(labels[0])["labels"].tolist() == [2]  # 0 is the background


@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
def test_detections_are_rows_within_the_picture(kind: Literal["retinanet", "faster_rcnn"]) -> None:
    model = detector(kind=kind).eval()
    if kind == "retinanet":
        nn.init.zeros_(model.head.head.classification_head.cls_logits.bias)  # every anchor scores
    with torch.no_grad():
        rows = model(torch.randn(2, 3, 32, 32))
        with torch.autocast("cpu", torch.bfloat16):
            assert model(torch.randn(2, 3, 32, 32)).dtype == torch.float32
    assert rows.shape == (2, 20, 6)
    own = rows[rows[..., KIND] >= 0]
    assert len(own)
    assert ((own[:, :4] >= 0) & (own[:, :4] <= 32)).all()
    assert (own[:, KIND] <= 2).all()
    assert (rows[..., SCORE].diff(dim=1) <= 0).all()
    assert (rows[rows[..., KIND] < 0][:, :5] == 0).all()


@pytest.mark.parametrize("kind", ["retinanet", "faster_rcnn"])
@pytest.mark.parametrize("part", ["encoder", "head.backbone", "head"])
def test_scores_are_nan_where_the_model_is_not_finite(kind: Literal["retinanet", "faster_rcnn"], part: str) -> None:
    model = detector(kind=kind).eval()
    pictures, labels = torch.randn(2, 3, 32, 32), boxes([(2, 3, 20, 22, 1)], [(5, 5, 14, 12, 0)])
    with torch.no_grad():
        one = model(torch.stack([pictures[0], pictures[1] * torch.nan]))[..., SCORE].isnan()
        assert one.tolist() == [[False] * 20, [True] * 20]
        *_, weight = (weight for name, weight in model.named_parameters() if name.startswith(part))
        weight.fill_(torch.nan)
        rows = model(pictures)
    assert rows[..., SCORE].isnan().all()
    assert all(map(math.isnan, box_metrics(rows, labels, 32).values()))


def test_patches_that_make_no_map_are_refused() -> None:
    with refused("model.tokenizer.patch", "8 x 4"):
        Detector(ImageTokenizer(32, (8, 4), 16), Encoder(16, 1, 2), 3)
    with refused("model.tokenizer.patch", "32 x 32"):
        detector(32, 32)
