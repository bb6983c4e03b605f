"""The drop-in for the copied `multimodal_pathway.py`, against a plain reading of what the copy does.

Numbers in the names of tests are those of the list of known faults of the official repository.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import crosspath
from crosspath.integrations.m2pt import (
    load_reparameterized,
    merge_reparameterized,
    reparameterize_aux_into_target_model,
)
from tests.errors import refused
from tests.pathway.small_models import Body, FunctionalBody, randomise

LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


class Swapped(nn.Linear):
    """A layer as copies swap it in: the sum in the forward, λ and W' beside the weight."""

    def __init__(self, layer: nn.Linear, auxiliary: Tensor, scale: float) -> None:
        super().__init__(layer.in_features, layer.out_features, dtype=layer.weight.dtype)
        self.load_state_dict(layer.state_dict())
        self.cross_modal_scale = nn.Parameter(torch.tensor([scale], dtype=layer.weight.dtype))
        self.aux_weight = nn.Parameter(auxiliary.detach().clone())

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.linear(inputs, self.weight + self.cross_modal_scale * self.aux_weight, self.bias)


def body(seed: int, **options: Any) -> Any:
    torch.manual_seed(seed)
    return randomise(Body(**options)).double()


def swapped(seed: int, auxiliary: Any, scale: float = 0.3) -> Any:
    """A model whose layers were swapped; every layer has a λ of its own."""
    model = body(seed)
    for index, block in enumerate(model.blocks):
        for number, name in enumerate(LAYERS):
            owner, _, last = name.partition(".")
            weight = auxiliary.blocks[index].get_submodule(name).weight
            place = block.get_submodule(owner)
            setattr(place, last, Swapped(getattr(place, last), weight, scale + 0.1 * index + 0.01 * number))
    return model


def tokens() -> Tensor:
    torch.manual_seed(7)
    return torch.randn(2, 5, 8, dtype=torch.float64)


def called(target: nn.Module, auxiliary: nn.Module, **options: Any) -> crosspath.Pathways:
    with pytest.warns(UserWarning, match="differs from the published"):
        return reparameterize_aux_into_target_model(target, auxiliary, **options)


def test_it_computes_what_the_copied_layers_compute() -> None:
    target, auxiliary = body(0), body(1)
    pathway = called(target, auxiliary)
    reference = swapped(0, auxiliary)
    with torch.no_grad():
        assert torch.equal(target(tokens()), body(0)(tokens()))
        for (name, _), scale in pathway.scales().items():
            assert scale.shape == (1,)
            scale.copy_(reference.state_dict()[name.replace(".weight", ".cross_modal_scale")])
        torch.testing.assert_close(target(tokens()), reference(tokens()), rtol=1e-12, atol=1e-12)


def test_it_trains_as_the_copied_layers_train() -> None:
    auxiliary = body(1)
    ours, theirs = body(0), swapped(0, auxiliary, scale=0.0)
    pathway = called(ours, auxiliary)
    with torch.no_grad():
        for (name, _), scale in pathway.scales().items():
            scale.copy_(theirs.state_dict()[name.replace(".weight", ".cross_modal_scale")])
    for model in (ours, theirs):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            model(tokens()).square().mean().backward()
            optimizer.step()
    expected = theirs.state_dict()
    for (name, _), scale in pathway.scales().items():
        torch.testing.assert_close(scale.data, expected[name.replace(".weight", ".cross_modal_scale")])
    for (name, _), weight in pathway.auxiliaries().items():
        torch.testing.assert_close(weight.data, expected[name.replace(".weight", ".aux_weight")])


def test_the_warning_names_every_difference() -> None:
    with pytest.warns(UserWarning, match="differs from the published") as caught:
        reparameterize_aux_into_target_model(body(0), body(1))
    (warning,) = [str(entry.message) for entry in caught]
    for word in ("only copied", "frozen", "qkv.weight itself", "without bias", "depths", "head", "second call", "keys"):
        assert word in warning
    assert str(__file__) in [entry.filename for entry in caught]


def test_other_layer_and_body_names_are_accepted() -> None:
    torch.manual_seed(0)
    target, auxiliary = (nn.ModuleDict({"trunk": nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16)])}) for _ in "ab")
    pathway = called(target, auxiliary, layer_names=["linear1"], main_body_name="trunk")
    assert list(pathway.scales()) == [("trunk.0.linear1.weight", "auxiliary")]
    with refused("main_body_name", "'layers'", kind=crosspath.PathwayError):
        called(target, auxiliary, main_body_name="layers")


