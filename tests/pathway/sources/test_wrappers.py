"""Wrappers around a target: seen through where that is right, refused with what to do where λ would be missed."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from timm.models.vision_transformer import Attention, Block
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

import crosspath
from crosspath.pathway.engines.engine import Engine
from tests.errors import refused
from tests.pathway.small_models import Body, randomise


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    if not dist.is_available() or not dist.is_gloo_available():
        pytest.skip("this PyTorch is built without gloo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def tokens() -> Tensor:
    return torch.randn(2, 5, 8)


def test_a_model_in_ddp_is_refused_also_by_its_inside_and_the_advice_works(process_group: None) -> None:
    model = Body()
    ddp = DistributedDataParallel(model)
    for target in (ddp, nn.Sequential(ddp)):
        with refused(type(target).__name__, "DistributedDataParallel", "delete", kind=crosspath.PathwayError):
            crosspath.connect(target, Body())
    for target in (model, model.blocks, nn.ModuleList([model])):
        with refused(type(target).__name__, "DistributedDataParallel", "delete", kind=crosspath.PathwayError):
            crosspath.connect(target, Body())
    handle = crosspath.connect(Body(), ddp)  # as an auxiliary it is only read
    assert ("blocks.0.attn.qkv.weight", "auxiliary") in handle.auxiliaries()
    del ddp, target
    handle = crosspath.connect(model, Body())
    ddp = DistributedDataParallel(model)
    ddp(tokens()).square().sum().backward()
    assert all(scale.grad is not None for scale in handle.scales().values())


def test_a_connected_model_in_ddp_is_saved_under_plain_names(process_group: None, tmp_path: Path) -> None:
    model = Body()
    crosspath.connect(model, Body())
    ddp = DistributedDataParallel(model)
    crosspath.save_pathway(ddp, tmp_path / "saved")
    assert load_file(tmp_path / "saved" / "model.safetensors").keys() == Body().state_dict().keys()
    assert len(crosspath.status(ddp).rows) == 8
    assert crosspath.param_groups(ddp, lr=1.0, layer_decay=0.5)
    crosspath.merge(ddp)
    assert model.state_dict().keys() == Body().state_dict().keys()


def test_a_compiled_model_is_connected_and_saved_under_plain_names(tmp_path: Path) -> None:
    torch.compiler.reset()
    model = Body()
    compiled = torch.compile(model, backend="eager")
    handle = crosspath.connect(compiled, Body(), scale_init=0.1)
    assert handle.target is model
    inputs = tokens()
    assert torch.equal(compiled(inputs), model(inputs))
    crosspath.save_pathway(compiled, tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == Body().state_dict().keys()
    crosspath.load_pathway(torch.compile(Body(), backend="eager"), tmp_path)
    crosspath.merge(compiled)
    assert model.state_dict().keys() == Body().state_dict().keys()


@pytest.mark.parametrize("engine", ["live", "optimizer"])
def test_blocks_that_recompute_activations_are_saved_under_plain_names(engine: Engine, tmp_path: Path) -> None:
    def recomputing() -> Body:
        model = Body()
        apply_activation_checkpointing(model, check_fn=lambda module: isinstance(module, Block | Attention))
        return model

    target = recomputing()
    crosspath.connect(target, randomise(recomputing()), engine=engine, scale_init=0.1, canonical=True)
    assert "blocks.0.attn.qkv.weight" in crosspath.pathways(target).weights()
    assert crosspath.param_groups(target, lr=1.0, layer_decay=0.5)
    crosspath.save_pathway(target, tmp_path)
    assert load_file(tmp_path / "model.safetensors").keys() == Body().state_dict().keys()
    inputs = tokens()
    for again in (recomputing(), Body()):
        crosspath.load_pathway(again, tmp_path, engine=engine)
        assert torch.equal(again(inputs), target(inputs))
    crosspath.merge(target)
    assert target.state_dict().keys() == Body().state_dict().keys()


def test_other_wrappers_are_refused_with_what_to_do() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(Body().eval(), tokens())
    for wrapper, kind in (
        (nn.DataParallel(Body()), "DataParallel"),
        (AveragedModel(Body()), "AveragedModel"),
        (script, "ScriptModule"),
    ):
        with refused(type(wrapper).__name__, kind, "connect", kind=crosspath.PathwayError):
            crosspath.connect(wrapper, Body())


def test_replicas_of_data_parallel_are_refused() -> None:
    """Its replicas hold no ParameterDict, so that a pathway would be missing there."""
    model = Body()
    crosspath.connect(model, Body())
    pathway = model.blocks[0].attn.qkv.parametrizations.weight[0]
    with refused("DataParallel", "DistributedDataParallel", kind=crosspath.PathwayError):
        pathway._replicate_for_data_parallel()


@pytest.mark.parametrize("kind", [nn.ModuleList, nn.Sequential])
def test_bare_sequences_of_blocks_connect(kind: type[nn.Module]) -> None:
    target = kind(*([[*Body().blocks]] if kind is nn.ModuleList else Body().blocks))
    handle = crosspath.connect(target, Body().blocks)
    assert {name.partition(".")[0] for name, _ in handle.scales()} == {"0", "1"}
    assert len(handle.scales()) == 8


def test_lazy_layers_have_to_run_first() -> None:
    def lazy() -> Body:
        model = Body()
        model.head = nn.LazyLinear(3)
        return model

    for target, auxiliary in ((lazy(), Body()), (Body(), lazy())):
        with refused("head.weight", "run the model once", kind=crosspath.PathwayError):
            crosspath.connect(target, auxiliary)
    model = lazy()
    model.head(tokens())
    assert crosspath.match(model, Body()).ok
