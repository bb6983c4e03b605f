"""The engine that lets the optimizer hold W, W' and λ: the same numbers as the live sum, and every way to misuse it."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

import crosspath
from crosspath.pathway import PathwayError, Pathways
from crosspath.pathway.engines.engine import ENGINES
from tests.errors import refused
from tests.pathway.small_models import KINDS, randomise

QKV = "blocks.0.attn.qkv.weight"


def vit(seed: int) -> VisionTransformer:
    torch.manual_seed(seed)
    return VisionTransformer(img_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=5)


def batches(count: int = 6) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(4, 3, 16, 16, generator=generator), torch.randint(5, (4,), generator=generator))
        for _ in range(count)
    ]


def connect_vit(engine: str, **options: Any) -> tuple[VisionTransformer, Pathways]:
    model = vit(0)
    return model, crosspath.connect(model, {"audio": vit(1)}, **{"scale_init": 0.1, **options}, engine=engine)


def adamw(model: nn.Module, handle: Pathways | None = None) -> torch.optim.Optimizer:
    """AdamW over all parameters; of an optimizer engine's handle, attached."""
    optimizer = torch.optim.AdamW(crosspath.param_groups(model, lr=1e-2, weight_decay=0.1))
    if handle is not None:
        handle.attach(optimizer)
    return optimizer


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor]) -> None:
    optimizer.zero_grad()
    cross_entropy(model(batch[0]), batch[1]).backward()
    optimizer.step()


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(state: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert list(state) == list(other)
    assert [name for name, value in state.items() if not torch.equal(value, other[name])] == []


@pytest.fixture(scope="module")
def live() -> dict[str, Tensor]:
    """The state after six steps of the live sum."""
    model, _ = connect_vit("live")
    optimizer = adamw(model)
    for batch in batches():
        step(model, optimizer, batch)
    return state_of(model)


# Equality ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"train_auxiliary": False},
        {"train_scale": False},
        {"bias": True},
        {"scale_per": "head"},
        {"scale_per": "channel"},
        {"scale_per": "role", "bias": True, "roles": ("query", "value", "mlp_in")},
        {"roles": ("key",)},
    ],
    ids=str,
)
def test_both_engines_train_to_the_same_bits(options: dict[str, Any]) -> None:
    states, losses = [], []
    for engine in ENGINES:
        model, handle = connect_vit(engine, **options)
        optimizer = adamw(model, handle if engine == "optimizer" else None)
        for _ in range(17):
            for batch in batches():
                step(model, optimizer, batch)
        states.append(state_of(model))
        receipt = crosspath.merge(model)
        losses.append((float(cross_entropy(model(batches()[0][0]), batches()[0][1]).detach()), receipt))
    assert_equal(*states)
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "kind", ["torch encoder", "torch attention", "transposed", "head-major", "conv2d", "embedding"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_both_engines_train_every_kind_of_layer_to_the_same_bits(kind: str, dtype: torch.dtype) -> None:
    states = []
    for engine in ENGINES:
        torch.manual_seed(0)
        target, *sources = (randomise(KINDS[kind].build()).to(dtype) for _ in range(3))
        inputs = KINDS[kind].inputs()
        inputs = inputs.to(dtype) if inputs.is_floating_point() else inputs
        handle = crosspath.connect(
            target, {"a": sources[0], "b": sources[1]}, names=KINDS[kind].names, scale_init=0.1, engine=engine
        )
        optimizer = torch.optim.SGD(crosspath.param_groups(target, lr=1e-2), momentum=0.9)
        if engine == "optimizer":
            handle.attach(optimizer)
        for _ in range(20):
            optimizer.zero_grad()
            target(inputs).square().mean().backward()
            optimizer.step()
        states.append(state_of(target))
    assert_equal(*states)


def test_accumulated_and_clipped_gradients_agree_to_rounding() -> None:
    states = []
    for engine in ENGINES:
        model, handle = connect_vit(engine, bias=True)
        model.double()
        optimizer = adamw(model, handle if engine == "optimizer" else None)
        for _ in range(5):
            optimizer.zero_grad()
            for images, labels in batches(3):
                cross_entropy(model(images.double()), labels).backward()
            if engine == "optimizer":
                handle.fill_gradients()
            every = [*model.parameters(), *handle.auxiliaries().values(), *handle.scales().values()]
            norm = nn.utils.clip_grad_norm_(list({id(p): p for p in every}.values()), 0.1)
            assert norm > 0.1
            optimizer.step()
        states.append(state_of(model))
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-11, atol=1e-12)


