"""The contract of a pathway on every kind of layer: identity, closed-form gradients, bitwise merge, exact way back."""

import copy
from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import crosspath
from tests.pathway.small_models import BY_ROLE, HEADS, KINDS, randomised

ROLES = ("query", "key", "value", "attention_output", "mlp_in", "mlp_out")


@dataclass(frozen=True)
class Case:
    """One combination of everything that `connect` lets one choose."""

    kind: str
    dtype: torch.dtype
    auxiliaries: int
    scale_per: str
    train_auxiliary: bool
    bias: bool
    roles: tuple[str, ...] | None
    seed: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(sorted(KINDS)))
    by_role = kind in BY_ROLE
    scale_per = draw(st.sampled_from(["layer", "role", "head", "channel"] if by_role else ["layer", "channel"]))
    roles = None
    if by_role and draw(st.booleans()):
        present = ROLES[:4] if kind in ("torch attention", "functional qkv") else ROLES
        roles = tuple(sorted(draw(st.sets(st.sampled_from(present), min_size=1))))
    return Case(
        kind=kind,
        dtype=draw(st.sampled_from([torch.float64, torch.float64, torch.float32, torch.bfloat16])),
        auxiliaries=draw(st.sampled_from([1, 1, 3])),
        scale_per=scale_per,
        train_auxiliary=draw(st.booleans()),
        bias=scale_per in ("layer", "role") and draw(st.booleans()),
        roles=roles,
        seed=draw(st.integers(0, 2**16)),
    )


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_contract(case: Case) -> None:
    check(case)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_contract_at_length(case: Case) -> None:
    check(case)


def check(case: Case) -> None:
    """Every promise of the contract for one case."""
    torch.manual_seed(case.seed)
    kind = KINDS[case.kind]
    plain = randomised(kind.build()).to(case.dtype).eval()
    inputs = kind.inputs()
    inputs = inputs.to(case.dtype) if inputs.is_floating_point() else inputs
    sources = {f"aux{i}": randomised(kind.build()).to(case.dtype) for i in range(case.auxiliaries)}
    before = {name: copy.deepcopy(source.state_dict()) for name, source in sources.items()}
    target = copy.deepcopy(plain)
    handle = crosspath.connect(
        target,
        sources,
        roles=case.roles or "all",
        names=kind.names,
        scale_per=case.scale_per,
        train_auxiliary=case.train_auxiliary,
        bias=case.bias,
    )

    # λ = 0 is the target, to the bit.
    assert torch.equal(target(inputs), plain(inputs))

    with torch.no_grad():
        for scale in handle.scales().values():
            assert scale.dim() == 1
            scale.copy_(torch.randn_like(scale))
    expected = explicit_sum(plain, sources, handle, case)
    reference = copy.deepcopy(plain)
    reference.load_state_dict(expected)
    if case.dtype == torch.float64:
        torch.testing.assert_close(target(inputs), reference(inputs), rtol=1e-10, atol=1e-11)
        check_gradients(target, reference, handle, inputs, case)

    # Merged equals connected, to the bit, in a model that nothing tells from a plain one.
    with torch.no_grad():
        connected_output = target(inputs)
        merged = copy.deepcopy(target)
        receipt = crosspath.merge(merged)
        assert torch.equal(merged(inputs), connected_output)
        assert torch.equal(target(inputs), connected_output)
    rounding = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 2e-2}[case.dtype]
    for name, value in merged.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=10 * rounding, atol=rounding)
    assert receipt.largest_drift < rounding * 10
    assert_same_shape(merged, plain)

    # The other way out gives back the exact target; auxiliaries were only read.
    crosspath.disconnect(target)
    assert_same_shape(target, plain)
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in target.state_dict().items())
    for name, source in sources.items():
        assert all(torch.equal(value, before[name][key]) for key, value in source.state_dict().items())


