"""Convolutional networks: kernels of other sizes and axes, 1×1 convolutions as linear layers, batch normalisation."""

from pathlib import Path

import pytest
import torch
from timm.models.convnext import ConvNeXt
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from crosspath.pathway import (
    PathwayError,
    connect,
    disconnect,
    load_pathway,
    match,
    merge,
    pathways,
    save_pathway,
    status,
)
from tests.errors import refused

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Residual(nn.Module):
    """A basic residual block over one, two or three axes."""

    def __init__(self, axes: int, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        convolution, norm = CONVOLUTIONS[axes - 1], NORMS[axes - 1]
        stride = outputs // inputs
        self.conv1 = convolution(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = norm(outputs)
        self.conv2 = convolution(outputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn2 = norm(outputs)
        self.downsample = (
            nn.Sequential(convolution(inputs, outputs, 1, stride=stride, bias=False), norm(outputs))
            if stride > 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Two stages under timm's names."""

    def __init__(self, axes: int, kernel: int = 3, *, width: int = 4, depths: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        self.conv1 = CONVOLUTIONS[axes - 1](3, width, kernel, padding=kernel // 2, bias=False)
        self.bn1 = NORMS[axes - 1](width)
        for stage, depth in enumerate(depths):
            wide = width * 2**stage
            blocks = [Residual(axes, wide if n or not stage else wide // 2, wide, kernel) for n in range(depth)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(2 * width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x)))))
        logits: Tensor = self.fc(x.flatten(2).mean(2))
        return logits


def resnet(axes: int, kernel: int = 3, seed: int = 0, **options: object) -> ResNet:
    """In evaluation mode, with statistics of its own."""
    torch.manual_seed(seed)
    model = ResNet(axes, kernel, **options)  # type: ignore[arg-type]
    model(torch.randn(4, 3, *(8,) * axes))
    return model.eval()


def statistics(model: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


PICTURES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("axes", "kernel"), [(1, 3), (3, 3), (2, 7), (2, 1)])
def test_a_resnet_with_one_of_another_modality_merges_bitwise(axes: int, kernel: int) -> None:
    target, auxiliary = resnet(2), resnet(axes, kernel, seed=1)
    before, norms = target(PICTURES), statistics(target)
    report = match(target, auxiliary, fit="slice")
    assert report.coverage == 1.0
    assert len(report.pairs) == 9
    connect(target, {"other": auxiliary}, fit="slice", scale_init=0.5)
    output = target(PICTURES)
    assert not torch.equal(output, before)
    merge(target)
    assert torch.equal(target(PICTURES), output)
    assert statistics(target).keys() == norms.keys()
    assert all(torch.equal(value, norms[name]) for name, value in statistics(target).items())


def test_equal_shapes_stay_to_the_bit_with_a_fit_or_without() -> None:
    values = []
    for fit in (None, "slice"):
        target = resnet(2)
        connect(target, {"other": resnet(2, seed=1)}, fit=fit, scale_init=1.0)  # type: ignore[arg-type]
        values.append({weight: value.detach() for (weight, _), value in pathways(target).auxiliaries().items()})
    own = dict(resnet(2, seed=1).named_parameters())
    for weight, value in values[0].items():
        assert torch.equal(value, own[weight])
        assert torch.equal(values[1][weight], value)


def test_the_kernels_of_a_pair() -> None:
    target, large, signal = resnet(2), resnet(2, 7, seed=1), resnet(1, seed=2)
    connect(target, {"large": large, "signal": signal}, fit="slice", scale_init=1.0)
    own = pathways(target).auxiliaries()
    name = "layer2.1.conv2.weight"
    assert torch.equal(own[name, "large"], large.layer2[1].conv2.weight[:, :, 2:5, 2:5])
    copies = signal.layer2[1].conv2.weight[:, :, None].expand(-1, -1, 3, -1) / 3
    assert torch.equal(own[name, "signal"], copies)
    shortcut = "layer2.0.downsample.0.weight"
    assert torch.equal(own[shortcut, "signal"].flatten(1), signal.layer2[0].downsample[0].weight.flatten(1))
    disconnect(target)
    assert torch.equal(target(PICTURES), resnet(2)(PICTURES))


def test_a_saved_pathway_holds_the_kernels_as_they_were_made(tmp_path: Path) -> None:
    target, fresh = resnet(2), resnet(2)
    connect(target, {"signal": resnet(1, seed=1)}, fit="slice", scale_init=0.5, train_auxiliary=False)
    save_pathway(target, tmp_path)
    load_pathway(fresh, tmp_path)
    assert torch.equal(fresh(PICTURES), target(PICTURES))
    assert "3 to 3 x 3" in str(status(fresh))


def test_canonical_pathways_refuse_batch_normalisation() -> None:
    with refused("", "bn1", kind=PathwayError):
        connect(resnet(2), {"other": resnet(2, seed=1)}, canonical=True)


def test_deeper_networks_pair_by_stage() -> None:
    target = resnet(2, depths=(1, 3))
    report = match(target, resnet(3, depths=(3, 2)), fit="slice")
    counterparts = {pair.target.weight: pair.auxiliary.weight for pair in report.pairs}
    assert counterparts["layer1.0.conv1.weight"] == "layer1.0.conv1.weight"
    assert counterparts["layer2.0.downsample.0.weight"] == "layer2.0.downsample.0.weight"
    assert counterparts["layer2.2.conv1.weight"] == "layer2.1.conv1.weight"


def test_what_does_not_fit_is_refused() -> None:
    target = resnet(2)
    with refused("", "conv1", kind=PathwayError):
        connect(target, {"other": resnet(2, 7, seed=1)})
    with refused("", 3, 4, kind=PathwayError):
        connect(target, {"other": _even(resnet(2, seed=1))}, fit="slice")
    assert torch.equal(target(PICTURES), resnet(2)(PICTURES))


def _even(model: ResNet) -> dict[str, Tensor]:
    """Its weights with kernels of four."""
    return {
        name: torch.randn(*value.shape[:2], 4, 4) if value.dim() == 4 and value.shape[-1] == 3 else value
        for name, value in model.state_dict().items()
    }


def test_a_linear_layer_and_a_convolution_of_one_place_pair_by_name() -> None:
    target = resnet(2)
    width = target.layer2[0].downsample[0].weight.shape
    linear = {"fc.weight": torch.randn(*width[:2])}
    connect(target, {"vit": linear}, names={"layer2.0.downsample.0.weight": "fc.weight"}, scale_init=1.0)
    (value,) = pathways(target).auxiliaries().values()
    assert value.shape == width
    assert torch.equal(value.flatten(1), linear["fc.weight"])
    output = target(PICTURES)
    merge(target)
    assert torch.equal(target(PICTURES), output)


def test_kernels_pair_by_name_where_a_fit_is_given() -> None:
    target, clips = resnet(2), resnet(3, seed=1)
    stem = "conv1.weight"  # in no block
    with refused("", stem, "slice", kind=PathwayError):
        connect(target, {"clips": clips}, names=[stem])
    report = match(target, clips, names=[stem], fit="slice")
    assert len(report.fitted) == 1
    connect(target, {"clips": clips}, names=[stem], fit="slice", scale_init=1.0)
    (value,) = pathways(target).auxiliaries().values()
    torch.testing.assert_close(value, clips.conv1.weight.sum(2))


def test_a_transformer_helps_a_convnext_through_its_1x1_convolutions() -> None:
    torch.manual_seed(0)
    target = ConvNeXt(depths=(1, 2, 1, 1), dims=(8, 16, 16, 24), num_classes=3, conv_mlp=True).eval()
    vit = VisionTransformer(img_size=16, patch_size=8, embed_dim=16, depth=3, num_heads=2)
    blocks = {1: 0, 2: 2}
    connect(target, {"vit": vit}, roles="mlp", blocks=blocks, scale_init=0.5)
    values = pathways(target).auxiliaries()
    first = values["stages.1.blocks.0.mlp.fc1.weight", "vit"]
    assert first.shape == (64, 16, 1, 1)
    assert torch.equal(first.flatten(1), vit.blocks[0].mlp.fc1.weight)
    disconnect(target)
    connect(target, {"vit": vit}, roles="mlp", fit="slice", scale_init=0.5)
    assert len(pathways(target).auxiliaries()) == 10
    picture = torch.randn(1, 3, 64, 64)
    output = target(picture)
    merge(target)
    assert torch.equal(target(picture), output)


@pytest.mark.parametrize(
    ("target", "inputs"),
    [(nn.ConvTranspose1d(8, 8, 1), 8), (nn.ConvTranspose2d(8, 8, 1), 8), (nn.Conv1d(8, 8, 1, groups=4), 2)],
)
def test_a_linear_layer_is_no_transposed_convolution_and_none_in_groups(target: nn.Module, inputs: int) -> None:
    own = nn.ModuleDict({"up": target})
    for auxiliary in (nn.ModuleDict({"up": nn.Linear(inputs, 8)}), nn.Linear(inputs, 8).state_dict(prefix="up.")):
        with refused("", "up.weight", kind=PathwayError):
            connect(own, auxiliary, names=["up.weight"])
    connect(own, own.state_dict(), names=["up.weight"])  # a kernel whose module is not known


@pytest.mark.parametrize("change", ["transposed", "groups"])
def test_convolutions_of_equal_shape_that_mean_something_else_are_refused(change: str) -> None:
    target, auxiliary = (nn.ModuleList(Residual(2, 4, 4, 3) for _ in range(2)) for _ in range(2))
    for block in auxiliary:
        assert isinstance(block, Residual)
        if change == "transposed":
            block.conv2 = nn.ConvTranspose2d(4, 4, 3, padding=1, bias=False)
        else:
            block.conv2 = nn.Conv2d(8, 4, 3, padding=1, bias=False, groups=2)
    with refused("", "0.conv2.weight", "transposed" if change == "transposed" else "2 groups", kind=PathwayError):
        connect(target, auxiliary)
    with refused("", "0.conv2.weight", kind=PathwayError):
        connect(target, auxiliary, names=["0.conv2.weight"])


@pytest.mark.parametrize("engine", ["live", "optimizer"])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_takes_its_bias_along(engine: str, groups: int) -> None:
    """Its rows are inputs, so that its bias is longer or shorter than these."""
    torch.manual_seed(0)
    target, auxiliary = (nn.Sequential(nn.ConvTranspose2d(6, 4, 3, groups=groups)) for _ in range(2))
    inputs = torch.randn(2, 6, 5, 5)
    with torch.no_grad():
        expected = target(inputs) + 0.5 * auxiliary(inputs)
        connect(target, auxiliary, names="weight", bias=True, scale_init=0.5, engine=engine)
        connected = target(inputs)
        assert torch.allclose(connected, expected, atol=1e-5)
        merge(target)
        assert torch.equal(target(inputs), connected)


def test_a_transposed_convolution_has_no_scale_for_each_output() -> None:
    target, auxiliary = (nn.Sequential(nn.ConvTranspose2d(4, 4, 3)) for _ in range(2))
    with refused("connect", "0.weight", "scale_per='channel'", kind=PathwayError):
        connect(target, auxiliary, names="weight", bias=True, scale_per="channel")
