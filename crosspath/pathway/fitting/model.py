"""Fit one model to another: which step of a derivation each pair gets, and what is to be said of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor, strided

from crosspath.errors import PathwayError
from crosspath.layouts import ATTENTION_ROLES, ROLES, Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.slot import read_entries
from crosspath.pathway.derivation import Entries, Sides
from crosspath.pathway.engines.parametrization import is_sharded
from crosspath.pathway.finite import all_finite
from crosspath.pathway.fitting.blocks import READS, WRITES, BlockShape, block_shape, fit_block
from crosspath.pathway.fitting.fit import Fit, FitError, PairFit
from crosspath.pathway.fitting.kernels import KernelStep
from crosspath.pathway.fitting.stream import stream_map
from crosspath.pathway.records import StepRecord
from crosspath.pathway.report import Pair
from crosspath.pathway.sources.source import Source, is_quantised

Blocks = tuple[int, int]
"""A block of the target and one of the auxiliary."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelFit:
    """How the blocks of one auxiliary are fitted to those of one target. Maps are made when values are first needed."""

    fit: Fit
    target: Anatomy
    auxiliary: Anatomy
    _streams: dict[tuple[int, int], Tensor | None] = field(default_factory=dict)
    _blocks: dict[Blocks, dict[Role, PairFit]] = field(default_factory=dict)

    def counterpart(self, role: Role, ours: int, theirs: int) -> Role | None:
        """The auxiliary's role whose matrix this role of the target takes; None for one that takes none.

        Of a gated mlp the input that the activation acts on, `mlp_gate`, is what a plain one has as `mlp_in`.
        """
        gates = self.target.has_gate(ours), self.auxiliary.has_gate(theirs)
        if gates[0] == gates[1] or role not in ("mlp_in", "mlp_gate"):
            return role
        if gates[1]:
            return "mlp_gate" if role == "mlp_in" else None
        return "mlp_in" if role == "mlp_gate" else None

    def fault(self, ours: int, theirs: int) -> str | None:
        """Why these blocks cannot be fitted; None where they can."""
        try:
            self.shapes(ours, theirs)
        except FitError as error:
            return str(error)
        return None

    def step(self, role: Role, ours: int, theirs: int) -> "FitStep | None":
        """The step of a pair; None where its shape is the target's already, and W' stays as it is to the bit."""
        other = self.counterpart(role, ours, theirs)
        assert other is not None
        if self.target.slots[ours, role].shape == self.auxiliary.slots[theirs, other].shape:
            return None
        return FitStep(model=self, role=role, blocks=(ours, theirs))

    def maps(self, blocks: Blocks, source: Source) -> dict[Role, PairFit]:
        """The maps of every role of two blocks."""
        if blocks not in self._blocks:
            ours, theirs = self.shapes(*blocks)
            widths = ours.stream, theirs.stream
            if widths not in self._streams:
                axes = self._stream_axes(theirs.stream, source)
                self._streams[widths] = stream_map(self.fit, *widths, axes)
            self._blocks[blocks] = fit_block(
                self.fit, ours, theirs, self._streams[widths], lambda: self._values(blocks, source)
            )
        return self._blocks[blocks]

    def describe(self, role: Role, blocks: Blocks) -> str:
        """What is done to a role of two blocks, in words."""
        ours, theirs = self.shapes(*blocks)
        parts = []
        if ours.stream != theirs.stream:
            parts.append(f"stream {theirs.stream} to {ours.stream}")
        if role in ATTENTION_ROLES and ours.attention and theirs.attention and ours.attention != theirs.attention:
            parts.append(f"{theirs.attention} to {ours.attention}")
        if role.startswith("mlp") and ours.hidden != theirs.hidden:
            parts.append(f"mlp {theirs.hidden} to {ours.hidden}")
        other = self.counterpart(role, *blocks)
        return f"{role}{'' if other == role else f' from {other}'}: {self.fit}, {', '.join(parts)}"

    def gains(self, role: Role, blocks: Blocks) -> tuple[float, float]:
        """What makes a fitted W', and its b', as large as the auxiliary's where a norm stands before them and heads
        divide their scores: factors of the weight and of the bias.

        A norm gives a stream of √(channels) in length, and scores are divided by the root of a head's width.
        """
        ours, theirs = self.shapes(*blocks)
        own, other, scores = ours.attention, theirs.attention, 1.0
        if role in ("query", "key") and own and other and own.entries[0] != other.entries[0]:
            scores = (own.width / other.width) ** 0.25
        reads = (theirs.stream / ours.stream) ** 0.5 if role in READS else 1.0
        return scores * reads, scores

    def shapes(self, ours: int, theirs: int) -> tuple[BlockShape, BlockShape]:
        """The shapes of two blocks; without heads where all of the attention's shapes agree. Raises `FitError`."""
        alike = all(
            role not in ATTENTION_ROLES
            or (own := self.target.slots.get((ours, role))) is None
            or (its := self.auxiliary.slots.get((theirs, role))) is None
            or _inner(own.shape, role) == _inner(its.shape, role)
            for role in ATTENTION_ROLES
        )
        return (
            block_shape(self.target, ours, with_heads=not alike),
            block_shape(self.auxiliary, theirs, with_heads=not alike),
        )

    def _stream_axes(self, width: int, source: Source) -> Iterator[Tensor]:
        """Every matrix that reads or writes a stream of this width, with the stream's axis first."""
        for (_, role), slot in self.auxiliary.slots.items():
            if role in READS and slot.shape[1] == width:
                yield _values(source, slot.weight, read_entries(source.tensor(slot.weight), slot)).T
            elif role in WRITES and slot.shape[0] == width:
                yield _values(source, slot.weight, read_entries(source.tensor(slot.weight), slot))

    def _values(self, blocks: Blocks, source: Source) -> Mapping[Role, Tensor]:
        """The auxiliary's matrices, by the target's roles."""
        values = {}
        for role in ROLES:
            other = self.counterpart(role, *blocks)
            slot = None if other is None else self.auxiliary.slots.get((blocks[1], other))
            if slot is not None:
                values[role] = _values(source, slot.weight, read_entries(source.tensor(slot.weight), slot))
        return values


