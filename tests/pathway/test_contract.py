"""The contract of a pathway on every kind of layer: identity, closed-form gradients, bitwise merge, exact way back."""

import copy
from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import crosspath
from crosspath.pathway.engines.engine import ENGINES
from tests.pathway.small_models import BY_ROLE, HEADS, KINDS, randomise
from tests.tolerances import rounding_of_a_sum

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
    engine: str = "live"


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
        engine=draw(st.sampled_from(ENGINES)),
    )


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_contract(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("kind", ["transposed", "head-major"])
@pytest.mark.parametrize("scale_per", ["layer", "role", "head", "channel"])
@pytest.mark.parametrize("roles", [None, ("key", "value"), ("query", "attention_output", "mlp_out")])
@pytest.mark.parametrize("engine", ENGINES)
def test_contract_of_other_ways_of_storing(
    kind: str, scale_per: str, roles: tuple[str, ...] | None, engine: str
) -> None:
    check(Case(kind, torch.float64, 1, scale_per, True, scale_per == "role", roles, seed=1, engine=engine))


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_contract_at_length(case: Case) -> None:
    check(case)


def check(case: Case) -> None:
    """Every promise of the contract for one case."""
    torch.manual_seed(case.seed)
    kind = KINDS[case.kind]
    plain = randomise(kind.build()).to(case.dtype).eval()
    inputs = kind.inputs()
    inputs = inputs.to(case.dtype) if inputs.is_floating_point() else inputs
    sources = {f"aux{i}": randomise(kind.build()).to(case.dtype) for i in range(case.auxiliaries)}
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
        engine=case.engine,
    )

    # λ = 0 is the target, to the bit.
    assert torch.equal(target(inputs), plain(inputs))

    with torch.no_grad():
        for scale in handle.scales().values():
            assert scale.dim() == 1
            scale.copy_(torch.randn_like(scale))
    expected, sizes = explicit_sum(plain, sources, handle, case)
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
    largest = 0.0
    for name, value in merged.state_dict().items():
        drift = (value.double() - expected[name]).abs()
        assert bool((drift <= rounding_of_a_sum(expected[name], sizes[name], case.auxiliaries, case.dtype)).all()), name
        largest = max(largest, float(drift.max()))
    assert receipt.largest_drift == pytest.approx(largest, rel=1e-6, abs=1e-15)
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


def is_transposed(weight: str) -> bool:
    """Whether a weight is stored as (inputs, outputs), from its name alone."""
    return any(part in weight for part in ("c_attn.weight", "c_proj.weight", "c_fc.weight"))


