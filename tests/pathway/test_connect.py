"""Connecting: what is refused, what is counted, and the traps of computing a weight on the fly."""

import copy
import pickle
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint
from torchvision.models import vit_b_16
from torchvision.models.vision_transformer import VisionTransformer

import crosspath
from crosspath.pathway import assemble
from crosspath.pathway.engines import pathway_weight
from crosspath.pathway.engines.overlay import Overlay
from crosspath.pathway.options import ScalePer
from crosspath.pathway.plan import TensorPlan
from tests.errors import refused
from tests.pathway.small_models import KINDS, WIDTH, Body, SelfAttention, randomise


def tokens() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 5, WIDTH)


@contextmanager
def count_sums(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Counts how often a sum is computed."""
    calls: list[int] = []
    real = pathway_weight.effective_weight

    def counting(*arguments: object) -> Tensor:
        calls.append(1)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pathway_weight, "effective_weight", counting)
        yield calls


def test_one_sum_per_weight_where_the_model_reads_each_weight_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("timm", "functional qkv"):
        target = KINDS[name].build()
        handle = crosspath.connect(target, KINDS[name].build())
        with count_sums(monkeypatch) as calls:
            target(tokens())
        assert len(calls) == len(handle.scales()), name


def test_checkpointing_computes_each_sum_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Body()
    handle = crosspath.connect(target, Body())
    with count_sums(monkeypatch) as calls:
        hidden = tokens().requires_grad_()
        for block in target.blocks:
            hidden = checkpoint(block, hidden, use_reentrant=False)
        hidden.sum().backward()
    assert len(calls) == 2 * len(handle.scales())


@pytest.mark.parametrize(("name", "training_reads", "eval_reads"), [("torch encoder", 12, 24), ("torchvision", 12, 16)])
def test_torch_attention_reads_weights_several_times_and_the_documented_cache_makes_it_one(
    monkeypatch: pytest.MonkeyPatch, name: str, training_reads: int, eval_reads: int
) -> None:
    """The figures stand in docs/method.md; PyTorch's own `parametrize.cached` brings them down."""
    target = KINDS[name].build()
    handle = crosspath.connect(target, KINDS[name].build(), scale_init=0.5)
    weights = len(handle.scales())
    assert weights == 8
    with count_sums(monkeypatch) as calls:
        first = target.train()(tokens())
    assert len(calls) == training_reads
    with count_sums(monkeypatch) as calls:
        target.eval()(tokens())
    assert len(calls) == eval_reads
    with count_sums(monkeypatch) as calls, parametrize.cached():
        second = target.train()(tokens())
    assert len(calls) == weights
    assert torch.equal(first, second)


def test_merging_a_deep_copy_leaves_the_original_working() -> None:
    target, inputs = Body(), tokens()
    crosspath.connect(target, Body(), scale_init=0.5, bias=True)
    twin, third = copy.deepcopy(target), copy.deepcopy(target)
    with torch.no_grad():
        before = target(inputs)
        crosspath.merge(twin)
        crosspath.disconnect(third)
        assert torch.equal(target(inputs), before)
        assert torch.equal(twin(inputs), before)
        crosspath.merge(target)
        assert torch.equal(target(inputs), before)


def test_connecting_more_of_a_deep_copy_leaves_the_original_working() -> None:
    target, inputs = Body(), tokens()
    crosspath.connect(target, Body(), scale_init=0.5)
    twin = copy.deepcopy(target)
    with torch.no_grad():
        before = target(inputs)
        crosspath.connect(twin, Body(), scale_init=0.5, bias=True)  # bias becomes a property in the twin only
        assert torch.equal(target(inputs), before)
        assert target.blocks[0].attn.qkv.bias is target.blocks[0].attn.qkv._parameters["bias"]
        assert not torch.equal(twin(inputs), before)


def test_parameters_shared_by_several_modules_are_refused_by_name() -> None:
    target = nn.ModuleDict({"embed": nn.Embedding(7, 5), "head": nn.Linear(5, 7, bias=False)})
    target["head"].weight = target["embed"].weight
    auxiliary = nn.ModuleDict({"embed": nn.Embedding(7, 5), "head": nn.Linear(5, 7, bias=False)})
    with refused("connect", "embed.weight", "head.weight", kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary, names=["embed.weight"])
    assert not parametrize.is_parametrized(target["embed"])


def test_a_module_used_twice_has_one_pathway() -> None:
    layer = nn.Linear(4, 4)
    target = nn.Sequential(layer, nn.ReLU(), layer)
    handle = crosspath.connect(target, nn.Sequential(nn.Linear(4, 4)), names=["0.weight"], scale_init=0.5)
    assert len(handle.scales()) == 1
    inputs = torch.randn(3, 4)
    with torch.no_grad():
        before = target(inputs)
        crosspath.merge(target)
        assert torch.equal(target(inputs), before)


def test_whole_module_pickling_is_refused() -> None:
    target = Body()
    crosspath.connect(target, Body())
    with refused("Linear", "state_dict", kind=crosspath.PathwayError):
        pickle.dumps(target)


def test_a_weight_under_another_parametrization_is_refused() -> None:
    target = Body()
    parametrizations.weight_norm(target.blocks[0].attn.proj)
    with refused("connect", "parametrization", kind=crosspath.PathwayError):
        crosspath.connect(target, Body())


def test_a_foreign_parametrization_of_another_tensor_survives() -> None:
    target, inputs = nn.Sequential(nn.Linear(4, 4)), torch.randn(3, 4)

    class Double(nn.Module):
        def forward(self, bias: Tensor) -> Tensor:
            return 2 * bias

    crosspath.connect(target, nn.Sequential(nn.Linear(4, 4)), names=["0.weight"], scale_init=0.5)
    parametrize.register_parametrization(target[0], "bias", Double())
    with torch.no_grad():
        before = target(inputs)
        crosspath.merge(target)
        assert torch.equal(target(inputs), before)
    assert parametrize.is_parametrized(target[0], "bias")


def test_values_that_are_not_finite_are_refused() -> None:
    target, auxiliary = Body(), Body()
    with torch.no_grad():
        auxiliary.blocks[1].mlp.fc1.weight[0, 0] = float("nan")
    with refused("connect", "blocks.1.mlp.fc1.weight[0:32]", kind=crosspath.PathwayError):
        crosspath.connect(target, auxiliary)
    assert not any(parametrize.is_parametrized(module) for module in target.modules())


def test_an_auxiliary_of_several_is_wrong_and_none_is_connected() -> None:
    target = Body()
    with refused("connect", "wide", kind=crosspath.PathwayError):
        crosspath.connect(target, {"good": Body(), "wide": Body(width=16)})
    assert not any(parametrize.is_parametrized(module) for module in target.modules())


def test_unselected_rows_of_a_fused_weight_stay_the_targets() -> None:
    target, plain = Body(), Body()
    plain.load_state_dict(target.state_dict())
    handle = crosspath.connect(target, randomise(Body()), roles={"query", "value"}, scale_init=0.5)
    effective = target.blocks[0].attn.qkv.weight
    assert torch.equal(effective[WIDTH : 2 * WIDTH], plain.blocks[0].attn.qkv.weight[WIDTH : 2 * WIDTH])
    assert not torch.equal(effective[:WIDTH], plain.blocks[0].attn.qkv.weight[:WIDTH])
    assert next(iter(handle.auxiliaries().values())).shape == (2 * WIDTH, WIDTH)


def test_fused_and_split_attention_pair() -> None:
    """A fused in_proj_weight takes q, k, v from an attention that keeps them apart."""
    torch.manual_seed(0)
    fused = SelfAttention(WIDTH, 2, batch_first=True)
    split = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
    split._qkv_same_embed_dim = False
    for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):
        setattr(split, name, nn.Parameter(torch.randn(WIDTH, WIDTH)))
    split.in_proj_weight = None
    before = fused.in_proj_weight.detach().clone()
    crosspath.connect(fused, split, scale_init=1.0, roles={"query", "key", "value"})
    expected = before + torch.cat([split.q_proj_weight, split.k_proj_weight, split.v_proj_weight])
    assert torch.equal(fused.in_proj_weight, expected)
    crosspath.connect(split, Body(depth=1), scale_init=1.0, roles="attention")
    assert len(crosspath.pathways(split).scales()) == 4


