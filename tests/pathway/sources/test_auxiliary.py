"""What an auxiliary's layers compute with is what a pathway gets, or a refusal: never one stored tensor of several."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel

import crosspath
from tests.errors import refused
from tests.pathway.small_models import Body, randomise

LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
FORMS = ("module", "state", "file")


def body(seed: int) -> Any:
    torch.manual_seed(seed)
    return randomise(Body()).double()


class SwappedLinear(nn.Linear):
    """A layer as M2PT's published file and its copies swap it in; `names` are those of λ and W'."""

    def __init__(self, layer: nn.Linear, other: Tensor, scale: float, names: tuple[str, str]) -> None:
        super().__init__(layer.in_features, layer.out_features, dtype=layer.weight.dtype)
        self.load_state_dict(layer.state_dict())
        self.names = names
        self.register_parameter(names[0], nn.Parameter(torch.tensor([scale], dtype=other.dtype)))
        self.register_parameter(names[1], nn.Parameter(other.detach().clone()))

    def forward(self, inputs: Tensor) -> Tensor:
        scale, other = (getattr(self, name) for name in self.names)
        return nn.functional.linear(inputs, self.weight + scale * other, self.bias)


class KeepsBoth(nn.Module):
    """The layer of copies that keep the two linear layers whole."""

    def __init__(self, layer: nn.Linear, other: nn.Linear, scale: float) -> None:
        super().__init__()
        self.original_linear, self.auxiliary_linear = layer, other
        self.cross_modal_scale = nn.Parameter(torch.tensor([scale], dtype=layer.weight.dtype))


def change(model: Any, new: Callable[[nn.Linear, int], nn.Module]) -> Any:
    """Every linear layer of the blocks, replaced; the second argument counts them."""
    count = 0
    for block in model.blocks:
        for name in LAYERS:
            owner, _, last = name.partition(".")
            place = block.get_submodule(owner)
            setattr(place, last, new(getattr(place, last), count))
            count += 1
    return model


def swap_layers(names: tuple[str, str] = ("cross_modal_scale", "aux_weight")) -> tuple[Any, dict[str, Tensor]]:
    others = [layer for layer in body(2).blocks.modules() if isinstance(layer, nn.Linear)]
    model = change(body(1), lambda layer, i: SwappedLinear(layer, others[i].weight, 0.1 * (i + 1), names))
    return model, sums(others)


def keeping_both() -> tuple[Any, dict[str, Tensor]]:
    others = [layer for layer in body(2).blocks.modules() if isinstance(layer, nn.Linear)]
    return change(body(1), lambda layer, i: KeepsBoth(layer, others[i], 0.1 * (i + 1))), sums(others)


def sums(others: list[nn.Linear]) -> dict[str, Tensor]:
    layers = {name: layer for name, layer in body(1).named_modules() if isinstance(layer, nn.Linear)}
    return {
        f"{name}.weight": layer.weight + 0.1 * (i + 1) * others[i].weight
        for i, (name, layer) in enumerate(layers.items())
    }


def connect_two() -> tuple[Any, dict[str, Tensor]]:
    model = body(1)
    crosspath.connect(model, {"audio": body(2), "point": body(3)}, scale_init=0.3, bias=True)
    second, third = body(2).state_dict(), body(3).state_dict()
    expected = {
        name: value + 0.3 * second[name] + 0.3 * third[name]
        for name, value in body(1).state_dict().items()
        if "attn" in name or "mlp" in name
    }
    return model, expected


def weight_norm() -> tuple[Any, dict[str, Tensor]]:
    return _normalise(lambda layer: parametrizations.weight_norm(layer))


def weight_norm_of_the_whole() -> tuple[Any, dict[str, Tensor]]:
    return _normalise(lambda layer: parametrizations.weight_norm(layer, dim=None))


def weight_norm_by_hook() -> tuple[Any, dict[str, Tensor]]:
    return _normalise(lambda layer: nn.utils.weight_norm(layer, dim=1))


def prune_weights() -> tuple[Any, dict[str, Tensor]]:
    return _normalise(lambda layer: prune.l1_unstructured(layer, "weight", amount=0.5))


def _normalise(wrap: Callable[[Any], Any]) -> tuple[Any, dict[str, Tensor]]:
    """The expected weights are those that the layer's own forward computes with, after its parts have moved."""
    model = change(body(1), lambda layer, _: wrap(layer))
    with torch.no_grad():
        for parameter in model.blocks.parameters():
            parameter.mul_(1.5)
    expected = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            eye = torch.eye(layer.in_features, dtype=torch.float64)
            expected[f"{name}.weight"] = (layer(eye) - layer.bias).T.detach()
    return model, expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "build",
    [
        swap_layers,
        lambda: swap_layers(("pretrained_scale", "pretrained_weight")),
        keeping_both,
        connect_two,
        weight_norm,
        weight_norm_of_the_whole,
        weight_norm_by_hook,
        prune_weights,
    ],
    ids=["published", "renamed", "both layers", "pathways", "norm", "norm of all", "norm by hook", "pruned"],
)
def test_an_auxiliary_gives_what_its_layers_compute_with(
    build: Callable[[], tuple[Any, dict[str, Tensor]]], form: str, tmp_path: Path
) -> None:
    auxiliary, expected = build()
    before = {name: value.clone() for name, value in auxiliary.state_dict().items()}
    handle = crosspath.connect(body(0), in_form(auxiliary, form, tmp_path), bias=True)
    auxiliaries = {name: values for (name, _), values in handle.auxiliaries().items()}
    assert len([name for name in auxiliaries if name.endswith(".weight")]) == 8
    for name, values in expected.items():
        torch.testing.assert_close(auxiliaries[name].detach(), values.detach(), rtol=1e-13, atol=1e-14)
    plain = body(1).state_dict()
    assert not any(torch.allclose(auxiliaries[name], plain[name]) for name in expected)
    assert all(torch.equal(value, before[name]) for name, value in auxiliary.state_dict().items())


