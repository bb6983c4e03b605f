"""The two ways out, and the receipt."""

import copy
import json
import math
from collections.abc import Iterator
from typing import Literal

import pytest
import timm
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import distribute_tensor

import crosspath
from benchmarks.memory import LiveBytes
from crosspath.pathway.engines import combine
from crosspath.pathway.engines.combine import BLOCK_ELEMENTS
from tests.errors import refused
from tests.pathway.small_models import WIDTH, Body, randomise


def connect_body(scale: float = 0.5) -> tuple[Body, Body, Tensor]:
    torch.manual_seed(0)
    target, auxiliary = Body(), Body()
    randomise(target), randomise(auxiliary)
    crosspath.connect(target, {"audio": auxiliary}, scale_init=scale)
    return target, auxiliary, torch.randn(2, 5, WIDTH)


@pytest.mark.parametrize("elements", [8, BLOCK_ELEMENTS])
def test_receipt_holds_scales_drift_change_and_hashes(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By blocks of one row, and of all rows at a time."""
    monkeypatch.setattr(combine, "BLOCK_ELEMENTS", elements)
    target, auxiliary, _ = connect_body()
    with torch.no_grad():
        auxiliary_weight = target.blocks[0].mlp.fc1.parametrizations.weight[0].auxiliary("audio")
        auxiliary_weight[0] *= 1000  # the first row rounds most
        auxiliary.blocks[0].mlp.fc1.weight[0] *= 1000
    own = target.blocks[0].mlp.fc1.parametrizations.weight.original.detach().clone()
    receipt = crosspath.merge(target)
    name = "blocks.0.mlp.fc1.weight"
    assert receipt.scales[name] == {"audio": [0.5]}
    exact = own.double() + 0.5 * auxiliary.blocks[0].mlp.fc1.weight.detach().double()
    result = target.blocks[0].mlp.fc1.weight.detach().double()
    assert receipt.drift[name] == float((result - exact).abs().max())
    assert math.isclose(receipt.change[name], float((result - own).norm() / own.double().norm()), rel_tol=1e-12)
    assert 0 < receipt.largest_drift < 1e-3
    assert receipt.sha256_before != receipt.sha256_after
    assert receipt.auxiliaries["audio"]["description"] == "Body"
    assert json.loads(json.dumps(receipt.to_json()))["scales"][name] == {"audio": [0.5]}


def test_a_merge_takes_the_memory_of_one_weight_more() -> None:
    """Tensors live during a merge, besides the model: one sum, and its account block by block."""
    torch.manual_seed(0)
    target, auxiliary = (nn.ModuleList(nn.Linear(512, 512) for _ in range(12)) for _ in range(2))
    names = {f"{index}.weight": f"{index}.weight" for index in range(12)}
    crosspath.connect(target, auxiliary, names=names, scale_init=0.5)
    layer = target[0].parametrizations.weight.original.nbytes
    counter = LiveBytes()
    for parameter in target.parameters():
        counter.count(parameter.detach())
    before = counter.now
    with counter:
        crosspath.merge(target)
    # A weight of this size is one block, twice as large in float64: W, λ·W', the exact sum, the stored one.
    assert counter.peak - before <= layer + 4.1 * 2 * layer


def test_a_receipt_is_json_also_where_the_target_is_zero() -> None:
    target = Body()
    for block in target.blocks:
        nn.init.zeros_(block.mlp.fc1.bias)
    crosspath.connect(target, randomise(Body()), scale_init=0.5, bias=True)
    receipt = crosspath.merge(target)
    assert receipt.change["blocks.0.mlp.fc1.bias"] is None
    json.dumps(receipt.to_json(), allow_nan=False)


def test_parameter_objects_survive_so_an_optimizer_stays_valid() -> None:
    target = Body()
    parameters = dict(target.named_parameters())
    crosspath.connect(target, Body(), scale_init=0.5)
    crosspath.merge(target)
    assert all(parameter is parameters[name] for name, parameter in target.named_parameters())
    assert list(dict(target.named_parameters())) == list(parameters)


def test_a_result_that_is_not_finite_leaves_the_model_untouched() -> None:
    target, _, inputs = connect_body()
    handle = crosspath.pathways(target)
    with torch.no_grad():
        list(handle.scales().values())[-1].fill_(float("inf"))
    before = copy.deepcopy(target.state_dict())
    with pytest.raises(crosspath.PathwayError) as error:
        crosspath.merge(target)
    assert error.value.where == "blocks.1.mlp.fc2.weight"
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())
    with handle.disabled():
        assert bool(torch.isfinite(target(inputs)).all())


def test_disabled_pathways_are_not_merged_away() -> None:
    target, _, inputs = connect_body()
    before = target(inputs)
    block = crosspath.pathways(target).disabled()
    with block, refused("blocks.0.attn.qkv.weight", "disabled", kind=crosspath.PathwayError):
        crosspath.merge(target)
    assert torch.equal(target(inputs), before)


@pytest.fixture
def one_process() -> Iterator[DeviceMesh]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_values_spread_over_processes_or_on_the_meta_device_are_not_merged(one_process: DeviceMesh) -> None:
    target, _, _ = connect_body()
    inside = target.blocks[1].mlp.fc1.parametrizations.weight
    own = inside.original
    for other in (distribute_tensor(own.detach(), one_process), own.detach().to("meta")):
        inside.original = nn.Parameter(other)
        with refused("blocks.1.mlp.fc1.weight", "found", kind=crosspath.PathwayError):
            crosspath.merge(target)
    inside.original = own
    crosspath.merge(target)


@pytest.mark.parametrize("way_out", [crosspath.merge, crosspath.disconnect])
def test_a_model_without_pathways_says_so(way_out: object) -> None:
    with refused("Body", "found none", kind=crosspath.PathwayError):
        way_out(Body())


def test_merging_twice_is_an_error() -> None:
    target, _, _ = connect_body()
    crosspath.merge(target)
    with refused("Body", "found none", kind=crosspath.PathwayError):
        crosspath.merge(target)


def test_merge_is_bitwise_under_autocast() -> None:
    target, _, inputs = connect_body()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        before = target(inputs)
        crosspath.merge(target)
        assert torch.equal(target(inputs), before)


def test_timm_vit_on_real_sized_batches_is_bitwise() -> None:
    torch.manual_seed(0)
    target, auxiliary = (timm.create_model("vit_tiny_patch16_224", num_classes=5).eval() for _ in range(2))
    nn.init.normal_(target.head.weight)
    keys = list(target.state_dict())
    crosspath.connect(target, auxiliary, scale_init=0.3, bias=True)
    images = torch.randn(4, 3, 224, 224)
    with torch.no_grad():
        before = target(images)
        crosspath.merge(target)
        assert torch.equal(target(images), before)
    plain = timm.create_model("vit_tiny_patch16_224", num_classes=5)
    plain.load_state_dict(target.state_dict(), strict=True)
    assert list(target.state_dict()) == keys


@pytest.mark.parametrize("engine", ["live", "optimizer"])
def test_disconnect_inside_disabled_leaves_the_bare_target(engine: Literal["live", "optimizer"]) -> None:
    target, inputs = Body(), torch.randn(2, 5, WIDTH)
    bare = target(inputs)
    with crosspath.connect(target, Body(), scale_init=0.5, engine=engine).disabled():
        crosspath.disconnect(target)
    assert torch.equal(target(inputs), bare)


def test_disconnect_after_training_keeps_the_trained_target() -> None:
    target, _, inputs = connect_body()
    optimizer = torch.optim.SGD(crosspath.param_groups(target, lr=0.1), lr=0.1)
    target(inputs).pow(2).sum().backward()
    optimizer.step()
    values = target.blocks[0].mlp.fc1.parametrizations.weight.original.detach().clone()
    crosspath.disconnect(target)
    assert torch.equal(target.blocks[0].mlp.fc1.weight, values)
    assert type(target.blocks[0].mlp.fc1) is nn.Linear


@pytest.mark.parametrize("layers", ["one", "all"])
def test_a_parametrization_added_after_connecting_is_refused_by_name_and_can_be_taken_out(layers: str) -> None:
    target, _, inputs = connect_body()
    handle = crosspath.pathways(target)
    blocks = [target.blocks[0]] if layers == "one" else [*target.blocks]
    linears = [layer for block in blocks for layer in (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2)]
    for layer in linears:
        nn.utils.parametrizations.spectral_norm(layer)
    target.eval()
    before = target(inputs)
    for leave in (crosspath.merge, crosspath.disconnect, crosspath.status, crosspath.pathways):
        with refused("blocks.0.attn.qkv.weight", "parametrizations.weight", kind=crosspath.PathwayError):
            leave(target)
    assert torch.equal(target(inputs), before)
    assert "another parametrization" in repr(handle)
    target.train()
    optimizer = torch.optim.SGD(target.parameters(), lr=0.0)
    target(inputs).sum().backward()
    with pytest.warns(UserWarning, match="another parametrization"):
        optimizer.step()
    target.eval()
    for layer in linears:
        del layer.parametrizations.weight[1]
    with torch.no_grad():
        connected = target(inputs)
        assert len(crosspath.merge(target).scales) == 4 * len(target.blocks)
        assert torch.equal(target(inputs), connected)
