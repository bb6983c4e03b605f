"""Point tokens against the published network written with its convolutions, and against brute-force groups."""

import numpy as np
import pytest
import torch
from torch import nn

from crosspath.errors import InputError
from crosspath.tokenizers import PointTokenizer
from tests.errors import refused


def clouds(batch: int = 3, points: int = 100) -> torch.Tensor:
    return torch.rand(batch, points, 3, generator=torch.Generator().manual_seed(3)) * 2 - 1


def tokenizer_in_float64(groups: int = 8, group_size: int = 6, width: int = 20) -> PointTokenizer:
    torch.manual_seed(0)
    tokenizer = PointTokenizer(groups, group_size, width).double()
    for module in tokenizer.modules():
        if isinstance(module, nn.BatchNorm1d):  # other than the identity
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return tokenizer


def published(tokenizer: PointTokenizer, groups: torch.Tensor) -> torch.Tensor:
    """The mini-PointNet as the paper's figure has it: convolutions over points, the pooled half concatenated first."""
    batch, count, size, _ = groups.shape
    local = tokenizer.first_conv(groups.reshape(batch * count, size, 3).transpose(1, 2))
    pooled = local.max(dim=2, keepdim=True).values
    mixed = tokenizer.second_conv(torch.cat([pooled.expand_as(local), local], dim=1))
    return mixed.max(dim=2).values.reshape(batch, count, -1)


@pytest.mark.parametrize("training", [False, True])
def test_tokens_and_gradients_equal_the_published_network(training: bool) -> None:
    ours, theirs = tokenizer_in_float64().train(training), tokenizer_in_float64().train(training)
    groups, _ = ours.group(clouds().double())
    actual, expected = ours.embed(groups), published(theirs, groups)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)
    actual.square().sum().backward()
    expected.square().sum().backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if not name.startswith("pos_embed"):
            torch.testing.assert_close(mine.grad, other.grad, rtol=1e-8, atol=1e-8, msg=name)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)


def test_groups_are_neighbours_relative_to_their_centre() -> None:
    tokenizer = tokenizer_in_float64()
    points = clouds().double()
    groups, centres = tokenizer.group(points)
    for cloud, group, centre in zip(points.numpy(), groups.numpy(), centres.numpy(), strict=True):
        np.testing.assert_array_equal(centre[0], cloud[0])
        for members, middle in zip(group, centre, strict=True):
            assert not members[0].any()  # the centre itself
            actual = np.sort(np.linalg.norm(members, axis=1))
            expected = np.sort(np.linalg.norm(cloud - middle, axis=1))[:6]
            np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_positions_are_the_network_on_the_centres() -> None:
    tokenizer = tokenizer_in_float64()
    points = clouds().double()
    _, centres = tokenizer.group(points)
    first, _, second = tokenizer.pos_embed
    hidden = centres @ first.weight.T + first.bias
    hidden = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
    torch.testing.assert_close(tokenizer(points).positions_BND, hidden @ second.weight.T + second.bias)


def test_keys_and_shapes_are_the_published_ones() -> None:
    shapes = {name: tuple(value.shape) for name, value in PointTokenizer(4, 4, 384).state_dict().items()}
    norm = ("weight", "bias", "running_mean", "running_var")
    assert shapes == {
        "first_conv.0.weight": (128, 3, 1),
        "first_conv.0.bias": (128,),
        **{f"first_conv.1.{part}": (128,) for part in norm},
        "first_conv.1.num_batches_tracked": (),
        "first_conv.3.weight": (256, 128, 1),
        "first_conv.3.bias": (256,),
        "second_conv.0.weight": (512, 512, 1),
        "second_conv.0.bias": (512,),
        **{f"second_conv.1.{part}": (512,) for part in norm},
        "second_conv.1.num_batches_tracked": (),
        "second_conv.3.weight": (384, 512, 1),
        "second_conv.3.bias": (384,),
        "pos_embed.0.weight": (128, 3),
        "pos_embed.0.bias": (128,),
        "pos_embed.2.weight": (384, 128),
        "pos_embed.2.bias": (384,),
    }


def test_the_order_of_points_within_a_group_does_not_matter() -> None:
    tokenizer = tokenizer_in_float64().eval()
    groups, _ = tokenizer.group(clouds().double())
    shuffled = groups[:, :, torch.randperm(6, generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(tokenizer.embed(groups), tokenizer.embed(shuffled), rtol=0, atol=1e-12)


def test_runs_on_the_meta_device_in_bf16_autocast_and_with_duplicates() -> None:
    with torch.device("meta"):
        tokens, positions, _ = PointTokenizer(8, 6, 20)(torch.empty(2, 50, 3))
    assert tokens.shape == positions.shape == (2, 8, 20)
    tokenizer = tokenizer_in_float64().float().eval()
    points = clouds()
    exact = tokenizer(points).tokens_BND
    with torch.autocast("cpu", torch.bfloat16):
        rounded = tokenizer(points).tokens_BND
    assert rounded.isfinite().all()
    assert (rounded.float() - exact).norm() < 0.05 * exact.norm()
    assert tokenizer(torch.zeros(2, 50, 3)).tokens_BND.isfinite().all()


@pytest.mark.parametrize(("points", "where"), [(7, "groups"), (10, "group_size")])
def test_clouds_too_small_are_named(points: int, where: str) -> None:
    tokenizer = PointTokenizer(8, 12, 20)
    with pytest.raises(InputError, match=rf"model\.tokenizer\.{where}: .*cloud of {points}"):
        tokenizer(torch.zeros(1, points, 3))


def test_clouds_with_normals_are_refused() -> None:
    with refused("batch"):
        PointTokenizer(4, 4, 20)(torch.zeros(1, 50, 6))
