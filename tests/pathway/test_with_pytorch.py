"""Pathways under PyTorch's own machinery: each trains three steps and gives the weights of the plain eager run."""

import copy
import pickle
import shutil
from collections.abc import Callable

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

import crosspath
from crosspath.pathway.engines.pathway_weight import PathwayWeight
from tests.errors import refused
from tests.pathway.small_models import randomise
from tests.tolerances import assert_close, assert_states_close

STEPS, BATCH, CLASSES = 3, 8, 5
LEARNING_RATE, MOMENTUM = 0.1, 0.9
# Plain gradient descent: Adam divides by the size of a gradient, so that the key bias, whose gradient is rounding
# noise around an exact zero, would move by the learning rate in a random direction.

Batches = list[tuple[Tensor, Tensor]]


def vit(seed: int, depth: int = 2) -> VisionTransformer:
    torch.manual_seed(seed)
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=depth, num_heads=4, num_classes=CLASSES)
    randomise(model)
    return model


def connect_vit(seed: int = 0, bias: bool = False, depth: int = 2) -> VisionTransformer:
    model = vit(seed, depth)
    crosspath.connect(model, {"audio": vit(seed + 100, depth)}, scale_init=0.1, bias=bias)
    return model


def some_batches(seed: int = 7) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(BATCH, 3, 32, 32, generator=generator), torch.randint(CLASSES, (BATCH,), generator=generator))
        for _ in range(STEPS)
    ]


def train(model: nn.Module, batches: Batches, call: Callable[[Tensor], Tensor] | None = None) -> dict[str, Tensor]:
    """Train in place, through `call` where one is given; a copy of the state afterwards."""
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    for images_BCHW, labels_B in batches:
        optimizer.zero_grad()
        cross_entropy((model if call is None else call)(images_BCHW), labels_B).backward()
        optimizer.step()
    return state_of(model)


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    assert [name for name, value in expected.items() if not torch.equal(found[name], value)] == []


@pytest.fixture(scope="module")
def eager() -> dict[str, Tensor]:
    """The state after the plain run that all others are compared with: weights, W' and λ have all moved."""
    model = connect_vit()
    before = state_of(model)
    after = train(model, some_batches())
    distances = {name: float((after[name] - value).abs().max()) for name, value in before.items()}
    assert len(crosspath.pathway.pathways(model).scales()) == 8
    # Far more than any tolerance, so that a part that did not train cannot pass.
    assert min(distances.values()) > 1e-3, distances
    return after