def test_moments_and_names_fit_both_engines(live: dict[str, Tensor]) -> None:
    """A run of live sums goes on with the optimizer's engine: state dicts of model and optimizer are alike."""
    first, _ = connect_vit("live")
    before = adamw(first)
    for batch in batches()[:3]:
        step(first, before, batch)
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    model.load_state_dict(first.state_dict())
    optimizer.load_state_dict(before.state_dict())
    for batch in batches()[3:]:
        step(model, optimizer, batch)
    assert_equal(state_of(model), live)
    back, _ = connect_vit("live")
    back.load_state_dict(model.state_dict())
    assert_equal(state_of(back), live)


# What users' loops do ----------------------------------------------------------------------------------------------


def test_a_model_sees_one_plain_parameter_a_weight() -> None:
    model, handle = connect_vit("optimizer")
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in vit(0).named_parameters()]
    assert type(model.blocks[0].attn.qkv) is nn.Linear
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    handle.attach(optimizer, scale_lr=1e-3)
    weights, scales = optimizer.param_groups
    assert (scales["lr"], scales["weight_decay"]) == (1e-3, 0)
    assert {id(p) for p in scales["params"]} == {id(p) for p in handle.scales().values()}
    assert {id(p) for p in handle.auxiliaries().values()} < {id(p) for p in weights["params"]}
    handle.attach(optimizer)  # Once more adds nothing.
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters())) + 16


def test_a_rate_of_its_own_for_each_auxiliary() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    handle.attach(optimizer, auxiliary_lr=1e-4)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in handle.auxiliaries().values()} == {1e-4}
    assert {rates[id(p)] for p in (*handle.scales().values(), *model.parameters())} == {1e-2}


def test_evaluating_between_backward_and_step_changes_nothing(live: dict[str, Tensor]) -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    for images, labels in batches():
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        with torch.no_grad():
            model(images)
        copy.deepcopy(model)
        handle.status()
        optimizer.step()
    assert_equal(state_of(model), live)


def test_a_closure_computes_with_the_sum(live: dict[str, Tensor]) -> None:
    """As Lightning calls every optimizer."""
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    for images, labels in batches():

        def closure(images: Tensor = images, labels: Tensor = labels) -> Tensor:
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            return loss

        optimizer.step(closure)
    assert_equal(state_of(model), live)


def test_a_loss_scale_and_its_skipped_steps(live: dict[str, Tensor]) -> None:
    model, handle = connect_vit("optimizer")
    optimizer, scaler = adamw(model, handle), torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for number, (images, labels) in enumerate(batches()):
        if number == 3:  # An overflow: nothing may change.
            before = state_of(model)
            optimizer.zero_grad()
            scaler.scale(model(images).sum() * float("inf")).backward()
            scaler.step(optimizer)
            scaler.update(2.0**10)
            assert_equal(state_of(model), before)
        optimizer.zero_grad()
        scaler.scale(cross_entropy(model(images), labels)).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    assert_equal(state_of(model), live)


def test_activation_checkpointing(live: dict[str, Tensor]) -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    for block in model.blocks:
        block.forward = lambda x, plain=block.forward: checkpoint(plain, x, use_reentrant=False)
    for batch in batches():
        step(model, optimizer, batch)
    assert_equal(state_of(model), live)


def test_a_compiled_model_and_a_compiled_step() -> None:
    """Against eager live sums. Plain descent: Adam would enlarge the rounding of a bias that has no effect."""
    states = []
    for engine in ENGINES:
        model, handle = connect_vit(engine)
        optimizer = torch.optim.SGD(crosspath.param_groups(model, lr=0.1), momentum=0.9)
        if engine == "optimizer":
            handle.attach(optimizer)
        compiled = torch.compile(model, backend="eager", fullgraph=True) if engine == "optimizer" else model
        for batch in batches()[:3]:
            step(compiled, optimizer, batch)
        whole_step = torch.compile(step, backend="eager") if engine == "optimizer" else step
        for batch in batches()[3:]:
            whole_step(model, optimizer, batch)
        states.append(state_of(model))
        crosspath.merge(model)
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-5, atol=1e-6)