@dataclass(frozen=True, kw_only=True, eq=False)
class FitStep:
    """The step `fit` of one pair's derivation."""

    model: ModelFit
    role: Role
    blocks: Blocks
    canonical: bool = False
    """Whether to multiply by `ModelFit.gains`: a canonical pathway says what norms do."""
    gives_bias: bool = False

    def describe(self) -> str:
        """What it does, in words."""
        return self.model.describe(self.role, self.blocks)

    @property
    def trains(self) -> bool:
        """Whether P and Q are parameters, so that W' stays in the auxiliary's shape."""
        return self.model.fit == "learned"

    def maps(self, source: Source) -> PairFit:
        """P and Qᵀ."""
        return self.model.maps(self.blocks, source)[self.role]

    def apply(self, entries: Entries, sides: Sides) -> tuple[Entries, StepRecord]:
        """P·W'·Q and P·b', and the share of ‖W'‖² that is left."""
        maps = self.maps(sides.auxiliary)
        weight = maps.apply(entries.weight)
        bias = None if entries.bias is None else maps.apply(entries.bias).to(entries.weight.dtype)
        before, after = maps.energies(entries.weight)
        energy = {"energy": after / before if before else 0.0}
        if self.canonical:
            gain, bias_gain = self.model.gains(self.role, self.blocks)
            weight, bias = weight * gain, None if bias is None else bias * bias_gain
            energy["gain"] = gain
        record = StepRecord("fit", self.describe(), energy)
        return Entries(weight.to(entries.weight.dtype), bias), record


def fit_fault(target: tuple[Anatomy, int], auxiliary: tuple[Anatomy, int]) -> str | None:
    """Why these two blocks cannot be fitted, in words; None where they can."""
    model = ModelFit(fit="slice", target=target[0], auxiliary=auxiliary[0])
    return model.fault(target[1], auxiliary[1])


def fit_energies(pairs: Iterable[Pair], source: Source) -> Iterator[str]:
    """Of each role: how much of ‖W'‖² a fit keeps."""
    squares: dict[str, list[float]] = {}
    for pair in pairs:
        step = None if pair.derivation is None else pair.derivation.fit
        if isinstance(step, FitStep | KernelStep):
            tensor = source.tensor(pair.auxiliary.weight)
            if tensor.is_meta or is_sharded(tensor) or is_quantised(tensor) or tensor.layout != strided:
                return  # `connect` refuses these, but for meta ones
            values = read_entries(tensor, pair.auxiliary)
            sums = squares.setdefault(step.describe(), [0.0, 0.0])
            maps = step if isinstance(step, KernelStep) else step.maps(source)
            for index, square in enumerate(maps.energies(values)):
                sums[index] += square
    yield from (
        f"{how}: keeps {after / before if before else 0:.1%} of ‖W'‖²" for how, (before, after) in squares.items()
    )


def _inner(shape: tuple[int, ...], role: Role) -> int:
    return shape[1 if role == "attention_output" else 0]


def _values(source: Source, name: str, values: Tensor) -> Tensor:
    if not all_finite(values):
        todo = "use another checkpoint"
        raise PathwayError(f"{source.origin}: {name}", "finite values", "infinity or NaN", todo)
    return values