def test_3_attention_that_reads_the_weight_itself_has_its_pathway() -> None:
    torch.manual_seed(0)
    target, auxiliary = FunctionalBody(), FunctionalBody()
    pathway = called(target, auxiliary, layer_names=("attn.qkv", "attn.proj"))
    inputs = tokens().float()
    before = target(inputs)
    with torch.no_grad():
        pathway.scales()["blocks.0.attn.qkv.weight", "auxiliary"].fill_(5)
    after = target(inputs)
    assert not torch.allclose(before, after)
    after.sum().backward()
    assert all(scale.grad is not None for scale in pathway.scales().values())


@pytest.mark.parametrize(("ours", "theirs"), [(2, 3), (3, 2)])
def test_9_different_depths_are_not_cut_to_the_shorter(ours: int, theirs: int) -> None:
    target = body(0, depth=ours)
    with pytest.raises(crosspath.PathwayError, match=f"found {ours} in the target and {theirs} in the auxiliary"):
        called(target, body(1, depth=theirs))
    assert list(target.state_dict()) == list(body(0, depth=ours).state_dict())


def test_10_different_head_counts_are_not_accepted_silently() -> None:
    with pytest.raises(crosspath.PathwayError) as error:
        called(body(0, heads=2), body(1, heads=4))
    assert str(error.value).count("target has [2] heads, auxiliary has [4]") == 2
    assert 'accept={"heads"}' in str(error.value)


def test_11_layers_without_bias_do_not_crash() -> None:
    target = body(0, qkv_bias=False)
    called(target, body(1, qkv_bias=False))
    assert target.blocks[0].attn.qkv.bias is None
    target(tokens()).sum().backward()


def test_13_the_auxiliary_is_not_shared_and_its_requires_grad_not_flipped() -> None:
    auxiliary = body(1).requires_grad_(False)
    before = copy.deepcopy(auxiliary.state_dict())
    first, second = body(0), body(2)
    handles = [called(first, auxiliary), called(second, auxiliary)]
    values = [handle.auxiliaries()["blocks.0.attn.qkv.weight", "auxiliary"] for handle in handles]
    assert values[0].requires_grad
    assert values[0].data_ptr() != values[1].data_ptr()
    with torch.no_grad():
        values[0].add_(1)
    assert all(torch.equal(before[name], value) for name, value in auxiliary.state_dict().items())
    assert not any(parameter.requires_grad for parameter in auxiliary.parameters())


def test_14_dtype_hooks_and_frozen_weights_of_the_target_stay() -> None:
    target = body(0).to(torch.bfloat16)
    calls: list[int] = []
    target.blocks[0].attn.qkv.register_forward_hook(lambda *_: calls.append(1))
    target.blocks[0].mlp.fc1.weight.requires_grad_(False)
    called(target, body(1))
    assert {parameter.dtype for parameter in target.parameters()} == {torch.bfloat16}
    target(tokens().to(torch.bfloat16))
    assert calls == [1]
    assert not target.blocks[0].mlp.fc1.parametrizations.weight.original.requires_grad


def test_15_a_second_call_keeps_the_first_auxiliary() -> None:
    target = body(0)
    called(target, body(1))
    pathway = called(target, body(2))
    assert pathway.names == ("auxiliary", "auxiliary_2")


def test_16_every_shape_that_does_not_fit_is_named_without_asserts() -> None:
    target = body(0, width=8)
    with pytest.raises(crosspath.PathwayError) as error:
        called(target, body(1, width=12))
    assert all(f"blocks.{index}.{layer}.weight" in str(error.value) for index in range(2) for layer in LAYERS)
    assert list(target.state_dict()) == list(body(0).state_dict())