class Around(nn.Module):
    """A model with another one inside."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        """Its output."""
        output: Tensor = self.inner(images)
        return output


@pytest.mark.parametrize("way", ["after", "before", "around"])
def test_a_compiled_model_sees_writes(way: str) -> None:
    model = vit(0)
    compiled = torch.compile(model, backend="eager", fullgraph=True) if way == "before" else None
    handle = crosspath.connect(model, {"audio": vit(1)}, scale_init=0.1, engine="optimizer")
    if compiled is None:
        compiled = torch.compile(Around(model) if way == "around" else model, backend="eager", fullgraph=True)
    images = batches()[0][0]
    for value in (0.5, -0.5):  # Before its first call, and after it.
        with torch.no_grad():
            handle.scales()[QKV, "audio"].fill_(value)
        torch.testing.assert_close(compiled(images), copy.deepcopy(model)(images))


@pytest.mark.parametrize("way", ["compile", "export"])
def test_what_does_not_look_for_writes_has_those_before_a_state_was_taken(way: str) -> None:
    model, handle = connect_vit("optimizer")
    images = batches()[0][0]
    twin = copy.deepcopy(model)
    if way == "compile":
        model.compile(backend="eager")
        model(images)
    for each in (handle, crosspath.pathways(twin)):
        with torch.no_grad():
            each.scales()[QKV, "audio"].fill_(5.0)
    model.state_dict()
    module = model if way == "compile" else torch.export.export(model, (images,)).module()
    torch.testing.assert_close(module(images), twin(images))


def test_a_scheduler_made_afterwards(live: dict[str, Tensor]) -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    for batch in batches():
        step(model, optimizer, batch)
        scheduler.step()
    assert_equal(state_of(model), live)


def test_conversions_sum_anew(live: dict[str, Tensor]) -> None:
    for kind in (torch.float64, torch.bfloat16):
        model, handle = connect_vit("optimizer")
        model.to(kind)
        weight, scale = handle.weights()[QKV], handle.scales()[QKV, "audio"]
        assert weight.dtype == scale.dtype == model.blocks[0].attn.qkv.weight.dtype == kind
        expected = torch.addcmul(weight, scale, handle.auxiliaries()[QKV, "audio"])
        assert torch.equal(model.blocks[0].attn.qkv.weight, expected)
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    scales = {key: id(scale) for key, scale in handle.scales().items()}
    model.double().float()
    assert scales == {key: id(scale) for key, scale in handle.scales().items()}
    for batch in batches():
        step(model, optimizer, batch)
    assert_equal(state_of(model), live)


def test_writes_are_seen_where_conversions_replace_parameters() -> None:
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        model, handle = connect_vit("optimizer")
        model.double()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
    images = batches()[0][0].double()
    model(images)
    with torch.no_grad():
        for scale in handle.scales().values():
            scale.zero_()
    torch.testing.assert_close(model(images), vit(0).double()(images))


@pytest.mark.parametrize("start", ["meta", "another type"])
def test_a_state_that_is_assigned_brings_its_device_and_type(start: str) -> None:
    source, _ = connect_vit("optimizer", bias=True)
    state = {name: value.double() for name, value in source.state_dict().items()}
    model = vit(0).to("meta" if start == "meta" else "cpu")
    other = vit(1).to("meta" if start == "meta" else "cpu")
    handle = crosspath.connect(model, {"audio": other}, engine="optimizer", bias=True)
    model.load_state_dict(state, assign=True)
    images, labels = batches()[0]
    expected = source.double()(images.double())
    assert torch.equal(model(images.double()), expected)
    optimizer = adamw(model, handle)
    cross_entropy(model(images.double()), labels).backward()
    optimizer.step()
    output = model(images.double())
    assert not torch.equal(output, expected)
    crosspath.merge(model)
    assert torch.equal(model(images.double()), output)


def test_an_assigned_state_of_some_of_the_tensors_is_refused() -> None:
    model, _ = connect_vit("optimizer")
    state = {name: value.double() for name, value in model.state_dict().items() if "auxiliaries" not in name}
    with pytest.raises(RuntimeError, match=r"blocks\.0\.attn\.qkv\.weight: expected W, W' and λ of one type"):
        model.load_state_dict(state, assign=True, strict=False)


def saved_and_loaded(model: nn.Module) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES: dict[str, Callable[[nn.Module], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "torch.save": saved_and_loaded,
}


@pytest.mark.parametrize("way", [*COPIES, "average"])
def test_a_copy_made_right_after_a_write_computes_with_it(way: str) -> None:
    model, handle = connect_vit("optimizer")
    model(batches()[0][0])
    with torch.no_grad():
        handle.scales()[QKV, "audio"].fill_(5.0)
    twin = AveragedModel(model) if way == "average" else COPIES[way](model)
    inner = twin.module if way == "average" else twin
    assert torch.equal(twin(batches()[0][0]), model(batches()[0][0]))
    assert_equal(state_of(inner), state_of(model))
    with torch.no_grad():
        inner.blocks[0].attn.qkv.weight.zero_()
    with pytest.raises(PathwayError, match="one written by other code"):
        twin(batches()[0][0])


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch is built without processes")
def test_a_model_is_distributed_right_after_a_write() -> None:
    model, handle = connect_vit("optimizer")
    with torch.no_grad():
        handle.scales()[QKV, "audio"].fill_(5.0)
    twin = copy.deepcopy(model)
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        distributed = nn.parallel.DistributedDataParallel(model)
        assert torch.equal(distributed(batches()[0][0]), twin(batches()[0][0]))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("way", COPIES)
def test_a_write_to_the_sum_of_a_new_copy_is_noticed(way: str) -> None:
    model, handle = connect_vit("optimizer")
    with torch.no_grad():
        handle.scales()[QKV, "audio"].fill_(5.0)
    twin = COPIES[way](model)
    with torch.no_grad():
        twin.blocks[0].attn.qkv.weight.zero_()
    with pytest.raises(PathwayError, match="one written by other code"):
        twin(batches()[0][0])


@pytest.mark.parametrize("way", COPIES)
def test_copies_train_on_their_own(way: str, live: dict[str, Tensor]) -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    for batch in batches()[:2]:
        step(model, optimizer, batch)
    before = state_of(model)
    twin = COPIES[way](model)
    with refused("AdamW", kind=PathwayError):
        step(twin, adamw(twin), batches()[2])
    again = adamw(twin, crosspath.pathways(twin))
    again.load_state_dict(optimizer.state_dict())
    for batch in batches()[2:]:
        step(twin, again, batch)
    assert_equal(state_of(twin), live)
    assert_equal(state_of(model), before)
    crosspath.merge(twin)
    assert_equal(state_of(model), before)


def test_averages() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    ours, sums = ModelEmaV3(model, decay=0.5), AveragedModel(model)
    values = []
    for batch in batches():
        step(model, optimizer, batch)
        ours.update(model)
        sums.update_parameters(model)
        values.append(model.blocks[0].attn.qkv.weight.detach().clone())
    # An average of states is one of W, λ and W', and its sum follows them at the next forward.
    average = ours.module
    images = batches()[0][0]
    output = average(images)
    crosspath.merge(average)
    assert torch.equal(average(images), output)
    # An average of parameters is one of sums: a plain model, which has no pathways to merge.
    weight = sums.module.blocks[0].attn.qkv.weight
    torch.testing.assert_close(weight, torch.stack(values).mean(0))
    with refused(QKV, kind=PathwayError):
        crosspath.merge(sums.module)


@pytest.mark.parametrize("where", ["before", "after"])
def test_frozen_weights_keep_their_values_while_scales_train(where: str) -> None:
    model = vit(0)
    if where == "before":
        model.requires_grad_(False)
    handle = crosspath.connect(model, vit(1), scale_init=0.1, train_auxiliary=False, engine="optimizer")
    if where == "after":
        for weight in handle.weights().values():
            weight.requires_grad_(False)
    optimizer = adamw(model, handle)
    before, scale = vit(0).state_dict(), handle.scales()[QKV, "auxiliary"]
    for batch in batches():
        step(model, optimizer, batch)
    assert torch.equal(handle.weights()[QKV], before[QKV])
    assert float(scale.detach()) != pytest.approx(0.1)
    crosspath.disconnect(model)
    assert torch.equal(model.blocks[0].attn.qkv.weight, before[QKV])
    assert not model.blocks[0].attn.qkv.weight.requires_grad


def test_weights_without_a_gradient_stay() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    before = state_of(model)
    cross_entropy(model(batches()[0][0]), batches()[0][1]).backward()
    model.blocks[0].attn.qkv.weight.grad = None
    optimizer.step()
    after = state_of(model)
    changes = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("blocks.0.attn.qkv.parametrizations" in name for name in changes)
    assert any("blocks.1.attn.qkv.parametrizations" in name for name in changes)
    assert handle.scales()[QKV, "audio"].grad is None


def test_merging_keeps_the_parameters_that_an_optimizer_holds() -> None:
    model, handle = connect_vit("optimizer")
    parameter, optimizer = model.blocks[0].attn.qkv.weight, adamw(model, handle)
    step(model, optimizer, batches()[0])
    crosspath.merge(model)
    assert model.blocks[0].attn.qkv.weight is parameter
    before = state_of(model)
    step(model, optimizer, batches()[1])
    assert not torch.equal(before[QKV], state_of(model)[QKV])


def test_saved_folders_fit_both_engines(tmp_path: Any, live: dict[str, Tensor]) -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    for batch in batches():
        step(model, optimizer, batch)
    crosspath.save_pathway(model, tmp_path)
    for engine in ENGINES:
        fresh = vit(7)
        crosspath.load_pathway(fresh, tmp_path, engine=engine)
        assert_equal(state_of(fresh), live)
        assert torch.equal(fresh(batches()[0][0]), model(batches()[0][0]))


# Misuse ------------------------------------------------------------------------------------------------------------


def test_a_step_of_an_optimizer_that_was_not_attached_is_refused() -> None:
    model, _ = connect_vit("optimizer")
    before = state_of(model)
    with refused("AdamW", kind=PathwayError):
        step(model, adamw(model), batches()[0])
    assert_equal(state_of(model), before)
    head = torch.optim.SGD(model.head.parameters(), lr=0.1)
    step(model, head, batches()[0])  # One of other weights is no concern.
    head.add_param_group({"params": [model.blocks[0].attn.qkv.weight]})
    with refused("SGD", kind=PathwayError):
        head.step()


def test_pathways_connected_after_attaching_are_not_left_behind() -> None:
    model, handle = connect_vit("optimizer", roles=("query", "key", "value"))
    optimizer = adamw(model, handle)
    step(model, optimizer, batches()[0])
    crosspath.connect(model, {"video": vit(2)}, scale_init=0.1, engine="optimizer")
    with refused("AdamW", kind=PathwayError):
        step(model, optimizer, batches()[1])
    handle.attach(optimizer)
    before = handle.scales()[QKV, "video"].detach().clone()
    step(model, optimizer, batches()[1])
    assert not torch.equal(handle.scales()[QKV, "video"], before)


@pytest.mark.parametrize("part", ["all", "one block"])
def test_a_later_optimizer_takes_over(part: str) -> None:
    """As after unfreezing, or at a trainer's second fit. What the one before it does is that of live sums."""
    states = []
    for engine in ENGINES:
        model, handle = connect_vit(engine)
        first = adamw(model, handle if engine == "optimizer" else None)
        step(model, first, batches()[0])
        parameters = crosspath.param_groups(model if part == "all" else model.blocks[1], lr=0.1)
        second = torch.optim.SGD(parameters, lr=0.1)
        if engine == "optimizer":
            handle.attach(second)
        step(model, second, batches()[1])
        states.append(state_of(model))
    assert_equal(*states)
    with refused("AdamW", kind=PathwayError):
        step(model, first, batches()[2])
    assert_equal(state_of(model), states[1])


