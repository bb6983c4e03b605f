"""The block against timm's with the same weights and the same random draws."""

import pytest
import torch
from timm.layers import QuickGELU
from timm.models.vision_transformer import Block as TimmBlock
from torch import nn

from crosspath.layouts.norms import ACTIVATION_NAMES
from crosspath.models.block import Activation, Block
from crosspath.pathway.canonical.surroundings import PROBE, activation_like


def both(**options: object) -> tuple[nn.Module, nn.Module]:
    """Ours and timm's, each initialised from the same seed."""
    torch.manual_seed(0)
    ours = Block(24, 4, **options)  # type: ignore[arg-type]
    eps, scale = options.pop("norm_eps", 1e-6), options.pop("layer_scale", None)
    torch.manual_seed(0)
    theirs = TimmBlock(
        24,
        4,
        **{"qkv_bias": True, "init_values": scale, **options},
        norm_layer=lambda width, **_: nn.LayerNorm(width, eps=eps),
    )
    return ours, theirs


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"qkv_bias": False, "norm_eps": 1e-2}, {"drop_path": 0.4}, {"layer_scale": 0.5}],
    ids=lambda options: "-".join(options),
)
def test_values_gradients_and_draws_are_timms(options: dict[str, object], training: bool) -> None:
    ours, theirs = (block.train(training) for block in both(**options))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    results = []
    for block in (ours, theirs):
        torch.manual_seed(1)
        x = torch.randn(6, 5, 24, requires_grad=True)
        out = block(x)
        out.square().sum().backward()
        results.append([out, x.grad, *(parameter.grad for parameter in block.parameters()), torch.randn(1)])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    if training and "drop_path" in options:  # some samples skip the block, and others do not
        assert len({bool(same) for same in (results[0][0] == x).flatten(1).all(1)}) == 2


def test_a_post_norm_block_is_torchs() -> None:
    torch.manual_seed(0)
    ours = Block(24, 4, mlp_width=40, activation="relu", post_norm=True, norm_eps=1e-5)
    theirs = nn.TransformerEncoderLayer(24, 4, 40, 0.0, "relu", batch_first=True, norm_first=False).train()
    pairs = {"norm1": "norm1", "norm2": "norm2", "attn.proj": "self_attn.out_proj", "mlp.fc1": "linear1"}
    state = {
        f"{name}.{part}": theirs.get_parameter(f"{other}.{part}")
        for name, other in pairs.items()
        for part in ("weight", "bias")
    }
    state |= {f"attn.qkv.{part}": theirs.get_parameter(f"self_attn.in_proj_{part}") for part in ("weight", "bias")}
    state |= {f"mlp.fc2.{part}": theirs.get_parameter(f"linear2.{part}") for part in ("weight", "bias")}
    ours.load_state_dict(state, strict=True)
    x = torch.randn(3, 5, 24)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "function"),
    [("gelu", nn.GELU()), ("gelu_tanh", nn.GELU("tanh")), ("quick_gelu", QuickGELU()), ("relu", nn.ReLU())],
)
def test_activations(name: Activation, function: nn.Module) -> None:
    x = torch.linspace(-4, 4, 101)
    mlp = Block(1, 1, mlp_width=7, activation=name).mlp
    assert mlp.fc1.weight.shape == (7, 1)
    assert torch.equal(mlp.act(x), function(x))
    # Folding, files and blocks call it by one name.
    assert activation_like(mlp.act(PROBE)) == name
    assert name in ACTIVATION_NAMES.values()


def test_padding_is_timms_mask() -> None:
    ours, theirs = both()
    x, real = torch.randn(3, 5, 24), torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
    assert torch.equal(ours(x, real), theirs(x, attn_mask=real[:, None, None, :]))