def row_roles(weight: str, rows: int) -> list[tuple[str, int, int]]:
    """(role, position among the role's rows, how many it has) of every output, from the name of the weight alone:
    independent of the layouts under test.
    """
    third = rows // 3
    if "query_key_value" in weight:  # query, key and value of the first head, then of the second
        each = third // HEADS
        return [(ROLES[row // each % 3], row // (3 * each) * each + row % each, third) for row in range(rows)]
    if any(part in weight for part in ("qkv", "in_proj", "c_attn")):
        return [(ROLES[row // third], row % third, third) for row in range(rows)]
    for role, parts in {
        "attention_output": (".proj.", "out_proj.", "attn.c_proj.", "attention.dense."),
        "mlp_in": ("fc1.", "linear1.", "mlp.0.", "c_fc.", "h_to_4h."),
        "mlp_out": ("fc2.", "linear2.", "mlp.3.", "mlp.c_proj.", "4h_to_h."),
    }.items():
        if any(part in f".{weight}" for part in parts):
            return [(role, row, rows) for row in range(rows)]
    return [("by name", row, rows) for row in range(rows)]


def covered_outputs(weight: str, rows: int, case: Case) -> list[int]:
    """The outputs that hold a pathway."""
    selection = case.roles or (*ROLES, "by name")
    return [row for row, (role, _, _) in enumerate(row_roles(weight, rows)) if role in selection]


def factors(weight: str, shape: torch.Size, scale: Tensor, case: Case) -> Tensor:
    """λ of every entry of a weight (0 where no pathway is), entry by entry."""
    full = torch.zeros(shape, dtype=scale.dtype)
    outputs = full.transpose(0, 1) if is_transposed(weight) else full
    roles = row_roles(weight, len(outputs))
    own_rows = covered_outputs(weight, len(outputs), case)
    present = [role for role in (*ROLES, "by name") if role in {roles[row][0] for row in own_rows}]
    for index, row in enumerate(own_rows):
        role, position, size = roles[row]
        if case.scale_per == "layer" or (case.scale_per == "head" and role.startswith("mlp")):
            outputs[row] = scale[0]
        elif case.scale_per == "role":
            outputs[row] = scale[present.index(role)]
        elif case.scale_per == "channel":
            outputs[row] = scale[index]
        elif role == "attention_output":
            for column in range(outputs.shape[1]):
                outputs[row, column] = scale[column * HEADS // outputs.shape[1]]
        else:
            outputs[row] = scale[position * HEADS // size]
    return full


def explicit_sum(
    plain: nn.Module, sources: dict[str, nn.Module], handle: crosspath.Pathways, case: Case
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The state dict of W + Σ λ·W', and that of |W| + Σ |λ·W'|, in float64, outside of the library."""
    state = {name: value.double().clone() for name, value in plain.state_dict().items()}
    sizes = {name: value.abs() for name, value in state.items()}
    for (weight, name), scale in handle.scales().items():
        source = sources[name].state_dict()
        lam = factors(weight, state[weight].shape, scale.detach().double(), case)
        term = lam * source[weight].double()
        state[weight] += term
        sizes[weight] += term.abs()
        bias = weight.removesuffix("weight") + "bias"
        if case.bias and bias in state and bias in source:
            lam = lam.transpose(0, 1) if is_transposed(weight) else lam
            term = lam.reshape(len(state[bias]), -1)[:, 0] * source[bias].double()
            state[bias] += term
            sizes[bias] += term.abs()
    return state, sizes


def check_gradients(
    target: nn.Module, reference: nn.Module, handle: crosspath.Pathways, inputs: Tensor, case: Case
) -> None:
    """dL/dW = G, dL/dW' = λ·G, dL/dλ = ⟨G, W'⟩, with G taken from a plain model that holds the sum."""
    probe = torch.randn_like(reference(inputs))
    if case.engine == "optimizer":
        handle.attach(torch.optim.SGD(crosspath.param_groups(target, lr=1.0)))
    (target(inputs) * probe).sum().backward()
    if case.engine == "optimizer":
        handle.fill_gradients()
    (reference(inputs) * probe).sum().backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    for name, weight in handle.weights().items():
        own = target.get_parameter(name) if case.engine == "optimizer" else weight
        torch.testing.assert_close(own.grad, gradients[name], rtol=1e-9, atol=1e-10)
    for (weight, name), values in handle.auxiliaries().items():
        if not weight.endswith("weight"):
            continue
        scale = handle.scales()[weight, name]
        gradient = gradients[weight]
        lam = factors(weight, gradient.shape, scale.detach(), case)
        along = int(is_transposed(weight))
        rows = torch.tensor(covered_outputs(weight, gradient.shape[along], case))
        if case.train_auxiliary:
            expected = (lam * gradient).index_select(along, rows)
            torch.testing.assert_close(values.grad, expected, rtol=1e-9, atol=1e-10)
        else:
            assert values.grad is None
        if case.bias:
            continue  # λ then also receives the bias's share; gradcheck covers it
        for index in range(len(scale)):
            unit = torch.zeros_like(scale)
            unit[index] = 1
            part = factors(weight, gradient.shape, unit, case) * gradient
            share = (part.index_select(along, rows) * values.detach()).sum()
            torch.testing.assert_close(scale.grad[index], share, rtol=1e-9, atol=1e-10)