def test_eager_run_equals_the_sum_written_out(eager: dict[str, Tensor]) -> None:
    target, auxiliary = vit(0), vit(100).state_dict()
    weights = {name: value.detach().double().requires_grad_() for name, value in target.named_parameters()}
    names = [f"blocks.{i}.{layer}.weight" for i in (0, 1) for layer in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")]
    others = {name: auxiliary[name].double().requires_grad_() for name in names}
    scales = {name: torch.full((1,), 0.1).double().requires_grad_() for name in names}
    optimizer = torch.optim.SGD(
        [*weights.values(), *others.values(), *scales.values()], lr=LEARNING_RATE, momentum=MOMENTUM
    )
    for images_BCHW, labels_B in some_batches():
        optimizer.zero_grad()
        parameters = {
            name: value + scales[name] * others[name] if name in others else value for name, value in weights.items()
        }
        cross_entropy(functional_call(target.double(), parameters, (images_BCHW.double(),)), labels_B).backward()
        optimizer.step()

    assert len(eager) == len(weights) + 2 * len(names)
    for name, value in weights.items():
        module, _, attribute = name.rpartition(".")
        inside = f"{module}.parametrizations.{attribute}"
        assert_close(eager[f"{inside}.original" if name in others else name].double(), value.detach(), "float32")
        if name in others:
            assert_close(eager[f"{inside}.0.auxiliaries.audio"].double(), others[name].detach(), "float32")
            assert_close(eager[f"{inside}.0.scales.audio"].double(), scales[name].detach(), "float32")


@pytest.mark.parametrize("undo", [crosspath.merge, crosspath.disconnect])
@pytest.mark.parametrize("which", ["copy", "original"])
@pytest.mark.parametrize("bias", [False, True])
def test_deepcopy_then_undoing_one_leaves_the_other_working(
    undo: Callable[[nn.Module], object], which: str, bias: bool
) -> None:
    expected = train(connect_vit(bias=bias), some_batches())
    model = connect_vit(bias=bias)
    twin = copy.deepcopy(model)
    undone, intact = (twin, model) if which == "copy" else (model, twin)
    undo(undone)
    assert list(undone.state_dict()) == list(vit(0).state_dict())
    assert {type(module) for module in undone.modules()} == {type(module) for module in vit(0).modules()}
    assert_same(train(intact, some_batches()), expected)
    crosspath.merge(intact)
    assert list(intact.state_dict()) == list(vit(0).state_dict())


@pytest.mark.parametrize("which", ["copy", "original"])
def test_deepcopy_then_connecting_one_again_leaves_the_other_working(eager: dict[str, Tensor], which: str) -> None:
    model = connect_vit()
    twin = copy.deepcopy(model)
    larger, intact = (twin, model) if which == "copy" else (model, twin)
    crosspath.connect(larger, {"point": vit(200)}, scale_init=0.1, bias=True)
    assert intact.blocks[0].attn.qkv.bias is dict(intact.named_parameters())["blocks.0.attn.qkv.bias"]
    assert_same(train(intact, some_batches()), eager)
    with_two = train(larger, some_batches())
    assert not torch.equal(with_two["head.weight"], eager["head.weight"])
    crosspath.disconnect(larger)
    assert_same(state_of(intact), eager)
    images_BCHW = some_batches()[0][0]
    with torch.no_grad():
        expected = intact(images_BCHW)
        crosspath.merge(intact)
        assert torch.equal(intact(images_BCHW), expected)


def test_deepcopy_shares_no_memory() -> None:
    model = connect_vit(bias=True)
    twin = copy.deepcopy(model)
    pointers = {parameter.data_ptr() for parameter in model.parameters()}
    assert all(parameter.data_ptr() not in pointers for parameter in twin.parameters())
    # The λ that a weight shares with its bias stays shared inside the copy.
    assert len(list(twin.parameters())) == len(list(model.parameters()))


def test_exponential_moving_average(eager: dict[str, Tensor]) -> None:
    decay = 0.6
    model = connect_vit()
    average = ModelEmaV3(model, decay=decay)
    expected = {name: value.double() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    for images_BCHW, labels_B in some_batches():
        optimizer.zero_grad()
        cross_entropy(model(images_BCHW), labels_B).backward()
        optimizer.step()
        average.update(model)
        for name, value in model.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    assert_same(state_of(model), eager)
    for name, value in average.module.state_dict().items():
        assert_close(value.double(), expected[name], "float32")

    crosspath.merge(average.module)
    for name, value in average.module.state_dict().items():
        module, _, attribute = name.rpartition(".")
        inside = f"{module}.parametrizations.{attribute}"
        parts = [expected.get(f"{inside}.{part}") for part in ("original", "0.scales.audio", "0.auxiliaries.audio")]
        w, scale, w_prime = parts
        of_parts = expected[name] if w is None or scale is None or w_prime is None else w + scale * w_prime
        assert_close(value.double(), of_parts, "float32")
    # The model that was averaged is as it was, and works.
    assert_same(state_of(model), eager)
    train(model, some_batches())


@pytest.mark.parametrize("bias", [False, True])
def test_state_dict_round_trip_continues_the_run(bias: bool) -> None:
    whole, first = connect_vit(bias=bias), connect_vit(bias=bias)
    train(first, some_batches())
    second = connect_vit(seed=50, bias=bias)
    second.load_state_dict(first.state_dict())
    assert_same(state_of(second), state_of(first))
    train(whole, some_batches())
    assert_same(train(second, some_batches(8)), train(whole, some_batches(8)))


def test_connected_state_does_not_load_into_a_plain_model() -> None:
    model, plain = connect_vit(), vit(1)
    with pytest.raises(RuntimeError, match=r"(?s)Missing key.*attn\.qkv\.weight.*Unexpected key.*scales\.audio"):
        plain.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="Unexpected key"):
        model.load_state_dict(plain.state_dict())


@pytest.mark.parametrize("dump", [pickle.dumps, lambda model: torch.save(model, "/dev/null")])
def test_pickling_a_whole_connected_model_is_refused(dump: Callable[[nn.Module], object]) -> None:
    model = connect_vit()
    with refused("Linear", "save_pathway", kind=crosspath.PathwayError):
        dump(model)
    crosspath.merge(model)
    dump(model)


@pytest.mark.parametrize("bias", [False, True])
def test_compile_full_graph_traced(bias: bool) -> None:
    """Dynamo and the ahead-of-time backward, which need no C++ compiler: one graph, forward and backward."""
    torch.compiler.reset()
    model = connect_vit(bias=bias)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    expected = train(connect_vit(bias=bias), some_batches())
    assert_states_close(train(model, some_batches(), compiled), expected, "float32")


def test_compile_full_graph_to_machine_code() -> None:
    if shutil.which("c++") is None and shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    torch.compiler.reset()
    model = connect_vit(depth=1)
    expected = train(connect_vit(depth=1), some_batches())
    assert_states_close(train(model, some_batches(), torch.compile(model, fullgraph=True)), expected, "float32")


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("bias", [False, True])
def test_stacked_models_with_gradients(bias: bool) -> None:
    """Three models trained as one by `vmap` equal three runs one after the other."""
    seeds = (0, 1, 2)
    models = [connect_vit(seed, bias) for seed in seeds]
    batches = [some_batches(seed) for seed in seeds]
    expected = [train(copy.deepcopy(model), own) for model, own in zip(models, batches, strict=True)]

    parameters, buffers = stack_module_state(models)
    # On the meta device PyTorch makes a Parameter anew for every name, so a λ shared with a bias would not stay shared.
    bare = copy.deepcopy(models[0]) if bias else copy.deepcopy(models[0]).to("meta")

    def loss(of: dict[str, Tensor], intact: dict[str, Tensor], images_BCHW: Tensor, labels_B: Tensor) -> Tensor:
        return cross_entropy(functional_call(bare, (of, intact), (images_BCHW,)), labels_B)

    optimizer = torch.optim.SGD(parameters.values(), lr=LEARNING_RATE, momentum=MOMENTUM)
    for step in range(STEPS):
        images_MBCHW = torch.stack([own[step][0] for own in batches])
        labels_MB = torch.stack([own[step][1] for own in batches])
        values = {name: value.detach() for name, value in parameters.items()}
        gradients = vmap(grad(loss))(values, buffers, images_MBCHW, labels_MB)
        for name, value in parameters.items():
            value.grad = gradients[name]
        optimizer.step()
    for index, state in enumerate(expected):
        for name, value in parameters.items():
            assert_close(value[index].detach(), state[name], "float32")


def test_activation_checkpointing(eager: dict[str, Tensor]) -> None:
    model = connect_vit()
    sums = 0

    def count(*_: object) -> None:
        nonlocal sums
        sums += 1

    for module in model.modules():
        if isinstance(module, PathwayWeight):
            module.register_forward_hook(count)
    model.set_grad_checkpointing(True)
    assert_same(train(model, some_batches()), eager)
    # Every block's weights are summed once in the forward pass and once in its recomputation.
    assert sums == STEPS * 8 * 2


@pytest.mark.parametrize("where", ["forward", "forward and backward"])
def test_autocast_bfloat16(eager: dict[str, Tensor], where: str) -> None:
    model = connect_vit()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    for images_BCHW, labels_B in some_batches():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = cross_entropy(model(images_BCHW), labels_B)
            if where == "forward and backward":
                loss.backward()
        if where == "forward":
            loss.backward()
        optimizer.step()
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    assert_states_close(state_of(model), eager, "bfloat16 autocast")
    assert not torch.equal(model.state_dict()["head.weight"], eager["head.weight"])

    images_BCHW = some_batches(9)[0][0]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        connected_logits = model(images_BCHW)
    assert connected_logits.dtype == torch.bfloat16
    crosspath.merge(model)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(images_BCHW), connected_logits)


@pytest.mark.gpu
def test_on_cuda(eager: dict[str, Tensor]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = connect_vit().to("cuda")
    batches = [(images_BCHW.to("cuda"), labels_B.to("cuda")) for images_BCHW, labels_B in some_batches()]
    assert_states_close(train(model, batches), eager, "float32 on cuda")
    with torch.no_grad():
        expected = model(batches[0][0])
        crosspath.merge(model)
        assert torch.equal(model(batches[0][0]), expected)