def test_17_a_state_dict_of_swapped_layers_keeps_its_pathway() -> None:
    trained = swapped(0, body(1))
    target = body(5)
    pathway = load_reparameterized(target, trained.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(target(tokens()), trained(tokens()), rtol=1e-12, atol=1e-12)
        connected = target(tokens())
    assert len(pathway.scales()) == 8
    assert pathway.scales()["blocks.1.attn.proj.weight", "auxiliary"].item() == pytest.approx(0.41)
    crosspath.merge(target)
    with torch.no_grad():
        assert torch.equal(target(tokens()), connected)


def test_17_a_state_dict_of_swapped_layers_merges_to_the_plain_keys() -> None:
    trained = swapped(0, body(1))
    state = trained.state_dict()
    original = {name: value.clone() for name, value in state.items()}
    merged = merge_reparameterized(state)
    assert set(merged) == set(body(0).state_dict())
    target = body(5)
    target.load_state_dict(merged)
    with torch.no_grad():
        torch.testing.assert_close(target(tokens()), trained(tokens()), rtol=1e-12, atol=1e-12)
    assert all(torch.equal(original[name], value) for name, value in state.items())


def test_merging_the_state_dict_and_merging_the_model_agree_to_the_bit() -> None:
    state = swapped(0, body(1)).float().state_dict()
    target = body(5).float()
    load_reparameterized(target, state)
    crosspath.merge(target)
    merged = merge_reparameterized(state)
    assert all(torch.equal(merged[name], value) for name, value in target.state_dict().items())


def test_renamed_keys_of_a_copy_are_read() -> None:
    renamed = {
        name.replace("cross_modal_scale", "pretrained_scale").replace("aux_weight", "pretrained_weight"): value
        for name, value in swapped(0, body(1)).state_dict().items()
    }
    keys = {"scale_key": "pretrained_scale", "weight_key": "pretrained_weight"}
    assert len(load_reparameterized(body(5), renamed, **keys).scales()) == 8
    assert set(merge_reparameterized(renamed, **keys)) == set(body(0).state_dict())
    with refused("state dict", "cross_modal_scale", "aux_weight", kind=crosspath.PathwayError):
        merge_reparameterized(renamed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("blocks.0.mlp.fc1.aux_weight"), "blocks.0.mlp.fc1: .* found no aux_weight"),
        (lambda state: state.pop("blocks.0.mlp.fc1.cross_modal_scale"), "blocks.0.mlp.fc1: .* found no cross_modal"),
        (lambda state: state.update({"blocks.0.mlp.fc1.aux_weight": torch.ones(2, 2)}), r"found \(2, 2\)"),
        (lambda state: state.update({"blocks.0.mlp.fc1.cross_modal_scale": torch.ones(())}), r"and \(\)"),
        (lambda state: state.pop("blocks.1.norm1.weight"), "missing: blocks.1.norm1.weight"),
        (lambda state: state.update({"head.weight": torch.ones(2, 2)}), "unexpected: head.weight"),
        (
            lambda state: state.update({"blocks.1.norm1.weight": torch.ones(3)}),
            r"norm1.weight \(3,\) instead of \(8,\)",
        ),
        (lambda state: state["blocks.0.mlp.fc1.aux_weight"].fill_(torch.nan), "not finite"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused_and_the_target_untouched(change: Any, message: str) -> None:
    state = dict(swapped(0, body(1)).state_dict())
    change(state)
    target = body(5)
    with pytest.raises(crosspath.PathwayError, match=message):
        load_reparameterized(target, state)
    expected = body(5).state_dict()
    assert list(target.state_dict()) == list(expected)
    assert all(torch.equal(value, expected[name]) for name, value in target.state_dict().items())


@pytest.mark.parametrize("trains", [True, False])
def test_a_copy_that_passes_the_blocks_and_says_whether_the_auxiliary_trains(trains: bool) -> None:
    target, auxiliary = body(0), body(1)
    pathway = called(target.blocks, auxiliary.blocks, is_aux_trainable=trains)
    assert ("0.attn.qkv.weight", "auxiliary") in pathway.scales()
    assert {values.requires_grad for values in pathway.auxiliaries().values()} == {trains}
    assert all(scale.requires_grad for scale in pathway.scales().values())
    with refused("main_body_name", "False", kind=crosspath.PathwayError):
        called(body(0), body(1), main_body_name=False)


def test_wrapped_models_are_seen_through_where_that_is_safe() -> None:
    pathway = called(torch.compile(body(0)), nn.DataParallel(body(1)))
    assert len(pathway.scales()) == 8
    with refused("DataParallel", "wrap", kind=crosspath.PathwayError):
        called(nn.DataParallel(body(0)), body(1))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_state_dicts_of_copies_that_keep_both_layers_load(prefix: str) -> None:
    published = swapped(0, body(1)).state_dict()
    renamed = {}
    for name, value in published.items():
        layer, _, last = name.rpartition(".")
        inside = f"{layer}.aux_weight" in published
        new = {
            "weight": "original_linear.weight",
            "bias": "original_linear.bias",
            "aux_weight": "auxiliary_linear.weight",
        }
        renamed[f"{prefix}{layer}.{new.get(last, last) if inside else last}"] = value
    renamed |= {
        name.replace("original_linear.b", "auxiliary_linear.b"): v
        for name, v in renamed.items()
        if "original_linear.b" in name
    }
    expected = merge_reparameterized(published)
    merged = merge_reparameterized(renamed)
    assert merged.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in merged.items())
    target = body(5)
    load_reparameterized(target, renamed)
    crosspath.merge(target)
    assert all(torch.equal(value, expected[name]) for name, value in target.state_dict().items())
