"""Which input of a gated mlp the activation acts on, whatever its layers are called."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from crosspath import MatchReport, match

WIDTH, HIDDEN = 8, 16


class GatedMlp(nn.Module):
    """The activation acts on the layer that is named."""

    def __init__(self, acts_on: str, activation: Callable[[Tensor], Tensor] = functional.silu) -> None:
        super().__init__()
        self.fc1, self.gate = nn.Linear(WIDTH, HIDDEN), nn.Linear(WIDTH, HIDDEN)
        self.norm, self.fc2 = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.acts_on, self.activation = acts_on, activation

    def forward(self, x: Tensor) -> Tensor:
        first, second = (self.fc1, self.gate) if self.acts_on == "fc1" else (self.gate, self.fc1)
        result: Tensor = self.fc2(self.norm(self.activation(first(x)) * second(x)))
        return result


class Functional(GatedMlp):
    """Multiplies with its weights itself, so that nothing shows."""

    def forward(self, x: Tensor) -> Tensor:
        gate = functional.silu(functional.linear(x, self.gate.weight))
        return functional.linear(gate * functional.linear(x, self.fc1.weight), self.fc2.weight)


class Other(Functional):
    """The same names, by another class."""


class Block(nn.Module):
    def __init__(self, mlp: nn.Module) -> None:
        super().__init__()
        self.attn = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in ("q", "k", "v", "proj")})
        self.norm, self.mlp = nn.LayerNorm(WIDTH), mlp

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.mlp(self.norm(x))
        return result


def model(mlp: nn.Module) -> nn.Module:
    return nn.ModuleDict({"blocks": nn.ModuleList([Block(mlp)])})


def pairs(report: MatchReport) -> dict[str | None, tuple[str, str]]:
    """{role of the mlp: (target's layer, auxiliary's)}."""
    assert report.ok, report
    names = {pair.role: (pair.target.weight, pair.auxiliary.weight) for pair in report.pairs}
    return {role: (ours.split(".")[3], theirs.split(".")[3]) for role, (ours, theirs) in names.items() if "mlp" in ours}


GATE_LAST = {"mlp_gate": ("gate", "gate"), "mlp_in": ("fc1", "fc1"), "mlp_out": ("fc2", "fc2")}
ACROSS = {"mlp_gate": ("gate", "fc1"), "mlp_in": ("fc1", "gate"), "mlp_out": ("fc2", "fc2")}


@pytest.mark.parametrize("activation", [functional.gelu, torch.relu, torch.tanh, torch.sigmoid, functional.hardsigmoid])
def test_the_activation_tells_the_gate(activation: Callable[[Tensor], Tensor]) -> None:
    target = model(GatedMlp("gate", activation))
    report = match(target, model(GatedMlp("fc1")))
    assert pairs(report) == ACROSS
    assert not any("gate" in line for line in report.unverified)
    assert pairs(match(target, model(GatedMlp("gate")))) == GATE_LAST


def test_a_product_without_an_activation_is_as_its_names_say() -> None:
    assert pairs(match(model(GatedMlp("fc1", nn.Identity())), model(GatedMlp("gate", nn.Identity())))) == GATE_LAST


def test_a_state_dict_is_as_the_module_of_its_names() -> None:
    acting = model(GatedMlp("fc1"))
    for report in (match(acting, acting.state_dict()), match(acting, model(GatedMlp("fc1")))):
        assert pairs(report) == {"mlp_gate": ("fc1", "fc1"), "mlp_in": ("gate", "gate"), "mlp_out": ("fc2", "fc2")}
        assert not any("gate" in line for line in report.unverified)


def test_what_cannot_be_seen_is_unverified() -> None:
    report = match(model(GatedMlp("gate")), model(Functional("gate")))
    assert pairs(report) == GATE_LAST
    assert "gate of the mlp in the auxiliary's block 0: by names alone" in report.unverified
    report = match(model(Other("gate")), model(Functional("gate")))
    assert sum("by names alone" in line for line in report.unverified) == 2
    report = match(model(Other("gate")), model(Functional("gate")), roles="attention")
    assert not any("gate" in line for line in report.unverified)
    assert not any("gate" in line for line in match(model(Other("gate")), model(Other("gate"))).unverified)
