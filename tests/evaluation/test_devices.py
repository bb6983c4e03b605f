"""The choice of device and precision."""

import pytest
import torch

from crosspath.config import apply_overrides
from crosspath.errors import InputError
from crosspath.evaluation import devices
from crosspath.evaluation.devices import choose_compute
from crosspath.recipes import recipe_named


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_missing_gpu_is_told() -> None:
    recipe = apply_overrides(recipe_named("image/cifar10"), ["train.device=cuda"])
    with pytest.raises(InputError, match=r"train\.device: expected a CUDA device"):
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
        ("image/cifar10", "micro", True, "float32"),
        ("image/cifar10", "tiny", True, "bfloat16"),
        ("image/cifar10", "tiny", False, "float32"),
        ("point/modelnet10", "micro", True, "bfloat16"),
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
