"""The part segmenter against the published network written out with its convolutions, and clouds of unequal lengths."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from crosspath.models import Encoder
from crosspath.models.part_segmentation import PartHead, PartSegmenter, thirds
from crosspath.models.propagation import interpolation_weights
from crosspath.tokenizers import PointTokenizer
from tests.errors import refused

WIDTH, GROUPS, CATEGORIES, PARTS = 24, 12, 3, 7


def segmenter(depth: int = 12, **encoder: object) -> PartSegmenter:
    """In float64, with other statistics than a new model's."""
    torch.manual_seed(0)
    body = Encoder(WIDTH, depth, 4, position_every_block=True, **encoder)  # type: ignore[arg-type]
    head = PartHead(WIDTH, CATEGORIES, PARTS, (20, 16, 12))
    model = PartSegmenter(PointTokenizer(GROUPS, 6, WIDTH), body, head).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return model


def clouds(batch: int = 3, points: int = 60) -> Tensor:
    return torch.rand(batch, points, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1


def answers(model: PartSegmenter, *given: Tensor) -> Tensor:
    """Logits (B, P, K)."""
    return model(*given).transpose(1, 2)


def published(model: PartSegmenter, points: Tensor, categories: Tensor) -> Tensor:
    """Log-probabilities (B, N, K) by the published steps: convolutions over points, everything repeated for each."""
    batch, count, _ = points.shape
    groups, centres = model.tokenizer.group(points)
    positions, x = model.tokenizer.pos_embed(centres), model.tokenizer.embed(groups)
    fetched = []
    for number, block in enumerate(model.encoder.blocks):
        x = block(x + positions)
        if number in (3, 7, 11):
            fetched.append(model.encoder.norm(x).transpose(1, 2))
    features = torch.cat(fetched, dim=1)
    head = model.head
    one_hot = functional.one_hot(categories, CATEGORIES).to(points).view(batch, CATEGORIES, 1)
    whole = torch.cat(
        [
            features.max(2)[0].unsqueeze(2).repeat(1, 1, count),
            features.mean(2).unsqueeze(2).repeat(1, 1, count),
            head.label_conv(one_hot).repeat(1, 1, count),
        ],
        dim=1,
    )
    distances = ((points[:, :, None] - centres[:, None]) ** 2).sum(-1)
    distances, indices = distances.sort(dim=-1)
    inverse = 1.0 / (distances[:, :, :3] + 1e-8)
    shares = inverse / inverse.sum(2, keepdim=True)
    rows = features.transpose(1, 2)
    near = torch.stack([rows[b][indices[b, :, :3]] for b in range(batch)])
    local = torch.cat([points, (near * shares[..., None]).sum(2)], dim=2).transpose(1, 2)
    for convolution, norm in zip(head.propagation_0.mlp_convs, head.propagation_0.mlp_bns, strict=True):
        local = functional.relu(norm(convolution(local)))
    y = torch.cat([local, whole], dim=1)
    y = functional.relu(head.bns1(head.convs1(y)))
    y = functional.relu(head.bns2(head.convs2(y)))
    return functional.log_softmax(head.convs3(y), dim=1).transpose(1, 2)


@pytest.mark.parametrize("training", [False, True])
def test_outputs_and_gradients_equal_the_published_network(training: bool) -> None:
    ours, theirs = segmenter().train(training), segmenter().train(training)
    categories = torch.tensor([2, 0, 2])
    actual, expected = answers(ours, clouds(), categories).log_softmax(-1), published(theirs, clouds(), categories)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    for loss in (actual, expected):
        (loss * torch.linspace(-1, 1, loss.numel(), dtype=torch.float64).view_as(loss)).sum().backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-7, atol=1e-9, msg=name)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_published_sizes() -> None:
    with torch.device("meta"):
        heads = {width: PartHead(width, 16, 50) for width in (384, 768)}
    assert heads[384].propagation_0.mlp_convs[0].weight.shape == (1536, 1155, 1)
    assert heads[384].convs1.weight.shape == (512, 3392, 1)
    assert heads[768].convs1.weight.shape == (512, 5696, 1)
    assert [layer.weight.shape[0] for layer in (heads[768].convs2, heads[768].convs3)] == [256, 50]