def test_two_optimizers_take_turns() -> None:
    states = []
    for engine in ENGINES:
        model, handle = connect_vit(engine)
        optimizers = [torch.optim.SGD(crosspath.param_groups(model, lr=rate), lr=0.1) for rate in (0.1, 0.01)]
        for optimizer, batch in zip([*optimizers, *optimizers], batches(), strict=False):
            if engine == "optimizer":
                for other in (*optimizers, optimizer):
                    handle.attach(other)
            step(model, optimizer, batch)
        states.append(state_of(model))
    assert_equal(*states)


def test_attaching_comes_before_moments_and_schedulers() -> None:
    model, handle = connect_vit("optimizer")
    late = adamw(model)
    late.load_state_dict({**late.state_dict(), "state": {0: {"step": torch.tensor(1.0)}}})
    with refused("AdamW", kind=PathwayError):
        handle.attach(late)
    other = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    torch.optim.lr_scheduler.LambdaLR(other, lambda _: 1.0)
    with refused("attach", kind=PathwayError):
        handle.attach(other)


def test_moments_of_pathways_that_were_merged_are_not_taken_over() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    step(model, optimizer, batches()[0])
    other = adamw(model, handle)
    with refused("AdamW", kind=PathwayError):
        step(model, optimizer, batches()[1])
    handle.attach(optimizer)  # the same pathways: it goes on, also after a step that was refused
    step(model, optimizer, batches()[1])
    crosspath.merge(model)
    again = crosspath.connect(model, {"audio": vit(1)}, scale_init=0.1, engine="optimizer")
    for late in (optimizer, other):
        late.state[next(iter(late.param_groups[0]["params"]))]["step"] = torch.tensor(1.0)
        with refused("AdamW", "moments", kind=PathwayError):
            again.attach(late)


