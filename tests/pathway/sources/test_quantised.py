"""A quantised target cannot hold a pathway, a quantised auxiliary cannot give one, and the error says why."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.testing._internal.two_tensor import TwoTensor

import crosspath
from crosspath.pathway.sources.source import StateSource, find_quantised, quantised_weights
from tests.errors import refused
from tests.pathway.small_models import Body

MESSAGE = "expected .*floating-point weight.*; connect and merge before quantising"


class PackedParameter(nn.Parameter):
    """What bitsandbytes keeps of a weight: bytes, two weights in each, as one column."""

    def __new__(cls, data: Tensor) -> "PackedParameter":
        result: PackedParameter = torch.Tensor._make_subclass(cls, data, False)
        return result


def dynamic() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result: nn.Module = torch.ao.quantization.quantize_dynamic(Body().eval(), {nn.Linear})
    return result


def packed_model() -> nn.Module:
    model = Body()
    for module in list(model.modules()):
        if isinstance(module, nn.Linear):
            module.weight = PackedParameter(torch.zeros(module.weight.numel() // 2, 1, dtype=torch.uint8))
    return model


def integers() -> nn.Module:
    model = Body()
    for module in list(model.modules()):
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(module.weight.detach().to(torch.int8), requires_grad=False)
    return model


def wrapped_model() -> nn.Module:
    """A tensor class that stands for other values, as torchao's do, with a floating-point type outside."""
    model = Body()
    for module in list(model.modules()):
        if isinstance(module, nn.Linear):
            weight = module.weight.detach()
            module.weight = nn.Parameter(TwoTensor(weight, weight.clone()))
    return model


@pytest.mark.parametrize("build", [dynamic, packed_model, integers, wrapped_model])
@pytest.mark.parametrize("options", [{}, {"roles": "mlp"}, {"names": ["blocks.0.mlp.fc1.weight"]}])
def test_a_quantised_target_is_named_as_such(build: Any, options: dict[str, Any]) -> None:
    with pytest.raises(crosspath.PathwayError, match=MESSAGE) as error:
        crosspath.connect(build(), Body(), **options)
    assert "quantis" in str(error.value).splitlines()[0]


@pytest.mark.parametrize("form", ["module", "state", "file"])
@pytest.mark.parametrize("options", [{}, {"names": ["blocks.0.mlp.fc1.weight"]}])
def test_a_quantised_auxiliary_is_named_as_such(form: str, options: dict[str, Any], tmp_path: Path) -> None:
    auxiliary: Any = packed_model()
    if form != "module":
        auxiliary = {name: value.detach().clone().as_subclass(Tensor) for name, value in auxiliary.state_dict().items()}
    if form == "file":
        save_file(auxiliary, tmp_path / "model.safetensors")
        auxiliary = tmp_path / "model.safetensors"
    with refused("connect", "8", "quantised", kind=crosspath.PathwayError) as error:
        crosspath.connect(Body(), auxiliary, **options)
    assert "pass it as it was before quantising" in str(error.value).splitlines()[0]


def test_a_quantised_auxiliary_without_known_blocks_is_named_as_such() -> None:
    with refused("auxiliary (Body)", "8", "blocks.0.attn.qkv.weight", kind=crosspath.PathwayError):
        crosspath.connect(Body(), dynamic())


@pytest.mark.parametrize("form", ["module", "state"])
@pytest.mark.parametrize("build", [integers, wrapped_model])
def test_an_auxiliary_of_other_values_than_it_shows_is_refused_by_name(build: Any, form: str) -> None:
    auxiliary = build() if form == "module" else build().state_dict()
    with refused("connect", "blocks.0.attn.qkv.weight", "before quantising", kind=crosspath.PathwayError):
        crosspath.connect(Body(), auxiliary)


def test_tables_of_indices_are_not_taken_for_quantised_weights() -> None:
    state = {**Body(width=12).state_dict(), "position_ids": torch.arange(8)[None]}
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.connect(Body(), state)
    assert "quantis" not in str(error.value)


@pytest.mark.parametrize("build", [dynamic, packed_model, integers, wrapped_model])
def test_every_quantised_weight_is_recognised(build: Any) -> None:
    assert len(quantised_weights(build())) == 8
    assert quantised_weights(Body()) == []
    assert quantised_weights(Body().to(torch.bfloat16)) == []


def test_other_weights_of_a_partly_quantised_model_connect() -> None:
    model = Body()
    model.blocks[0].mlp.fc1.weight = PackedParameter(torch.zeros(8, 1, dtype=torch.uint8))
    handle = crosspath.connect(model, Body(), roles="attention")
    assert len(handle.scales()) == 4


def test_a_mismatch_without_quantised_weights_does_not_speak_of_them() -> None:
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.connect(Body(), Body(width=12))
    assert "quantis" not in str(error.value)


def test_a_mask_is_not_quantised() -> None:
    state = {**Body().state_dict(), "mask": torch.ones(3, 4, dtype=torch.bool)}
    assert not find_quantised(StateSource(state))
    assert find_quantised(StateSource({**state, "mask": torch.ones(3, 4, dtype=torch.int8)}))


def eight_bits(width: int = 8) -> Body:
    model = Body(width=width)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data = parameter.data.to(torch.float8_e4m3fn)
    return model


@pytest.mark.parametrize("options", [{}, {"canonical": True}, {"normalise": "rms"}])
def test_8_bit_floats_without_scales_are_widened(options: dict[str, Any]) -> None:
    auxiliary = eight_bits()
    wide = Body()
    wide.load_state_dict({name: value.float() for name, value in auxiliary.state_dict().items()})
    target = Body()
    values, expected = (crosspath.connect(target, model, **options).auxiliaries() for model in (auxiliary, wide))
    for (weight, _), value in values.items():
        assert torch.equal(value, expected[weight, "auxiliary_2"])


def test_8_bit_floats_with_scales_and_in_a_target_are_refused() -> None:
    state = eight_bits().state_dict()
    for extra in ({"blocks.0.attn.qkv.scale_weight": torch.ones(())}, {"scaled_fp8": torch.zeros(2)}):
        with refused("auxiliary (state dict)", "fp8 with scales", kind=crosspath.PathwayError):
            crosspath.connect(Body(), {**state, **extra})
    with pytest.raises(crosspath.PathwayError, match="16 bits or more"):
        crosspath.connect(eight_bits(), Body())