def test_levels_lie_at_thirds_of_the_depth() -> None:
    assert thirds(12) == (3, 7, 11)
    assert thirds(24) == (7, 15, 23)
    assert thirds(6) == (1, 3, 5)
    assert thirds(1) == (0, 0, 0)


@pytest.mark.parametrize("options", [{"cls_token": True}, {"registers": 2, "cls_token": True}])
def test_class_token_and_registers_are_in_no_level(options: dict[str, object]) -> None:
    model = segmenter(3, **options).eval()
    tokens = model.tokenizer(clouds())
    levels = model.encoder.levels(tokens, (0, 2))
    assert [level.shape for level in levels] == [(3, GROUPS, WIDTH)] * 2
    torch.testing.assert_close(levels[1], model.encoder(tokens)[:, 1:])


@pytest.mark.parametrize("training", [False, True])
def test_padding_moves_no_point_and_no_statistic(training: bool) -> None:
    """A cloud of 20 and one of 5 points, fewer than the 6 of a group and the 12 groups, beside one of 60."""
    lengths, categories = torch.tensor([60, 20, 5]), torch.tensor([1, 0, 2])
    real = torch.arange(60) < lengths[:, None]
    together = segmenter(3).train(training)
    logits = answers(together, clouds(), categories, real)
    if not training:
        for row, length in enumerate(lengths.tolist()):
            size = max(length, GROUPS)
            alone = answers(
                segmenter(3).eval(),
                clouds()[row : row + 1, :size],
                categories[row : row + 1],
                real[row : row + 1, :size],
            )
            torch.testing.assert_close(logits[row, :length], alone[0, :length], rtol=1e-9, atol=1e-9)
    assert not logits[~real].any()
    # What lies behind a cloud's points is never read, and counts in no batch statistic.
    other = segmenter(3).train(training)
    others = torch.where(real[:, :, None], clouds(), -7.0)
    wider = torch.cat([others, torch.full((3, 7, 3), 5.0, dtype=torch.float64)], dim=1)
    longer = torch.cat([real, torch.zeros(3, 7, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(answers(other, wider, categories, longer)[:, :60], logits, rtol=1e-9, atol=1e-9)
    for mine, theirs in zip(together.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


def test_other_points_of_the_same_object_are_answered_from_the_same_tokens() -> None:
    model, categories = segmenter(3).eval(), torch.tensor([0, 1, 2])
    order = torch.arange(59, -1, -1)
    actual = model(clouds(), categories, queries_BQ3=clouds()[:, order])
    assert actual.shape == (3, PARTS, 60)
    torch.testing.assert_close(actual, model(clouds(), categories)[..., order])


def test_the_category_counts_and_a_single_one_is_never_left_out() -> None:
    model = segmenter(3).eval()
    first, second = (model(clouds(), torch.full((3,), category)) for category in (0, 1))
    assert not torch.allclose(first, second)
    only = PartSegmenter(model.tokenizer, model.encoder, PartHead(WIDTH, 1, 2, (8, 8, 8)).double()).eval()
    assert torch.equal(only(clouds()), only(clouds(), torch.zeros(3, dtype=torch.long)))


def test_weights_are_inverse_squared_distances_of_the_three_nearest() -> None:
    centres = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [4, 0, 0], [9, 0, 0]]])
    weights = interpolation_weights(torch.tensor([[[2.0, 0, 0], [1, 0, 0]]]), centres)[0]
    torch.testing.assert_close(weights[0], torch.tensor([1 / 6, 2 / 3, 1 / 6, 0.0]))
    torch.testing.assert_close(weights[1], torch.tensor([0.0, 1.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    assert torch.equal(interpolation_weights(centres, centres[:, :1])[0], torch.ones(4, 1))


def test_a_training_batch_of_one_object_is_refused() -> None:
    with refused("batch", "1"):
        segmenter(3).train()(clouds(1))