class Lookahead(torch.optim.SGD):
    """A name alone."""


class ScheduleFree(torch.optim.SGD):
    """An optimizer with two modes."""

    def train(self) -> None:
        """Weights to train with."""

    def eval(self) -> None:
        """Weights to evaluate with."""


class SharpnessAware(torch.optim.SGD):
    """An optimizer around another one."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr)
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr)


@pytest.mark.parametrize("kind", [torch.optim.LBFGS, Lookahead, ScheduleFree, SharpnessAware])
def test_optimizers_that_do_more_than_one_plain_step_are_refused(kind: Any) -> None:
    model, handle = connect_vit("optimizer")
    with refused(kind.__name__, kind=PathwayError):
        handle.attach(kind(model.parameters(), lr=0.1))


def test_other_misuses_of_attach() -> None:
    _, handle = connect_vit("optimizer")
    with refused("SGD", kind=PathwayError):
        handle.attach(torch.optim.SGD(vit(3).parameters(), lr=0.1))
    plain, live = connect_vit("live")
    with refused("attach", kind=PathwayError):
        live.attach(adamw(plain))
    with refused("engine", "'live'", "'optimizer'", kind=PathwayError):
        crosspath.connect(plain, {"video": vit(2)}, engine="optimizer")
    with refused("engine", "'fast'", kind=PathwayError):
        crosspath.connect(vit(0), vit(1), engine="fast")  # type: ignore[arg-type]
    with refused("fill_gradients", kind=PathwayError):
        connect_vit("optimizer")[1].fill_gradients()


def test_a_step_inside_backward_is_refused() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    model.blocks[0].attn.qkv.weight.register_post_accumulate_grad_hook(lambda _: optimizer.step())
    with refused("AdamW", kind=PathwayError):
        cross_entropy(model(batches()[0][0]), batches()[0][1]).backward()


def test_a_step_that_raises_leaves_the_sum_in_place() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    images, labels = batches()[0]
    expected = model(images)
    cross_entropy(model(images), labels).backward()
    gradient = model.head.weight.grad
    assert gradient is not None
    optimizer.param_groups[0]["lr"] = "fast"
    with pytest.raises(TypeError):
        optimizer.step()
    assert torch.equal(model(images), expected)
    optimizer.param_groups[0]["lr"] = 1e-2
    optimizer.step()
    assert not torch.equal(model(images), expected)


def test_sparse_gradients_are_refused() -> None:
    target, auxiliary = (nn.Sequential(nn.Embedding(7, 5)) for _ in range(2))
    handle = crosspath.connect(target, auxiliary, names="weight", scale_init=0.1, engine="optimizer")
    target[0].sparse = True
    optimizer = torch.optim.SGD(target.parameters(), lr=0.1)
    handle.attach(optimizer)
    target(torch.arange(3)).sum().backward()
    with refused("weight", "sparse", kind=PathwayError):
        optimizer.step()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
def test_layers_of_sparse_gradients_connect_once_they_are_dense(engine: str, kind: type[nn.Module]) -> None:
    target, auxiliary = (nn.Sequential(kind(7, 5, sparse=True)) for _ in range(2))
    with refused("connect", "0.weight", "sparse=False", kind=PathwayError):
        crosspath.connect(target, auxiliary, names="weight", engine=engine)
    target[0].sparse = False
    crosspath.connect(target, auxiliary, names="weight", engine=engine)
    target(torch.arange(6).reshape(2, 3)).sum().backward()


@pytest.mark.parametrize("late", ["step", "merge", "state_dict", "save_pathway", "disabled"])
def test_writes_to_the_sum_are_noticed(late: str, tmp_path: Any) -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    cross_entropy(model(batches()[0][0]), batches()[0][1]).backward()
    with torch.no_grad():
        model.blocks[0].attn.qkv.weight.clamp_(-0.01, 0.01)
    actions: dict[str, Callable[[], Any]] = {
        "step": optimizer.step,
        "merge": lambda: crosspath.merge(model),
        "state_dict": model.state_dict,
        "save_pathway": lambda: crosspath.save_pathway(model, tmp_path),
        "disabled": lambda: handle.disabled().__enter__(),
    }
    with pytest.raises(PathwayError, match="one written by other code"):
        actions[late]()
    with pytest.raises(PathwayError, match="one written by other code"):
        model(batches()[0][0])


def test_a_plain_state_is_not_taken_for_the_sum() -> None:
    model, _ = connect_vit("optimizer")
    expected = model(batches()[0][0])
    with (
        pytest.warns(UserWarning, match="its W is not loaded"),
        pytest.raises(RuntimeError, match=r"blocks\.0\.attn\.qkv\.parametrizations\.weight\.original"),
    ):
        model.load_state_dict(vit(5).state_dict())
    model, _ = connect_vit("optimizer")
    state = {name: value for name, value in vit(5).state_dict().items() if name == QKV}
    with pytest.warns(UserWarning, match="its W is not loaded"):
        model.load_state_dict(state, strict=False)
    assert torch.equal(model(batches()[0][0]), expected)


def test_writes_to_weights_and_scales_are_taken_up() -> None:
    model, handle = connect_vit("optimizer")
    adamw(model, handle)
    with torch.no_grad():
        handle.scales()[QKV, "audio"].fill_(0.7)
        handle.weights()[QKV].mul_(0.5)
    plain = vit(0)
    plain.load_state_dict(vit(0).state_dict())
    model(batches()[0][0])
    expected = torch.addcmul(
        0.5 * plain.blocks[0].attn.qkv.weight, torch.tensor([0.7]), vit(1).blocks[0].attn.qkv.weight
    )
    assert torch.equal(model.blocks[0].attn.qkv.weight, expected)


def test_disabled_is_the_bare_target_and_takes_writes_to_it() -> None:
    model, handle = connect_vit("optimizer")
    optimizer = adamw(model, handle)
    images, labels = batches()[0]
    expected = model(images)
    with handle.disabled(), handle.disabled():
        assert torch.equal(model(images), vit(0)(images))
        with refused("step", kind=PathwayError):
            optimizer.step()
    assert torch.equal(model(images), expected)
    loss = cross_entropy(model(images), labels)
    with handle.disabled():
        model(images)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    with handle.disabled(), torch.no_grad():
        model.blocks[0].attn.qkv.weight.zero_()
    assert not handle.weights()[QKV].any()
    assert torch.equal(
        model.blocks[0].attn.qkv.weight, handle.scales()[QKV, "audio"] * handle.auxiliaries()[QKV, "audio"]
    )


def test_disabled_takes_writes_that_torch_does_not_count() -> None:
    model, handle = connect_vit("optimizer")
    layer = model.blocks[0].attn.qkv
    with handle.disabled():
        layer.weight.data += 1.0
    torch.testing.assert_close(handle.weights()[QKV], vit(0).blocks[0].attn.qkv.weight + 1.0)
    with handle.disabled(), torch.no_grad():
        handle.weights()[QKV].zero_()
    assert not handle.weights()[QKV].any()


@pytest.mark.parametrize("end", [crosspath.disconnect, crosspath.merge])
def test_a_target_is_connected_again_beside_the_optimizer_that_held_it(end: Callable[[nn.Module], object]) -> None:
    model, handle = connect_vit("optimizer")
    first = adamw(model, handle)
    step(model, first, batches()[0])
    end(model)
    handle = crosspath.connect(model, {"audio": vit(1)}, scale_init=0.1, engine="optimizer")
    second = adamw(model, handle)
    before = state_of(model)
    step(model, second, batches()[1])
    assert any(not torch.equal(value, before[name]) for name, value in state_of(model).items())
    del first