def in_form(model: nn.Module, form: str, folder: Path) -> Any:
    if form == "module":
        return model
    state = model.state_dict()
    if form == "state":
        return state
    save_file({name: value.contiguous().clone() for name, value in state.items()}, folder / "model.safetensors")
    return folder


def test_a_spectrally_normalised_module_is_computed_and_not_changed() -> None:
    auxiliary = change(body(1), lambda layer, _: parametrizations.spectral_norm(layer))
    before = {name: value.clone() for name, value in auxiliary.state_dict().items()}
    handle = crosspath.connect(body(0), auxiliary)
    # In training mode every read of the weight would take a step of the power iteration.
    assert all(torch.equal(value, before[name]) for name, value in auxiliary.state_dict().items())
    auxiliary.eval()
    for (name, _), values in handle.auxiliaries().items():
        layer = auxiliary.get_submodule(name.removesuffix(".weight"))
        torch.testing.assert_close(values.detach(), layer.weight.detach(), rtol=1e-13, atol=1e-14)
    with refused("auxiliary (state dict)", "blocks.0.attn.qkv.weight", kind=crosspath.PathwayError) as error:
        crosspath.connect(body(0), auxiliary.state_dict())
    assert "remove_parametrizations" in error.value.todo
    for module in auxiliary.blocks.modules():
        if isinstance(module, nn.Linear):
            parametrize.remove_parametrizations(module, "weight")
    assert crosspath.match(body(0), auxiliary.state_dict()).ok


def test_spectral_normalisation_by_a_hook_is_refused_and_the_advice_works() -> None:
    auxiliary = change(body(1), lambda layer, _: nn.utils.spectral_norm(layer))
    for form in (auxiliary, auxiliary.state_dict()):
        with refused("auxiliary", "spectral", "remove_spectral_norm", kind=crosspath.PathwayError):
            crosspath.connect(body(0), form)
    for module in auxiliary.blocks.modules():
        if isinstance(module, nn.Linear):
            nn.utils.remove_spectral_norm(module)
    assert crosspath.match(body(0), auxiliary).ok


def test_half_of_a_swapped_layer_is_refused() -> None:
    state = swap_layers()[0].state_dict()
    del state["blocks.1.mlp.fc1.aux_weight"]
    with refused("auxiliary (state dict)", "blocks.1.mlp.fc1.aux_weight", kind=crosspath.PathwayError):
        crosspath.connect(body(0), state)


def test_a_state_dict_with_several_scales_a_weight_is_refused_and_the_advice_works() -> None:
    auxiliary = body(1)
    crosspath.connect(auxiliary, body(2), scale_init=0.3, scale_per="channel")
    with refused("auxiliary (state dict)", "merge it first", kind=crosspath.PathwayError):
        crosspath.connect(body(0), auxiliary.state_dict())
    crosspath.merge(auxiliary)
    assert crosspath.match(body(0), auxiliary.state_dict()).ok


