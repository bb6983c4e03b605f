"""One auxiliary of several: switched off, merged or dropped alone; and a merge taken back."""

import copy
import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import crosspath
from crosspath.evaluation.cost import count_parameters
from crosspath.files import sha256_of_tensors
from crosspath.pathway import PathwayError, Pathways
from crosspath.pathway.engines.engine import ENGINES, Engine
from tests.errors import refused
from tests.pathway.small_models import WIDTH, Body, randomise


def tokens() -> Tensor:
    return torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(0))


def connect_body(names: tuple[str, ...] = ("a", "b"), target: nn.Module | None = None) -> tuple[nn.Module, Pathways]:
    torch.manual_seed(0)
    target = randomise(Body()) if target is None else target
    sources = {name: randomise(Body()) for name in ("a", "b")}
    return target, crosspath.connect(target, {name: sources[name] for name in names}, scale_init=0.3, bias=True)


def outputs(model: nn.Module) -> Tensor:
    with torch.no_grad():
        result: Tensor = model(tokens())
    return result


def only(name: str) -> Tensor:
    return outputs(connect_body((name,))[0])


def test_one_is_switched_off_and_on_again() -> None:
    target, handle = connect_body()
    whole = outputs(target)
    with handle.disabled("a"):
        assert torch.equal(outputs(target), only("b"))
        assert "switched off: a" in str(handle.status())
        with handle.disabled("b"):
            bare = outputs(target)
            with pytest.raises(PathwayError, match="disabled"):
                crosspath.merge(target)
        assert torch.equal(outputs(target), only("b"))
        with handle.disabled():
            assert torch.equal(outputs(target), bare)
    with handle.disabled():
        assert torch.equal(outputs(target), bare)
    assert torch.equal(outputs(target), whole)


def test_gradients_pass_the_others_alone() -> None:
    target, handle = connect_body()
    with handle.disabled("a"):
        target(tokens()).square().sum().backward()
    for (_, name), values in handle.auxiliaries().items():
        assert (values.grad is None) == (name == "a")


@pytest.mark.parametrize("name", ["a", "b"])
def test_merging_one_leaves_the_other(name: str) -> None:
    target, handle = connect_body()
    whole, other = outputs(target), "b" if name == "a" else "a"
    receipt = crosspath.merge(target, name)
    assert (handle.names, set(handle.origins), set(receipt.auxiliaries)) == ((other,), {other}, {name})
    assert {one for own in receipt.scales.values() for one in own} == {name}
    if name == "a":
        assert torch.equal(outputs(target), whole)
    assert torch.allclose(outputs(target), whole, atol=1e-5)
    with handle.disabled():
        assert torch.equal(outputs(target), only(name))
    crosspath.merge(target, other)
    assert torch.allclose(outputs(target), whole, atol=1e-5)
    assert type(target.blocks[0].attn.qkv) is nn.Linear
    crosspath.connect(target, Body())


@pytest.mark.parametrize("name", ["a", "b"])
def test_dropping_one_leaves_the_other(name: str) -> None:
    target, handle = connect_body()
    crosspath.disconnect(target, name)
    other = "b" if name == "a" else "a"
    assert handle.names == (other,)
    assert torch.equal(outputs(target), only(other))


def test_a_weight_that_one_auxiliary_alone_reaches_is_plain_after_it() -> None:
    target = Body()
    handle = crosspath.connect(target, {"a": Body()}, roles="attention")
    crosspath.connect(target, {"b": Body()}, roles={"query", "mlp_in"})
    crosspath.merge(target, "b")
    assert type(target.blocks[0].mlp.fc1) is nn.Linear
    assert {weight for weight, _ in handle.scales()} >= {"blocks.0.attn.qkv.weight"}


def switch_off(target: nn.Module, name: str) -> None:
    with crosspath.pathways(target).disabled(name):
        pass


@pytest.mark.parametrize("call", [crosspath.merge, crosspath.disconnect, switch_off])
def test_unknown_names_are_refused(call: Callable[[nn.Module, str], object]) -> None:
    target, handle = connect_body()
    with refused("", "aa", "a, b"):
        call(target, "aa")
    with refused("merge", "Body"):
        crosspath.merge(target, Body())  # type: ignore[arg-type]
    assert handle.names == ("a", "b")


