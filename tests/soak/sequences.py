"""Random sequences of connect, train, save, merge and disconnect, held against sums in float64 that know no pathway.

Beside each target stands a `Reference`: the plain module with W, λ and every W' as tensors of its own, in float64.
After each operation both have to agree in W, λ, W', outputs, and in what a merge stores.
"""

import copy
import random
import tempfile
import traceback
from pathlib import Path

import torch
from torch import Tensor, nn

import crosspath
from crosspath.errors import PathwayError
from tests.pathway.small_models import BY_ROLE, KINDS, WIDTH, Body, Kind, randomise
from tests.pathway.test_contract import ROLES, Case, assert_same_shape
from tests.soak.growth import counts, resident
from tests.soak.outcome import Budget, Outcome
from tests.soak.reference import Reference, assert_near
from tests.tolerances import rounding_of_a_sum

ENGINES = ("live", "optimizer")
COUNTED_EVERY = 250
"""Sequences between two counts of what lives."""
GROWTH = 48.0
"""MiB that the process may grow after the first count: allocators keep pieces, leaks keep adding."""


class TiedEnds(nn.Module):
    """Blocks between an embedding and a head that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, WIDTH)
        self.body = Body(depth=1)
        self.head = nn.Linear(WIDTH, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens_BN: Tensor) -> Tensor:
        result: Tensor = self.head(self.body(self.embedding(tokens_BN)))
        return result


TIED = "tied ends"
MODELS: dict[str, Kind] = {**KINDS, TIED: Kind(TiedEnds, lambda: torch.arange(7).reshape(1, 7))}
BY_ROLE_HERE = (*BY_ROLE, TIED)
REFUSALS = ("values", "name", "shape", "tied", "scale")


class Sequence:
    """One target and its reference, through some operations that a seed draws."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(f"sequence {seed}")
        torch.manual_seed(seed)
        self.kind_name = self.draw.choice(sorted(MODELS))
        self.kind = MODELS[self.kind_name]
        self.dtype = self.draw.choice((torch.float64, torch.float64, torch.float32, torch.bfloat16))
        self.engine = self.draw.choice(ENGINES)
        self.target = randomise(self.kind.build()).to(self.dtype).eval()
        self.plain = copy.deepcopy(self.target)
        self.reference = Reference(self.plain, self.dtype)
        self.sources: dict[str, nn.Module] = {}
        self.attached = False
        """Whether an optimizer holds the pathways: one alone may, as long as they are connected."""
        self.done: list[str] = [f"{self.kind_name} {self.dtype} {self.engine}"]

    @property
    def connected(self) -> bool:
        """Whether there are pathways."""
        return bool(self.reference.cases)

    def inputs(self) -> Tensor:
        """A new batch."""
        inputs = self.kind.inputs()
        return inputs.to(self.dtype) if inputs.is_floating_point() else inputs

    def run(self) -> None:
        """Some operations, each checked; the last one is a way out."""
        for _ in range(self.draw.randrange(2, 8)):
            ways = ["connect"] if not self.connected else ["connect", "refuse", "train", "train", "disable", "copy"]
            ways += ["state", "save", "merge", "disconnect"] if self.connected else ["refuse"]
            if self.engine == "optimizer":  # which is for loops that leave λ and weights alone between steps
                closed = ("state", "connect", "train", "copy") if self.attached else ("state",)
                ways = [way for way in ways if way not in closed]
            self.step(self.draw.choice(ways))
        if self.connected:
            self.step(self.draw.choice(("merge", "disconnect")))

    def step(self, way: str) -> None:
        """One operation, and every comparison after it."""
        self.done.append(way)
        getattr(self, way)()
        self.reference.check(self.target, self.inputs())

    def connect(self) -> None:
        """One or two more auxiliaries, with options of their own."""
        if len(self.reference.cases) > 3:
            return
        case = self._case()
        names = [f"aux{len(self.sources) + number}" for number in range(self.draw.choice((1, 1, 2)))]
        new = {name: randomise(self.kind.build()).to(self.dtype) for name in names}
        scale_init = self.draw.choice((0.0, 0.0, 0.3))
        self._connect(new, case, scale_init)
        self.sources |= new
        handle = crosspath.pathways(self.target)
        for name, source in new.items():
            self.reference.add(name, source, case, handle, scale_init)
        with torch.no_grad():
            for key, scale in handle.scales().items():
                if key[1] in new and self.engine == "live" and self.draw.random() < 0.7:
                    scale.copy_(0.5 * torch.randn_like(scale))
        self.reference.read_scales(handle)

    def _case(self) -> Case:
        by_role = self.kind_name in BY_ROLE_HERE
        scale_per = self.draw.choice(("layer", "role", "head", "channel") if by_role else ("layer", "channel"))
        present = ROLES[:4] if self.kind_name in ("torch attention", "functional qkv") else ROLES
        roles = tuple(sorted(self.draw.sample(present, self.draw.randrange(1, len(present) + 1)))) if by_role else None
        bias = scale_per in ("layer", "role") and self.draw.random() < 0.3
        trained = self.draw.random() < 0.6
        return Case(self.kind_name, self.dtype, 1, scale_per, trained, bias, roles, 0)

    def _connect(self, auxiliaries: dict[str, nn.Module], case: Case, scale_init: float) -> None:
        crosspath.connect(
            self.target,
            auxiliaries,
            roles=case.roles or "all",
            names=self.kind.names,
            scale_per=case.scale_per,
            scale_init=scale_init,
            train_auxiliary=case.train_auxiliary,
            bias=case.bias,
            engine=self.engine,
        )

    def refuse(self) -> None:
        """A call that has to be refused, and to leave everything as it was."""
        reason = self.draw.choice(REFUSALS)
        self.done[-1] += f" {reason}"
        before = {name: value.clone() for name, value in self.target.state_dict().items()}
        source, name, scale_init = randomise(self.kind.build()).to(self.dtype), "refused", 0.0
        if reason == "name" and self.connected:
            name = next(iter(self.reference.cases))
        elif reason == "shape" and self.kind_name == "timm":
            source = randomise(Body(width=2 * WIDTH)).to(self.dtype)
        elif reason == "scale" and self.dtype != torch.float64:
            scale_init = 1e300
        elif reason == "tied" and self.kind_name == TIED:
            with_head = ["head.weight"]
            self._refused(lambda: crosspath.connect(self.target, {name: source}, names=with_head))
        else:
            with torch.no_grad():
                for parameter in source.parameters():
                    parameter.view(-1)[-1] = float("nan")
        if not (reason == "tied" and self.kind_name == TIED):
            case = Case(self.kind_name, self.dtype, 1, "layer", True, False, None, 0)
            self._refused(lambda: self._connect({name: source}, case, scale_init))
        after = self.target.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(value, after[name]) for name, value in before.items())

    @staticmethod
    def _refused(call: object) -> None:
        assert callable(call)
        try:
            call()
        except PathwayError:
            return
        raise AssertionError("it was not refused")

    def train(self) -> None:
        """Some steps of an optimizer, in the target and in the reference."""
        rate, steps = self.draw.choice((0.01, 0.05)), self.draw.randrange(1, 4)
        kind = self.draw.choice(("sgd", "adamw"))
        frozen = self.engine == "live" and self.draw.random() < 0.15
        self.attached = self.engine == "optimizer"
        self.done[-1] += f" {kind} {rate} {steps}{' frozen' if frozen else ''}"
        batches = [self.inputs() for _ in range(steps)]
        probes = [torch.randn_like(self.plain(batch)) for batch in batches]
        self.reference.train(self.target, batches, probes, kind, rate, frozen, self.engine)

    def disable(self) -> None:
        """The bare target inside the block."""
        inputs = self.inputs()
        bare = copy.deepcopy(self.target)
        crosspath.disconnect(bare)
        with torch.no_grad(), crosspath.pathways(self.target).disabled():
            assert torch.equal(self.target(inputs), bare(inputs))

    def copy(self) -> None:
        """Go on with a copy."""
        self.target = copy.deepcopy(self.target)

    def state(self) -> None:
        """A state dict goes into a copy that has other values."""
        other = copy.deepcopy(self.target)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(1)
        other.load_state_dict(self.target.state_dict())
        self.target = other

    def save(self) -> None:
        """Saved, and loaded into another model of its class."""
        inputs = self.inputs()
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            expected = self.target(inputs)
            crosspath.save_pathway(self.target, folder)
            other = randomise(self.kind.build()).to(self.dtype).eval()
            references = {name: self.sources[name] for name in self.reference.cases}
            crosspath.load_pathway(other, Path(folder), references)
            assert torch.equal(other(inputs), expected), "loaded and saved differ"
        self.target, self.engine, self.attached = other, "live", False

    def merge(self) -> None:
        """The outputs stay to the bit, the sums are right to rounding, nothing else is left."""
        inputs = self.inputs()
        with torch.no_grad():
            expected = self.target(inputs)
            exact, sizes = self.reference.sums()
            terms = max(1, len(self.reference.cases))
            crosspath.merge(self.target)
            assert torch.equal(self.target(inputs), expected), "merged and connected differ"
        for name, value in self.target.named_parameters():
            allowed = rounding_of_a_sum(exact[name], sizes[name], terms, self.dtype)
            assert_near(value, exact[name], allowed, self.dtype, f"merged {name}")
        assert_same_shape(self.target, self.plain)
        self.reference.restart(self.target)
        self.attached = False

    def disconnect(self) -> None:
        """The target's own weights, and nothing else."""
        own = self.reference.own(self.target)
        crosspath.disconnect(self.target)
        for name, value in self.target.named_parameters():
            assert torch.equal(value, own[name]), name
        assert_same_shape(self.target, self.plain)
        self.reference.restart(self.target)
        self.attached = False


