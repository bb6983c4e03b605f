"""What people put around a model: moving averages and torch.compile, on a connected model and across its merge."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import crosspath

DECAY = 0.6


def vit(seed: int) -> Any:
    torch.manual_seed(seed)
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=16, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=4
    ).double()


def connected() -> Any:
    model = vit(0)
    crosspath.connect(model, {"audio": vit(1)}, scale_init=0.1)
    return model


def images() -> Tensor:
    torch.manual_seed(4)
    return torch.randn(4, 3, 16, 16, dtype=torch.float64)


def trained(
    model: nn.Module, after_step: Callable[[], None], forward: Callable[[Tensor], Tensor] | None = None
) -> None:
    optimizer = torch.optim.AdamW(crosspath.param_groups(model, lr=1e-2, weight_decay=0.1))
    for _ in range(3):
        optimizer.zero_grad()
        (model if forward is None else forward)(images()).square().sum().backward()
        optimizer.step()
        after_step()


def torch_average(model: nn.Module) -> tuple[nn.Module, Callable[[], None]]:
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    return average.module, lambda: average.update_parameters(model)


def timm_average(model: nn.Module) -> tuple[nn.Module, Callable[[], None]]:
    average = ModelEmaV3(model, decay=DECAY)
    return average.module, lambda: average.update(model)


@pytest.mark.parametrize("build", [torch_average, timm_average])
def test_a_merged_average_is_the_average_of_the_weights_plus_that_of_the_scales_times_that_of_the_auxiliaries(
    build: Any,
) -> None:
    model = connected()
    average, update = build(model)
    # torch's average starts as a copy of the model at its first update, timm's when it is made.
    states: list[dict[str, Tensor]] = [] if build is torch_average else [copy.deepcopy(model.state_dict())]

    def after_step() -> None:
        update()
        states.append(copy.deepcopy(model.state_dict()))

    trained(model, after_step)
    mean = states[0]
    for state in states[1:]:
        mean = {name: DECAY * mean[name] + (1 - DECAY) * value for name, value in state.items()}
    crosspath.merge(average)
    assert list(average.state_dict()) == list(vit(0).state_dict())
    inside = "blocks.1.mlp.fc2.parametrizations.weight"
    expected = mean[f"{inside}.original"] + mean[f"{inside}.0.scales.audio"] * mean[f"{inside}.0.auxiliaries.audio"]
    torch.testing.assert_close(average.state_dict()["blocks.1.mlp.fc2.weight"], expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(average.state_dict()["head.weight"], mean["head.weight"], rtol=1e-12, atol=1e-14)
    # The averaged model goes on by itself.
    assert len(crosspath.pathways(model).scales()) == 8


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model_trains_merges_and_answers_as_the_plain_one(backend: str) -> None:
    torch.compiler.reset()
    plain, model = connected(), connected()
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    trained(plain, lambda: None)
    trained(model, lambda: None, compiled)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, plain.state_dict()[name], rtol=1e-9, atol=1e-11)
    with torch.no_grad():
        before = compiled(images())
        crosspath.merge(model)
        after = compiled(images())
        torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-13)
        assert torch.equal(after, model(images())) or backend == "aot_eager"
    assert list(model.state_dict()) == list(vit(0).state_dict())


def test_connecting_and_disconnecting_reach_a_model_compiled_before() -> None:
    torch.compiler.reset()
    model = vit(0)
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        bare = compiled(images())
        handle = crosspath.connect(model, {"audio": vit(1)}, scale_init=0.5)
        assert torch.equal(compiled(images()), model(images()))
        assert not torch.allclose(compiled(images()), bare)
        with handle.disabled():
            assert torch.equal(compiled(images()), bare)
        crosspath.disconnect(model)
        assert torch.equal(compiled(images()), bare)


def test_the_average_of_a_compiled_model_merges() -> None:
    torch.compiler.reset()
    model = connected()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    compiled = torch.compile(model, backend="eager")
    trained(model, lambda: average.update_parameters(model), compiled)
    with torch.no_grad():
        before = average(images())
        crosspath.merge(average.module)
        assert torch.equal(average(images()), before)
