"""W, λ and every W' as plain float64 tensors: what a target with pathways has to agree with."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

import crosspath
from tests.pathway.test_contract import Case, covered_outputs, factors, is_transposed

Key = tuple[str, str]
"""(weight, auxiliary)."""
TOLERANCES = {torch.float64: (1e-8, 1e-10), torch.float32: (2e-4, 2e-5)}
"""(relative, absolute) of values after some steps of training; half precision is compared with what it holds itself."""


def assert_near(value: Tensor, expected: Tensor, allowed: Tensor | float, dtype: torch.dtype, what: str) -> None:
    """Within `allowed`, to which the reference's own distance from the target's values is added."""
    relative, absolute = TOLERANCES.get(dtype, (0.0, 0.0))
    apart = (value.detach().double() - expected).abs()
    excess = apart - (allowed + absolute + relative * expected.abs())
    assert bool((excess <= 0).all()), f"{what}: {float(apart.max()):.3g} apart, {float(excess.max()):.3g} too much"


class Reference:
    """The explicit sums beside one target."""

    def __init__(self, plain: nn.Module, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.plain = copy.deepcopy(plain).double()
        self.cases: dict[str, Case] = {}
        self.weights: dict[str, Tensor] = {}
        self.auxiliaries: dict[Key, Tensor] = {}
        self.scales: dict[Key, Tensor] = {}
        self.places: dict[Key, Tensor] = {}
        """Which entry of (0, *λ) is the factor of each entry of a tensor."""
        self.owners: dict[Key, Key] = {}
        """The λ of a tensor; a bias borrows its weight's."""
        self.restart(plain)

    def restart(self, target: nn.Module) -> None:
        """Begin again with the plain weights of `target`."""
        for part in (self.cases, self.auxiliaries, self.scales, self.places, self.owners):
            part.clear()
        self.weights = {name: value.detach().double().clone() for name, value in target.named_parameters()}

    def add(self, name: str, source: nn.Module, case: Case, handle: crosspath.Pathways, scale_init: float) -> None:
        """An auxiliary that was connected."""
        self.cases[name] = case
        values = source.state_dict()
        for weight, auxiliary in handle.scales():
            if auxiliary != name:
                continue
            scale = handle.scales()[weight, name].detach().double()
            assert bool((scale == torch.tensor(scale_init, dtype=self.dtype).double()).all()) or case.bias, "λ"
            key, shape = (weight, name), self.weights[weight].shape
            self.scales[key] = scale.clone()
            self.owners[key] = key
            numbers = torch.arange(1, len(scale) + 1, dtype=torch.float64)
            self.places[key] = factors(weight, shape, numbers, case).long()
            self.auxiliaries[key] = values[weight].detach().double().clone()
            bias = weight.removesuffix("weight") + "bias"
            if case.bias and bias in self.weights and bias in values:
                places = self.places[key].transpose(0, 1) if is_transposed(weight) else self.places[key]
                self.places[bias, name] = places.reshape(len(self.weights[bias]), -1)[:, 0]
                self.auxiliaries[bias, name] = values[bias].detach().double().clone()
                self.owners[bias, name] = key

    def read_scales(self, handle: crosspath.Pathways) -> None:
        """Take the target's λ over."""
        for key, scale in handle.scales().items():
            self.scales[key] = scale.detach().double().clone()

    def factor(self, key: Key) -> Tensor:
        """λ of each entry of a tensor; 0 where no pathway is."""
        scale = self.scales[self.owners[key]]
        return torch.cat([scale.new_zeros(1), scale])[self.places[key]]

    def total(self) -> dict[str, Tensor]:
        """W + Σ λ·W'."""
        sums = dict(self.weights)
        for key, auxiliary in self.auxiliaries.items():
            sums[key[0]] = sums[key[0]] + self.factor(key) * auxiliary
        return sums

    def sums(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """W + Σ λ·W' and |W| + Σ |λ·W'|."""
        sizes = {name: value.abs() for name, value in self.weights.items()}
        for key, auxiliary in self.auxiliaries.items():
            sizes[key[0]] = sizes[key[0]] + (self.factor(key) * auxiliary).abs()
        return self.total(), sizes

    def rows(self, key: Key, value: Tensor) -> Tensor:
        """The part of a W' that a target stores."""
        weight, name = key
        owner = self.owners[key][0]
        along = int(is_transposed(weight))
        covered = covered_outputs(owner, value.shape[along if value.dim() > 1 else 0], self.cases[name])
        return value.index_select(along if value.dim() > 1 else 0, torch.tensor(covered))

    def own(self, target: nn.Module) -> dict[str, Tensor]:
        """The target's own W, by plain name, bit by bit."""
        bare = copy.deepcopy(target)
        if self.cases:
            crosspath.disconnect(bare)
        return {name: value.detach().clone() for name, value in bare.named_parameters()}

    def check(self, target: nn.Module, inputs: Tensor) -> None:
        """Everything agrees."""
        for name, value in self.own(target).items():
            assert_near(value, self.weights[name], 0.0, self.dtype, f"W {name}")
        if self.cases:
            handle = crosspath.pathways(target)
            assert set(handle.names) == set(self.cases)
            assert set(handle.auxiliaries()) == set(self.auxiliaries)
            for key, scale in handle.scales().items():
                assert_near(scale, self.scales[key], 0.0, self.dtype, f"λ {key}")
            for key, value in handle.auxiliaries().items():
                assert_near(value, self.rows(key, self.auxiliaries[key]), 0.0, self.dtype, f"W' {key}")
        else:
            assert not any(hasattr(module, "parametrizations") for module in target.modules())
        if self.dtype not in TOLERANCES:
            return
        with torch.no_grad():
            inputs64 = inputs.double() if inputs.is_floating_point() else inputs
            expected = functional_call(self.plain, self.total(), (inputs64,))
            relative, absolute = TOLERANCES[self.dtype]
            scale = float(expected.abs().max()) + 1
            assert_near(target(inputs), expected, 100 * scale * (relative + absolute), self.dtype, "outputs")

    def train(
        self,
        target: nn.Module,
        batches: Sequence[Tensor],
        probes: Sequence[Tensor],
        kind: str,
        rate: float,
        frozen: bool,
        engine: str,
    ) -> None:
        """The same steps in both; in half precision the reference then takes the target's values over."""
        own = [parameter for name, parameter in target.named_parameters() if is_own(name)]
        for parameter in own:
            parameter.requires_grad_(not frozen)
        optimizer = make_optimizer(kind, [p for p in target.parameters() if p.requires_grad], rate)
        if engine == "optimizer":
            crosspath.pathways(target).attach(optimizer)
        for batch, probe in zip(batches, probes, strict=True):
            optimizer.zero_grad()
            (target(batch) * probe).mean().backward()
            optimizer.step()
        for parameter in own:
            parameter.requires_grad_(True)
        if self.dtype not in TOLERANCES:
            self.take_over(target)
            return
        leaves = [*([] if frozen else self.weights.values()), *self.scales.values()]
        leaves += [value for key, value in self.auxiliaries.items() if self.cases[key[1]].train_auxiliary]
        for leaf in leaves:
            leaf.requires_grad_(True)
        optimizer = make_optimizer(kind, leaves, rate)
        if engine == "optimizer":  # which lets λ join without weight decay
            own_scales = {id(scale) for scale in self.scales.values()}
            others = [leaf for leaf in leaves if id(leaf) not in own_scales]
            optimizer = make_optimizer(kind, others, rate)
            optimizer.add_param_group({"params": list(self.scales.values()), "weight_decay": 0.0})
        for batch, probe in zip(batches, probes, strict=True):
            optimizer.zero_grad()
            inputs = batch.double() if batch.is_floating_point() else batch
            outputs = functional_call(self.plain, self.total(), (inputs,))
            (outputs * probe.double()).mean().backward()
            optimizer.step()
        for leaf in leaves:
            leaf.requires_grad_(False)
            leaf.grad = None

    def take_over(self, target: nn.Module) -> None:
        """Read every value of the target: bfloat16 rounds each step, and no tolerance would say anything."""
        self.weights = {name: value.double() for name, value in self.own(target).items()}
        handle = crosspath.pathways(target)
        self.read_scales(handle)
        for key, value in handle.auxiliaries().items():
            numbers = torch.arange(self.auxiliaries[key].numel()).view(self.auxiliaries[key].shape)
            self.auxiliaries[key].view(-1)[self.rows(key, numbers)] = value.detach().double()


def is_own(name: str) -> bool:
    """Whether a parameter is the target's own: neither λ nor W'."""
    return "parametrizations" not in name or name.endswith(".original")


def make_optimizer(kind: str, parameters: list[Tensor], rate: float) -> torch.optim.Optimizer:
    """A large eps keeps AdamW from turning the rounding of a zero gradient into a step."""
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=0.5, weight_decay=0.01)
    return torch.optim.AdamW(parameters, lr=rate, eps=1e-2, weight_decay=0.01)