def test_the_target_of_a_saved_connected_model_is_not_taken_for_the_model(tmp_path: Path) -> None:
    auxiliary = connect_two()[0]
    crosspath.save_pathway(auxiliary, tmp_path)
    for path in (tmp_path, tmp_path / "model.safetensors", tmp_path / "pathway.safetensors"):
        with refused(path.name, "pathways", "load_pathway", kind=crosspath.PathwayError):
            crosspath.connect(body(0), path)
    fresh = body(5)
    crosspath.load_pathway(fresh, tmp_path)
    handle = crosspath.connect(body(0), fresh)
    name = "blocks.0.attn.qkv.weight"
    torch.testing.assert_close(
        handle.auxiliaries()[name, "auxiliary"].detach(), connect_two()[1][name], rtol=1e-13, atol=0
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("layer", "kind", "in_module"),
    [
        ({"qweight": torch.zeros(4, 8, dtype=torch.int32), "scales": torch.ones(1, 8)}, "GPTQ", "GPTQ"),
        ({"weight": torch.zeros(32, 1, dtype=torch.uint8), "weight.absmax": torch.ones(4)}, "bitsandbytes", "uint8"),
        ({"weight": torch.zeros(16, 8, dtype=torch.int8), "SCB": torch.ones(16)}, "bitsandbytes", "bitsandbytes"),
        ({"weight": torch.zeros(16, 8).to(torch.float8_e4m3fn), "weight_scale_inv": torch.ones(1)}, "fp8", "fp8"),
        (
            {"weight_packed": torch.zeros(16, 1, dtype=torch.int32), "weight_scale": torch.ones(16)},
            "compressed",
            "compressed",
        ),
        ({"weight": torch.zeros(16, 8, dtype=torch.int8)}, "I8", "int8"),
    ],
    ids=["gptq", "4 bit", "8 bit", "fp8", "compressed", "integers"],
)
def test_one_quantised_layer_is_refused_by_name(
    layer: dict[str, Tensor], kind: str, in_module: str, form: str, tmp_path: Path
) -> None:
    auxiliary = Body()
    auxiliary.blocks[1].mlp.fc1 = nn.Identity()
    state = auxiliary.state_dict() | {f"blocks.1.mlp.fc1.{name}": value for name, value in layer.items()}
    if form == "module":
        for name, value in layer.items():
            parts = name.split(".")
            place = auxiliary.blocks[1].mlp.fc1
            if len(parts) == 1 and parts[0] == "weight":
                place.weight = nn.Parameter(value, requires_grad=False)
            elif len(parts) == 1:
                place.register_buffer(name, value)
    source: Any = {"module": auxiliary, "state": state, "file": tmp_path / "model.safetensors"}[form]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(crosspath.PathwayError, match=r"blocks\.1\.mlp\.fc1\.(weight|qweight|SCB)") as error:
        crosspath.connect(Body(), source)
    assert "before quantising" in str(error.value)
    assert (in_module if form == "module" else kind) in str(error.value)


def test_plain_8_bit_floats_are_numbers_like_others() -> None:
    state = {name: value.to(torch.float8_e4m3fn) for name, value in Body().state_dict().items()}
    handle = crosspath.connect(Body(), state)
    for (name, _), values in handle.auxiliaries().items():
        assert torch.equal(values, state[name].float())
    state["blocks.0.attn.proj.weight"] = torch.full((8, 8), float("nan")).to(torch.float8_e4m3fn)
    with refused("connect", "blocks.0.attn.proj.weight", "finite", kind=crosspath.PathwayError):
        crosspath.connect(Body(), state)


def test_sparse_and_complex_values_are_refused() -> None:
    for value in (torch.eye(8).to_sparse(), torch.eye(8) + 1j):
        state = {**Body().state_dict(), "blocks.0.attn.proj.weight": value}
        with refused("connect", "blocks.0.attn.proj.weight", kind=crosspath.PathwayError) as error:
            crosspath.connect(Body(), state)
        assert "quantising" not in str(error.value)


def test_a_complex_target_is_refused() -> None:
    """λ is real or not, W' real or not: the gradient of each pair would be another one."""
    target = nn.Sequential(nn.Linear(4, 4).to(torch.complex64))
    with refused("connect", "0.weight", "complex64", kind=crosspath.PathwayError) as error:
        crosspath.connect(target, nn.Sequential(nn.Linear(4, 4)), names="weight")
    assert len(str(error.value).splitlines()) == 1


def test_wrappers_of_an_auxiliary_are_seen_through() -> None:
    plain = Body()
    names = ["blocks.0.attn.qkv.weight"]
    for wrapper in (torch.compile(plain), nn.DataParallel(plain), AveragedModel(plain)):
        handle = crosspath.connect(Body(), wrapper, names=names)
        assert torch.equal(handle.auxiliaries()[names[0], "auxiliary"], plain.blocks[0].attn.qkv.weight)


@pytest.mark.parametrize("merged", [False, True])
def test_a_layer_that_holds_its_own_adapter_counts_once_it_is_merged(merged: bool) -> None:
    """As loralib's layers do: their parts stay after merging, and `merged` says whether the weight has them."""
    auxiliary = Body()
    layer: Any = auxiliary.blocks[0].attn.qkv
    layer.lora_A, layer.lora_B = nn.Parameter(torch.ones(2, 8)), nn.Parameter(torch.ones(24, 2))
    layer.merged = merged
    if merged:
        handle = crosspath.connect(Body(), auxiliary)
        assert torch.equal(handle.auxiliaries()["blocks.0.attn.qkv.weight", "auxiliary"], layer.weight)
    else:
        with refused("auxiliary (Body)", "blocks.0.attn.qkv.lora_A", kind=crosspath.PathwayError):
            crosspath.connect(Body(), auxiliary)