def test_torchvision_attention_reads_in_proj_weight_directly() -> None:
    torch.manual_seed(0)
    sizes = {"image_size": 16, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    target, auxiliary = VisionTransformer(**sizes, num_classes=3).eval(), VisionTransformer(**sizes).eval()
    nn.init.normal_(target.heads.head.weight)
    images = torch.randn(2, 3, 16, 16)
    handle = crosspath.connect(target, auxiliary)
    outputs = []
    with torch.no_grad():
        for value in (0.0, 0.3, 0.6):
            for (weight, _), scale in handle.scales().items():
                if weight.endswith("in_proj_weight"):
                    scale.fill_(value)
            outputs.append(target(images))
        assert not torch.allclose(outputs[0], outputs[1])
        assert not torch.allclose(outputs[1], outputs[2])
        crosspath.merge(target)
        assert torch.equal(target(images), outputs[2])


def test_torchvision_vit_base_pairs_whole() -> None:
    with torch.device("meta"):
        report = crosspath.match(vit_b_16(), vit_b_16())
    assert report.ok
    assert len(report.pairs) == 12 * 6


def test_disabled_is_always_restored() -> None:
    target, inputs = Body(), tokens()
    bare = target(inputs)
    handle = crosspath.connect(target, Body(), scale_init=0.5)
    output = target(inputs)
    with handle.disabled():
        assert torch.equal(target(inputs), bare)
        with handle.disabled():
            pass
        assert torch.equal(target(inputs), bare)
        assert not handle.status().enabled
        with refused("blocks.0.attn.qkv.weight", "disabled", kind=crosspath.PathwayError):
            crosspath.merge(target)
    with pytest.raises(ZeroDivisionError), handle.disabled():
        raise ZeroDivisionError
    assert torch.equal(target(inputs), output)


def test_connect_keeps_no_hold_on_the_auxiliary() -> None:
    auxiliary = Body()
    reference = weakref.ref(auxiliary)
    target = Body()
    crosspath.connect(target, auxiliary)
    del auxiliary
    assert reference() is None


def test_an_auxiliary_with_pathways_counts_as_what_it_computes() -> None:
    auxiliary = randomise(Body())
    crosspath.connect(auxiliary, randomise(Body()), scale_init=0.5)
    effective = auxiliary.blocks[0].mlp.fc1.weight.detach().clone()
    handle = crosspath.connect(Body(), auxiliary)
    assert torch.equal(handle.auxiliaries()["blocks.0.mlp.fc1.weight", "auxiliary"], effective)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale_per": "block"}, "scale_per: expected layer, role, head or channel"),
        ({"bias": True, "scale_per": "head"}, "bias: expected scale_per layer, role or channel"),
        ({"names": "qkv", "scale_per": "head"}, "needs roles"),
        ({"names": "nowhere"}, "no weight of the target fits"),
        ({"names": ["blocks.0.attn.qkv.weigth"]}, r"did you mean blocks\.0\.attn\.qkv\.weight"),
        ({"roles": {"querry"}}, "did you mean query"),
        ({"accept": {"head"}}, "did you mean heads"),
        ({"blocks": {0: 7}}, "auxiliary block 7"),
        ({"blocks": "backwards"}, "expected same, reversed"),
        ({"names": "(", "roles": "all"}, "regular expression"),
    ],
)
def test_wrong_choices_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(crosspath.PathwayError, match=message):
        crosspath.connect(Body(), Body(), **arguments)


