"""Linear layers of the user's own: which way round they hold their weights is seen in what they compute."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import crosspath
from crosspath.pathway.sources import transposed
from crosspath.pathway.sources.silent_copy import silent_copy
from crosspath.pathway.sources.source import ModuleSource
from crosspath.pathway.sources.transposed import shows_transposed
from tests.pathway.small_models import TransposedLinear


class OwnLinear(nn.Module):
    """As torch stores it, with a factor as equalised layers have one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * 0.5, self.bias)


class Table(TransposedLinear):
    """Read by its block."""

    def forward(self, tokens_BND: Tensor) -> Tensor:
        raise NotImplementedError


Layer = Callable[[int, int], nn.Module]


class Attention(nn.Module):
    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.num_heads = 2
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (layer(8, 8) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(-1, (2, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj))
        out: Tensor = self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    def __init__(self, layer: Layer, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attn = Attention(layer)
        self.mlp = nn.ModuleDict({"fc1": layer(8, hidden), "fc2": layer(hidden, 8)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class Net(nn.Module):
    def __init__(self, layer: Layer, hidden: int = 16) -> None:
        super().__init__()
        self.tower = nn.Sequential(*(Block(layer, hidden) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.tower(x)
        return result


@pytest.mark.parametrize("sizes", [(4, 4), (4, 6), (1, 3), (3, 1)])
@pytest.mark.parametrize(
    ("layer", "answer"), [(nn.Linear, False), (OwnLinear, False), (TransposedLinear, True), (Table, None)]
)
def test_a_layer_shows_its_orientation(layer: Layer, answer: bool | None, sizes: tuple[int, int]) -> None:
    source = ModuleSource(nn.ModuleDict({"a": layer(*sizes)}))
    assert shows_transposed(source, "a.weight", source.shapes()["a.weight"]) is answer


@pytest.mark.parametrize("hidden", [8, 16])
@pytest.mark.parametrize(("ours", "theirs"), [(TransposedLinear, nn.Linear), (nn.Linear, TransposedLinear)])
def test_a_target_computes_as_an_auxiliary_of_the_other_orientation(ours: Layer, theirs: Layer, hidden: int) -> None:
    target, auxiliary = Net(ours, hidden).double(), Net(theirs, hidden).double()
    handle = crosspath.connect(target, auxiliary, scale_init=1.0, canonical=True)
    with torch.no_grad():
        for weight in handle.weights().values():
            weight.zero_()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    report = handle.reports["auxiliary"]
    assert all(pair.target.transposed == (ours is TransposedLinear) for pair in report.pairs)
    assert not any("orientation" in line for line in report.unverified)
    for own, other in zip(target.tower, auxiliary.tower, strict=True):
        assert torch.allclose(own(x), other(x))


class Flagged(OwnLinear):
    """With a switch for the orientation, as fan_in_fan_out is one."""

    def __init__(self, inputs: int, outputs: int, switch: object) -> None:
        super().__init__(inputs, outputs)
        self.switch = switch

    def forward(self, x: Tensor) -> Tensor:
        turned = self.switch() if callable(self.switch) else self.switch
        return x @ self.weight if turned else F.linear(x, self.weight)


@pytest.mark.parametrize("switches", [(False, True), (lambda: False, lambda: True)])
def test_layers_of_one_class_may_differ(switches: tuple[object, object]) -> None:
    source = ModuleSource(nn.ModuleList([Flagged(4, 4, switch) for switch in switches]))
    answers = [shows_transposed(source, f"{index}.weight", (4, 4)) for index in range(2)]
    assert answers == [False, True]


def test_layers_of_one_class_and_shape_are_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Layer(TransposedLinear):
        """Which no other test has shown."""

    copies: list[nn.Module] = []
    monkeypatch.setattr(transposed, "silent_copy", lambda layer: copies.append(layer) or silent_copy(layer))
    assert crosspath.match(Net(Layer), Net(Layer)).ok
    assert len(copies) == len({(8, 8), (8, 16), (16, 8)})


def test_by_names_and_in_a_second_call_too() -> None:
    target, auxiliary = nn.ModuleDict({"up": TransposedLinear(8, 8)}), nn.ModuleDict({"up": nn.Linear(8, 8)})
    for name in ("one", "two"):
        handle = crosspath.connect(target, {name: auxiliary}, names=["up.weight"], scale_init=1.0)
        assert torch.equal(handle.auxiliaries()["up.weight", name], auxiliary["up"].weight.T)


def test_what_does_not_run_is_unverified() -> None:
    target, auxiliary = nn.ModuleDict({"up": Table(8, 8)}), nn.ModuleDict({"up": nn.Linear(8, 8)})
    report = crosspath.match(target, auxiliary, names=["up.weight"])
    assert report.ok
    assert ["Table" in line for line in report.unverified] == [True]
    assert not crosspath.match(target, target, names=["up.weight"]).unverified