def run(budget: Budget) -> Outcome:
    """Sequences until the budget is used up."""
    outcome = Outcome("sequences")
    torch.set_num_threads(1)
    first: dict[str, int] = {}
    for number in range(budget.seed, budget.seed + budget.tries):
        if budget.left < 0:
            break
        sequence = Sequence(number)
        try:
            sequence.run()
        except Exception:
            how = f"python -m tests.soak.run sequences --tries 1 --seed {number}"
            outcome.faults.append(f"{' > '.join(sequence.done)}\n{traceback.format_exc(limit=-3)}\n{how}")
        outcome.tried["sequences"] += 1
        outcome.tried["operations"] += len(sequence.done) - 1
        outcome.tried[f"engine {sequence.done[0].split()[-1]}"] += 1
        del sequence
        done = number - budget.seed + 1
        if done % COUNTED_EVERY == 0 and done >= 2 * COUNTED_EVERY:  # by then every kind of model was there
            now, memory = counts(), resident()
            if not first:
                first, outcome.figures["MiB at the first count"] = now, round(memory, 1)
            outcome.figures["MiB at the last count"] = round(memory, 1)
            outcome.figures |= {f"{name} more than at the first count": now[name] - first[name] for name in now}
    grown = [name for name, more in outcome.figures.items() if name.endswith("first count") and more > 0 and first]
    grown = [name for name in grown if not name.startswith("MiB")]
    more = outcome.figures.get("MiB at the last count", 0) - outcome.figures.get("MiB at the first count", 0)
    if grown or more > GROWTH:
        named = ", ".join(f"{outcome.figures[name]:.0f} {name}" for name in grown)
        outcome.faults.append(f"growth: {named or 'no objects'}, {more:.0f} MiB")
    return outcome