@pytest.mark.parametrize("name", ["a.b", "a b", "", 7])
def test_names_of_auxiliaries_are_plain_words_used_once(name: object) -> None:
    target = Body()
    with refused("auxiliary", repr(name), kind=crosspath.PathwayError):
        crosspath.connect(target, {name: Body()})
    assert not any(parametrize.is_parametrized(module) for module in target.modules())
    crosspath.connect(target, {"audio": Body()}, roles="mlp")
    with refused("auxiliary", "'audio'", kind=crosspath.PathwayError):
        crosspath.connect(target, {"audio": Body()}, roles="attention")
    assert not parametrize.is_parametrized(target.blocks[0].attn.qkv)


def test_a_layout_of_an_unknown_auxiliary_is_refused_with_the_nearest_name() -> None:
    with refused("auxiliary_layout", "did you mean audio", kind=crosspath.PathwayError):
        crosspath.connect(Body(), {"audio": Body()}, auxiliary_layout={"audoi": "timm blocks"})


def test_reversed_blocks() -> None:
    auxiliary = Body()
    handle = crosspath.connect(Body(), auxiliary, blocks="reversed")
    values = handle.auxiliaries()["blocks.0.mlp.fc1.weight", "auxiliary"]
    assert torch.equal(values, auxiliary.blocks[1].mlp.fc1.weight)


