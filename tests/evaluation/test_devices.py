"""The choice of device and precision."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from crosspath.config import apply_overrides
from crosspath.evaluation import devices
from crosspath.evaluation.devices import Compute, choose_compute
from crosspath.recipes import recipe_named
from tests.errors import refused


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_missing_gpu_is_told() -> None:
    recipe = apply_overrides(recipe_named("image/cifar10"), ["train.device=cuda"])
    with refused("train.device", "CUDA"):
        choose_compute(recipe)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_is_asked_for_is_done(precision: str) -> None:
    recipe = apply_overrides(recipe_named("image/cifar10"), [f"train.precision={precision}"])
    compute = choose_compute(recipe)
    assert (compute.device.type, compute.precision) == ("cpu", precision)
    with compute.autocast():
        product = torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2))
    assert product.dtype == getattr(torch, precision)


@pytest.mark.parametrize(
    ("name", "size", "capable", "expected"),
    [
        ("image/cifar10", "micro", True, "bfloat16"),
        ("image/cifar10", "micro", False, "float32"),
        ("point/modelnet10", "tiny", True, "bfloat16"),
    ],
)
def test_auto_on_a_processor(
    monkeypatch: pytest.MonkeyPatch, name: str, size: str, capable: bool, expected: str
) -> None:
    monkeypatch.setattr(devices, "_cpu_multiplies_bfloat16", lambda: capable)
    recipe = apply_overrides(recipe_named(name), [f"model.size={size}"])
    compute = choose_compute(recipe)
    assert compute.precision == expected
    assert compute.reason


def test_attention_itself_stays_in_float32_on_a_processor() -> None:
    compute = Compute(device=torch.device("cpu"), precision="bfloat16", reason="test")
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 4, 9, 8, generator=generator).bfloat16().requires_grad_() for _ in range(3))
    wide = [given.detach().float().requires_grad_() for given in (query, key, value)]
    exact = scaled_dot_product_attention(wide[0], wide[1], wide[2])
    with compute.autocast():
        found = scaled_dot_product_attention(query, key, value)
    # Rounded once at the end: attention in bfloat16 rounds its weights as well, and then differs.
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, exact.bfloat16())
    found.sum().backward()
    exact.bfloat16().sum().backward()
    for narrow, given in zip((query, key, value), wide, strict=True):
        assert narrow.grad is not None
        assert given.grad is not None
        assert torch.equal(narrow.grad, given.grad.bfloat16())
    mask = torch.randn(9, 9, generator=generator).bfloat16()
    masked = scaled_dot_product_attention(wide[0], wide[1], wide[2], attn_mask=mask.float())
    with compute.autocast():
        by_name = scaled_dot_product_attention(query=query, key=key, value=value, attn_mask=mask)
    assert torch.equal(by_name, masked.bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        assert not torch.equal(scaled_dot_product_attention(query, key, value), exact.bfloat16())
