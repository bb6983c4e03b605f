"""The block against timm's with the same weights and the same random draws."""

import pytest
import torch
from timm.models.vision_transformer import Block as TimmBlock
from torch import nn

from crosspath.models.block import Block


def both(**options: object) -> tuple[nn.Module, nn.Module]:
    """Ours and timm's, each initialised from the same seed."""
    torch.manual_seed(0)
    ours = Block(24, 4, **options)  # type: ignore[arg-type]
    eps = options.pop("norm_eps", 1e-6)
    torch.manual_seed(0)
    theirs = TimmBlock(
        24, 4, **{"qkv_bias": True, **options}, norm_layer=lambda width, **_: nn.LayerNorm(width, eps=eps)
    )
    return ours, theirs


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"qkv_bias": False, "norm_eps": 1e-2}, {"drop_path": 0.4}], ids=lambda options: "-".join(options)
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
