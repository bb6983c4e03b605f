"""Pooling and heads against the arithmetic written out, and the published point head."""

import pytest
import torch
from torch import nn

from crosspath.models import ClassificationHead
from tests.errors import refused


def features() -> torch.Tensor:
    return torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def head(pooling: str = "mean", **options: object) -> ClassificationHead:
    torch.manual_seed(0)
    given = {"norm": False, **options}
    return ClassificationHead(8, 3, pooling, **given).double()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pooling", "has_cls", "expected"),
    [
        ("mean", False, lambda x: x.sum(1) / 6),
        ("mean", True, lambda x: x[:, 1:].sum(1) / 5),
        ("cls", True, lambda x: x[:, 0]),
        ("cls+max", True, lambda x: torch.cat([x[:, 0], x[:, 1:].max(1).values], 1)),
    ],
)
def test_pooling(pooling: str, has_cls: bool, expected: object) -> None:
    x, layer = features(), head(pooling)
    pooled = expected(x)  # type: ignore[operator]
    torch.testing.assert_close(layer.pool(x, has_cls), pooled, rtol=0, atol=1e-14)
    logits = pooled @ layer.linear.weight.T + layer.linear.bias
    torch.testing.assert_close(layer(x, has_cls), logits, rtol=0, atol=1e-12)


def test_norm_comes_after_pooling() -> None:
    x, layer = features(), head(norm=True)
    pooled = x.mean(1)
    normal = (pooled - pooled.mean(1, keepdim=True)) / (pooled.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(layer(x, False), normal @ layer.linear.weight.T, rtol=0, atol=1e-10)
    assert set(layer.state_dict()) == {"norm.weight", "norm.bias", "linear.weight", "linear.bias"}


def test_hidden_layers_are_the_published_point_head() -> None:
    x, layer = features(), head("cls+max", hidden=(5, 7), dropout=0.5)
    torch.manual_seed(1)
    reference = nn.Sequential(
        nn.Linear(16, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(7, 3),
    ).double()  # fmt: skip
    state = {name.removeprefix("hidden.").replace("linear", "8"): value for name, value in layer.state_dict().items()}
    reference.load_state_dict(state, strict=True)
    for training in (True, False):
        torch.manual_seed(2)
        expected = reference.train(training)(layer.pool(x, True))
        torch.manual_seed(2)
        assert torch.equal(layer.train(training)(x, True), expected)


def test_dropout_stands_before_the_one_linear_layer() -> None:
    x, layer = features(), head(dropout=0.5)
    torch.manual_seed(3)
    kept = nn.functional.dropout(x.mean(1), 0.5)
    torch.manual_seed(3)
    torch.testing.assert_close(layer(x, False), kept @ layer.linear.weight.T, rtol=0, atol=1e-12)
    assert torch.equal(layer.eval()(x, False), layer(x, False))


@pytest.mark.parametrize("std", [0.0, 2e-5, 0.02])
def test_the_last_layer_starts_with_the_given_spread(std: float) -> None:
    layer = ClassificationHead(64, 100, "mean", (64,), norm=False, init_std=std)
    assert layer.linear.weight.std().item() == pytest.approx(std, rel=0.05)
    assert not layer.linear.bias.any()
    assert layer.hidden[0].weight.std().item() > 0.05  # type: ignore[index]


@pytest.mark.parametrize("pooling", ["cls", "cls+max"])
def test_a_missing_class_token_is_an_error(pooling: str) -> None:
    with refused("model.pooling", "class", "token"):
        head(pooling)(features(), False)


def test_one_sample_cannot_train_batch_normalisation() -> None:
    layer = head(hidden=(5,))
    with refused("batch", "2", "samples"):
        layer(features()[:1], False)
    assert layer.eval()(features()[:1], False).shape == (1, 3)


def test_batch_normalisation_of_a_probe_has_no_weights() -> None:
    head = ClassificationHead(4, 3, "mean", norm=False, batch_norm=True).train()
    assert set(dict(head.named_parameters())) == {"linear.weight", "linear.bias"}
    features = torch.randn(50, 2, 4) * 7 + 3
    pooled = features.mean(dim=1)
    normal = (pooled - pooled.mean(0)) / (pooled.var(0, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(head(features, has_cls=False), head.linear(normal))
    with refused("batch", "2", "samples"):
        head(features[:1], has_cls=False)