def test_connecting_one_block_from_a_stage_by_name() -> None:
    target, auxiliary = Body(), Body()
    names = {"blocks.1.mlp.fc1.weight": "blocks.0.mlp.fc1.weight"}
    handle = crosspath.connect(target, auxiliary, names=names)
    assert list(handle.scales()) == [("blocks.1.mlp.fc1.weight", "auxiliary")]


def test_scales_of_roles_reach_the_rows_of_the_bias() -> None:
    torch.manual_seed(0)
    target = randomise(SelfAttention(WIDTH, 2, batch_first=True))
    auxiliary = randomise(Body(depth=1))
    source = {name.removeprefix("blocks.0."): value for name, value in auxiliary.state_dict().items()}
    handle = crosspath.connect(
        target,
        {f"blocks.0.{name}": value for name, value in source.items()},
        roles="attention",
        scale_per="role",
        bias=True,
    )
    scale = handle.scales()["in_proj_weight", "auxiliary"]
    own = target.in_proj_bias.detach().clone()
    with torch.no_grad():
        scale.copy_(torch.tensor([0.1, 0.2, 0.3]))
    term = scale.detach().repeat_interleave(WIDTH) * auxiliary.blocks[0].attn.qkv.bias
    torch.testing.assert_close(target.in_proj_bias, own + term)


def test_a_borrowed_scale_is_registered_once_and_stays_one() -> None:
    """A λ under two names would come apart when parameters are replaced."""
    target = Body()
    crosspath.connect(target, randomise(Body()), bias=True)
    names = [name for name, _ in target.named_parameters(remove_duplicate=False) if ".scales." in name]
    assert len(names) == 4 * len(target.blocks)
    target.load_state_dict({name: value.clone() for name, value in target.state_dict().items()}, assign=True)
    layer = target.blocks[0].attn.qkv
    before = layer.bias.detach().clone()
    with torch.no_grad():
        layer.parametrizations.weight[0].scale("auxiliary").fill_(1.0)
    assert not torch.equal(layer.bias, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blocks": {}}, "selection: no weight is chosen"),
        ({"names": ["blocks.0.mlp.fc1.weight"] * 2}, "listed twice"),
        (
            {"names": ["blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc1.bias"], "bias": True},
            "chosen by name and as the bias",
        ),
        ({"scale_init": float("nan")}, "scale_init: expected a finite number"),
    ],
)
def test_choices_that_would_connect_nothing_or_something_twice(arguments: dict[str, object], message: str) -> None:
    target = Body()
    with pytest.raises(crosspath.PathwayError, match=message):
        crosspath.connect(target, Body(), **arguments)
    assert not any(parametrize.is_parametrized(module) for module in target.modules())


def test_a_failure_while_building_leaves_the_target_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    target, builds = Body(), []
    real = assemble.overlay_of

    def overlay_of(tensor: TensorPlan, shape: Sequence[int], scale_per: ScalePer) -> tuple[Overlay, int]:
        builds.append(1)
        if len(builds) == 3:
            raise MemoryError
        return real(tensor, shape, scale_per)

    monkeypatch.setattr(assemble, "overlay_of", overlay_of)
    with pytest.raises(MemoryError):
        crosspath.connect(target, Body())
    assert not any(parametrize.is_parametrized(module) for module in target.modules())


def test_roles_from_a_generator_serve_every_auxiliary() -> None:
    handle = crosspath.connect(Body(), {"a": Body(), "b": Body()}, roles=(role for role in ("query", "value")))
    assert len(handle.scales()) == 4


def test_disabled_inside_the_cache_of_parametrize_is_refused_and_merging_there_is_exact() -> None:
    target, auxiliary, inputs = Body(), Body(), tokens()
    # Merged outside of the cache, with the λ that is set inside of it.
    twin = copy.deepcopy(target)
    crosspath.connect(twin, auxiliary, scale_init=0.9)
    crosspath.merge(twin)
    handle = crosspath.connect(target, auxiliary, scale_init=0.5)
    with torch.no_grad(), parametrize.cached():
        target(inputs)
        with refused("disabled()", "parametrize.cached", kind=crosspath.PathwayError), handle.disabled():
            pass
        for scale in handle.scales().values():
            scale.fill_(0.9)
        crosspath.merge(target)
    assert all(torch.equal(value, target.state_dict()[name]) for name, value in twin.state_dict().items())
    assert torch.equal(twin(inputs), target(inputs))
    receipt_like = target.blocks[0].mlp.fc1.weight
    assert not parametrize.is_parametrized(target.blocks[0].mlp.fc1)
    assert receipt_like.requires_grad