def assert_same_shape(model: nn.Module, plain: nn.Module) -> None:
    """Same keys in the same order, same shapes, types, classes and parameter order."""
    assert list(model.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
    for ours, theirs in zip(model.state_dict().values(), plain.state_dict().values(), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert [type(m) for m in model.modules()] == [type(m) for m in plain.modules()]


def role_rows(weight: str, rows: int) -> list[tuple[str, int, int]]:
    """(role, start, stop) of a weight, from its name alone: independent of the layouts under test."""
    if "qkv" in weight or "in_proj" in weight:
        third = rows // 3
        return [(role, index * third, (index + 1) * third) for index, role in enumerate(("query", "key", "value"))]
    for role, parts in {
        "attention_output": (".proj.", "out_proj."),
        "mlp_in": ("fc1.", "linear1.", "mlp.0."),
        "mlp_out": ("fc2.", "linear2.", "mlp.3."),
    }.items():
        if any(part in f".{weight}" for part in parts):
            return [(role, 0, rows)]
    return [("by name", 0, rows)]


def factors(weight: str, shape: torch.Size, scale: Tensor, case: Case) -> Tensor:
    """λ of every entry of a weight (0 where no pathway is), entry by entry."""
    full = torch.zeros(shape, dtype=scale.dtype)
    chosen = case.roles or (*ROLES, "by name")
    row = 0
    found = [part for part in role_rows(weight, shape[0]) if part[0] in chosen]
    for index, (role, start, stop) in enumerate(found):
        for position in range(start, stop):
            if case.scale_per == "layer" or (case.scale_per == "head" and role.startswith("mlp")):
                full[position] = scale[0]
            elif case.scale_per == "role":
                full[position] = scale[index]
            elif case.scale_per == "channel":
                full[position] = scale[row]
            elif role == "attention_output":
                for column in range(shape[1]):
                    full[position, column] = scale[column * HEADS // shape[1]]
            else:
                full[position] = scale[(position - start) * HEADS // (stop - start)]
            row += 1
    return full


def explicit_sum(
    plain: nn.Module, sources: dict[str, nn.Module], handle: crosspath.Pathways, case: Case
) -> dict[str, Tensor]:
    """The state dict of W + Σ λ·W', summed in float64 outside of the library."""
    state = {name: value.double().clone() for name, value in plain.state_dict().items()}
    for (weight, name), scale in handle.scales().items():
        source = sources[name].state_dict()
        state[weight] += factors(weight, state[weight].shape, scale.detach().double(), case) * source[weight].double()
        bias = weight.removesuffix("weight") + "bias"
        if case.bias and bias in state and bias in source:
            lam = factors(weight, state[weight].shape, scale.detach().double(), case).reshape(len(state[bias]), -1)[
                :, 0
            ]
            state[bias] += lam * source[bias].double()
    return {name: value.to(plain.state_dict()[name].dtype) for name, value in state.items()}


def check_gradients(
    target: nn.Module, reference: nn.Module, handle: crosspath.Pathways, inputs: Tensor, case: Case
) -> None:
    """dL/dW = G, dL/dW' = λ·G, dL/dλ = ⟨G, W'⟩, with G taken from a plain model that holds the sum."""
    probe = torch.randn_like(reference(inputs))
    (target(inputs) * probe).sum().backward()
    (reference(inputs) * probe).sum().backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    by_weight = {name: p.grad for name, p in target.named_parameters() if name.endswith("original")}
    for name, gradient in by_weight.items():
        plain_name = name.replace("parametrizations.", "").removesuffix(".original")
        torch.testing.assert_close(gradient, gradients[plain_name], rtol=1e-9, atol=1e-10)
    for (weight, name), values in handle.auxiliaries().items():
        if not weight.endswith("weight"):
            continue
        scale = handle.scales()[weight, name]
        gradient = gradients[weight]
        lam = factors(weight, gradient.shape, scale.detach(), case)
        rows = torch.cat(
            [
                torch.arange(start, stop)
                for role, start, stop in role_rows(weight, gradient.shape[0])
                if role in (case.roles or (*ROLES, "by name"))
            ]
        )
        if case.train_auxiliary:
            torch.testing.assert_close(values.grad, (lam * gradient)[rows], rtol=1e-9, atol=1e-10)
        else:
            assert values.grad is None
        if case.bias:
            continue  # λ then also receives the bias's share; gradcheck covers it
        for index in range(len(scale)):
            unit = torch.zeros_like(scale)
            unit[index] = 1
            covered = factors(weight, gradient.shape, unit, case)[rows]
            share = (covered * gradient[rows] * values.detach()).sum()
            torch.testing.assert_close(scale.grad[index], share, rtol=1e-9, atol=1e-10)