def test_a_merge_is_taken_back_to_the_bit() -> None:
    target, handle = connect_body()
    whole, state = outputs(target), copy.deepcopy(target.state_dict())
    parameters = {id(parameter) for parameter in target.parameters()}
    receipt = crosspath.merge(target, keep=True)
    json.dumps(receipt.to_json())
    assert "backup" not in receipt.to_json()
    plain = sha256_of_tensors(sorted(target.state_dict().items()))
    crosspath.unmerge(target, receipt)
    assert list(target.state_dict()) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in target.state_dict().items())
    assert {id(parameter) for parameter in target.parameters()} == parameters
    assert torch.equal(outputs(target), whole)
    assert (handle.names, set(handle.origins)) == (("a", "b"), {"a", "b"})
    target(tokens()).sum().backward()
    assert all(scale.grad is not None for scale in handle.scales().values())
    crosspath.merge(target)
    assert sha256_of_tensors(sorted(target.state_dict().items())) == plain


def test_a_merge_taken_back_gives_the_plain_target_too() -> None:
    target, _ = connect_body()
    crosspath.disconnect(target)
    before = copy.deepcopy(target.state_dict())
    receipt = crosspath.merge(connect_body(target=target)[0], keep=True)
    crosspath.unmerge(target, receipt)
    crosspath.disconnect(target)
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def test_what_cannot_be_taken_back_is_refused() -> None:
    target, _ = connect_body()
    with refused("receipt", "keep=True"):
        crosspath.unmerge(target, crosspath.merge(target))
    target, _ = connect_body()
    with refused("merge", "keep=True", "a"):
        crosspath.merge(target, "a", keep=True)
    receipt = crosspath.merge(target, keep=True)
    with torch.no_grad():
        target.blocks[0].attn.qkv.weight.add_(1.0)
    before = copy.deepcopy(target.state_dict())
    with refused("Body"):
        crosspath.unmerge(target, receipt)
    with refused("receipt", "dict"):
        crosspath.unmerge(target, receipt.to_json())  # type: ignore[arg-type]
    assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())


def test_the_optimizers_engine_switches_one_off_and_keeps_them_together() -> None:
    target = Body()
    sources = {name: randomise(Body()) for name in ("a", "b")}
    handle = crosspath.connect(target, sources, scale_init=0.3, bias=True, engine="optimizer")
    whole = outputs(target)
    with handle.disabled("a"):
        assert not torch.equal(outputs(target), whole)
        optimizer = torch.optim.SGD(target.parameters(), lr=0.1)
        handle.attach(optimizer)
        target(tokens()).sum().backward()
        with refused("step", "disabled"):
            optimizer.step()
        optimizer.zero_grad()
        with pytest.raises(PathwayError, match="disabled"):
            crosspath.merge(target)
    assert torch.equal(outputs(target), whole)
    for call in (crosspath.merge, crosspath.disconnect):
        with refused("", "optimizer"):
            call(target, "a")
    with refused("merge", "keep"):
        crosspath.merge(target, keep=True)
    crosspath.merge(target)
    assert torch.equal(outputs(target), whole)


def test_parameters_are_counted() -> None:
    target = Body()
    plain = sum(parameter.numel() for parameter in target.parameters())
    target.blocks[0].norm1.weight.requires_grad_(False)
    handle = crosspath.connect(target, Body(), train_auxiliary=False, scale_per="channel")
    values = sum(value.numel() for value in handle.auxiliaries().values())
    scales = sum(scale.numel() for scale in handle.scales().values())
    assert handle.parameter_counts() == {
        "target": {"all": plain, "trained": plain - WIDTH},
        "auxiliaries": {"all": values, "trained": 0},
        "scales": {"all": scales, "trained": scales},
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_a_frozen_body_counts_as_frozen_with_both_engines(engine: Engine) -> None:
    """The optimizer's engine keeps W + λ·W' as a parameter that has gradients as long as λ learns."""
    target = Body().requires_grad_(False)
    plain = sum(value.numel() for value in target.parameters())
    handle = crosspath.connect(target, Body(), train_auxiliary=False, engine=engine)
    counts = handle.parameter_counts()
    assert counts["target"] == {"all": plain, "trained": 0}
    assert counts["scales"] == {"all": 8, "trained": 8}
    assert count_parameters(target, trainable=True) == 8
    assert count_parameters(target) == plain + counts["auxiliaries"]["all"] + 8


def test_results_print_a_line() -> None:
    target, handle = connect_body()
    for value in (crosspath.match(Body(), Body()), handle.status(), crosspath.merge(target, keep=True)):
        assert len(repr(value)) < 200
        assert "\n" not in repr(value)
