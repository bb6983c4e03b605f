"""Gives every pair the steps of a canonical pathway, and names what these cannot make equal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from torch import nn

from crosspath.layouts import MLP_ROLES, Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.weight_names import is_matrix, template
from crosspath.pathway.canonical.block_comparison import compare_blocks
from crosspath.pathway.canonical.canonical import Fold, SameSpread, Unfold
from crosspath.pathway.canonical.named_surroundings import named_surroundings
from crosspath.pathway.canonical.shown_surroundings import shown_surroundings
from crosspath.pathway.canonical.surroundings import KINDS, NormBefore, Surroundings, Unfoldable
from crosspath.pathway.derivation import Derivation
from crosspath.pathway.fitting.model import FitStep
from crosspath.pathway.pairing.differences import ranges_of
from crosspath.pathway.report import MatchReport, Mismatch, Pair
from crosspath.pathway.sources.source import Source

STAYS = 'accept={"fold"} pairs them anyway: W′ is folded, and this is no part of it'
AS_IS = 'accept={"fold"} takes these weights as they are'
BIAS = 'accept={"bias"} leaves the bias out'
ATTENTION_DIFFERS = (
    "the attention computes otherwise with equal weights: the scale of its scores, masks, positions, or what it adds to"
)
ORDER_DIFFERS = "attention and mlp stand in another order, or side by side in one of the two"


@dataclass
class _Side:
    """One model, and what stands around the matrices of its blocks; blocks of one kind are looked at once."""

    name: str
    source: Source
    anatomy: Anatomy
    kinds: dict[object, Surroundings | Unfoldable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.block_of = {slot.weight: index for (index, _), slot in self.anatomy.slots.items()}

    def module(self, index: int) -> object:
        return self.source.attribute(self.anatomy.paths[index].rstrip("."))

    def around(self, index: int) -> Surroundings | Unfoldable:
        path = self.anatomy.paths[index]
        module = self.module(index)
        shapes = {name[len(path) :]: s for name, s in self.source.shapes().items() if name.startswith(path)}
        kind = (template(path), type(module), tuple(shapes.items()))
        if kind not in self.kinds:
            self.kinds[kind] = self._look(index, path, module, shapes)
        return self.kinds[kind]

    def _look(
        self, index: int, path: str, module: object, shapes: Mapping[str, tuple[int, ...]]
    ) -> Surroundings | Unfoldable:
        slots = {role: _inside(slot, path) for (block, role), slot in self.anatomy.slots.items() if block == index}
        if isinstance(module, nn.Module):
            return shown_surroundings(module, slots)
        vectors = [name for name, shape in shapes.items() if not is_matrix(name, shape)]
        placement = self.anatomy.norms.get(index, self.anatomy.norm)
        return named_surroundings(vectors, slots, placement, self.source.description, path)

    def others(self, index: int, role: Role | None) -> tuple[str, ...]:
        """What no fold accounts for, of the half of the block that a role belongs to."""
        around = self.around(index)
        tables = [
            weight.removeprefix(self.anatomy.paths[index]) for i, weight in self.anatomy.non_matrices if i == index
        ]
        names = dict.fromkeys((*around.others, *tables)) if isinstance(around, Surroundings) else {}
        query = self.anatomy.slots.get((index, "query"))
        if not _is_mlp(role) or query is None:
            return tuple(names)
        inside, _, _ = query.weight.removeprefix(self.anatomy.paths[index]).partition(".")
        return tuple(name for name in names if not name.startswith(f"{inside}."))


Faults = dict[tuple[str, str, str, str], list[int]]
"""{(what, where, reason, remedy): target blocks}."""


def with_canonical_pairs(
    report: MatchReport,
    target: tuple[Source, Anatomy],
    auxiliary: tuple[Source, Anatomy],
    accept: tuple[str, ...],
) -> MatchReport:
    """The report with a derivation for each pair, and what stands against one."""
    ours, theirs = _Side("target", *target), _Side("auxiliary", *auxiliary)
    faults: Faults = {}
    notes: dict[str, None] = {}
    caveats: dict[str, None] = {}
    pairs: list[Pair] = []
    of_blocks: dict[tuple[int, int], list[Pair]] = {}
    for pair in report.pairs:
        own, other = ours.block_of[pair.target.weight], theirs.block_of[pair.auxiliary.weight]
        around, around_other = ours.around(own), theirs.around(other)
        for what, where, reason, remedy in _unfoldable(pair, (ours, own), (theirs, other)):
            blocks = faults.setdefault((what, where, reason, remedy), [])
            blocks += [] if own in blocks else [own]
        fold, unfold = None, None
        if isinstance(around, Surroundings) and isinstance(around_other, Surroundings):
            paths = ours.anatomy.paths[own], theirs.anatomy.paths[other]
            fold, unfold = _steps(pair, (around, paths[0]), (around_other, paths[1]))
            notes |= dict.fromkeys(_differences(around, around_other))
            caveats |= dict.fromkeys((*around.caveats, *around_other.caveats, *_unknown(around, around_other)))
        derivation = replace(pair.derivation or Derivation(), fold=fold, unfold=unfold)
        if isinstance(derivation.fit, FitStep):
            derivation = replace(derivation, fit=replace(derivation.fit, canonical=True))
        without = pair.target.bias is None and (pair.auxiliary.bias is not None or derivation.gives_bias)
        if without and isinstance(around, Surroundings) and around.positions is False and pair.role == "key":
            notes["biases of keys are left out: without positions in the attention they change nothing"] = None
        elif without:
            key = ("bias", f"bias of {pair.role}", "the target's weight has none to add b′ to", BIAS)
            faults.setdefault(key, []).append(own)
        pairs.append(replace(pair, derivation=derivation if any(derivation.steps) else None))
        of_blocks.setdefault((own, other), []).append(pairs[-1])
    kinds: set[tuple[object, ...]] = set()
    for (own, other), block_pairs in of_blocks.items():
        around, around_other = ours.around(own), theirs.around(other)
        kind = (
            id(around),
            id(around_other),
            *(pair.role for pair in block_pairs),
        )  # kinds of block share what is around
        if isinstance(around, Surroundings) and isinstance(around_other, Surroundings) and kind not in kinds:
            kinds.add(kind)
            found, unknown = _compare((ours, own, around), (theirs, other, around_other), block_pairs)
            notes |= dict.fromkeys(found)
            caveats |= dict.fromkeys(unknown)
    count = sum(pair.derivation is not None and pair.derivation.fold is not None for pair in pairs)
    notes[f"{count} of {len(pairs)} weights are folded"] = None
    differences = [
        Mismatch(what, f"{where} of block {ranges_of(blocks)}", reason, remedy)
        for (what, where, reason, remedy), blocks in faults.items()
    ]
    return replace(
        report,
        pairs=tuple(pairs),
        mismatches=(*report.mismatches, *(d for d in differences if d.what not in accept)),
        accepted=(*report.accepted, *(d for d in differences if d.what in accept)),
        unverified=(*report.unverified, *caveats),
        notes=(*report.notes, *notes),
    )


def with_same_spread(report: MatchReport) -> MatchReport:
    """The report whose pairs also get W's spread, as the last step."""
    pairs = (
        replace(pair, derivation=replace(pair.derivation or Derivation(), normalise=SameSpread()))
        for pair in report.pairs
    )
    return replace(report, pairs=tuple(pairs))


def _unfoldable(pair: Pair, own: tuple[_Side, int], other: tuple[_Side, int]) -> Iterator[tuple[str, str, str, str]]:
    """(what, where, reason, remedy) of each reason why W = 0, λ = 1 would not compute as the auxiliary does."""
    norms: list[NormBefore | None] = []
    for side, index in (own, other):
        around = side.around(index)
        slot = pair.target if side is own[0] else pair.auxiliary
        if isinstance(around, Unfoldable):
            yield "fold", f"norms of the {side.name}'s blocks", around.reason, around.remedy
            continue
        weight = slot.weight.removeprefix(side.anatomy.paths[index])
        if weight in around.unread:
            yield "fold", f"norm before {pair.role}", f"the {side.name}'s {weight} does not read its tokens", AS_IS
        others = side.others(index, pair.role)
        if others:
            half = "mlp" if _is_mlp(pair.role) else "block"
            reason = f"the {side.name}'s {half} also computes with {', '.join(others)}"
            yield "fold", "canonical form", reason, STAYS
        norms.append(around.norms.get(weight))
    if len(norms) == 2 and _kind(norms[0]) != _kind(norms[1]):
        reason = f"the target has {_kind(norms[0])} before it, the auxiliary {_kind(norms[1])}"
        yield "fold", f"norm before {pair.role}", reason, AS_IS


def _kind(norm: NormBefore | None) -> str:
    return "no norm" if norm is None else KINDS[norm.kind]


def _steps(
    pair: Pair, own: tuple[Surroundings, str], other: tuple[Surroundings, str]
) -> tuple[Fold | None, Unfold | None]:
    """How a pair is folded and unfolded. `own`, `other`: what is around its two weights, and their blocks' paths."""
    steps = []
    kinds = []
    for (around, path), slot in ((own, pair.target), (other, pair.auxiliary)):
        weight = slot.weight.removeprefix(path)
        norm, layer_scale = around.norms.get(weight), around.layer_scales.get(weight)
        kinds.append(_kind(norm))
        norm = None if norm is None else replace(norm, scale=_full(path, norm.scale), shift=_full(path, norm.shift))
        norm = None if norm is None or (norm.scale is None and norm.shift is None) else norm
        steps.append((norm, _full(path, layer_scale)))
    if kinds[0] != kinds[1]:
        return None, None
    unfold = None if steps[0] == (None, None) else Unfold(*steps[0])
    return None if steps[1] == (None, None) else Fold(*steps[1]), unfold


def _full(path: str, name: str | None) -> str | None:
    return None if name is None else path + name


def _differences(own: Surroundings, other: Surroundings) -> Iterator[str]:
    """What differs, though both compute with it: no weight can make up for it."""
    eps = [sorted({n.eps for n in side.norms.values() if n.eps is not None}) for side in (own, other)]
    if all(eps) and eps[0] != eps[1]:
        yield f"ε of the norms differs: {_list(eps[0])} in the target, {_list(eps[1])} in the auxiliary"
    if own.activation and other.activation and own.activation != other.activation:
        yield f"the activation differs: {own.activation} in the target, {other.activation} in the auxiliary"
    if None not in (own.positions, other.positions) and own.positions != other.positions:
        inside = "target" if own.positions else "auxiliary"
        yield f"the {inside}'s blocks handle positions, or mask tokens, the other's do not"


def _compare(
    own: tuple[_Side, int, Surroundings], other: tuple[_Side, int, Surroundings], pairs: list[Pair]
) -> tuple[list[str], list[str]]:
    """What two blocks compute otherwise with equal weights, and what of that cannot be seen."""
    (ours, block, around), (theirs, its, around_other) = own, other
    halves: tuple[dict[Role, tuple[Slot, Slot]], ...] = ({}, {})
    comparable = ours.anatomy.heads.get(block) == theirs.anatomy.heads.get(its)
    for pair in pairs:
        slots = _inside(pair.target, ours.anatomy.paths[block]), _inside(pair.auxiliary, theirs.anatomy.paths[its])
        norms = [_kind(side.norms.get(slot.weight)) for side, slot in zip((around, around_other), slots, strict=True)]
        comparable &= norms[0] == norms[1] and slots[0].shape == slots[1].shape and pair.role is not None
        halves[_is_mlp(pair.role)][pair.role or ""] = slots
    modules = ours.module(block), theirs.module(its)
    unread = around.others or around_other.others or around.unread or around_other.unread
    same = None
    if isinstance(modules[0], nn.Module) and isinstance(modules[1], nn.Module) and comparable and not unread:
        same = compare_blocks((modules[0], around), (modules[1], around_other), *halves)
    order = ["order of attention and mlp"] if all(halves) else []
    if same is None:
        return [], [*(["scale of the attention's scores"] if halves[0] else []), *order]
    attention, mlp, both = same
    notes = [] if attention else [ATTENTION_DIFFERS]
    if not mlp and not (around.activation and around_other.activation and around.activation != around_other.activation):
        notes.append("the mlp computes otherwise with equal weights")
    if attention and mlp:
        return ([] if both else [ORDER_DIFFERS]), []
    return notes, order


def _unknown(own: Surroundings, other: Surroundings) -> Iterator[str]:
    if not all(any(norm.eps is not None for norm in side.norms.values()) for side in (own, other) if side.norms):
        yield "ε of the norms"
    if not (own.activation and other.activation):
        yield "activation of the mlp"
    if own.positions is None or other.positions is None or (own.positions and other.positions):
        yield "handling of positions inside the blocks"


def _is_mlp(role: Role | None) -> bool:
    """Whether a role is one of an mlp, a second one included."""
    return role is not None and role.rpartition(".")[2] in MLP_ROLES


def _list(values: list[float]) -> str:
    return " and ".join(f"{value:g}" for value in values)


def _inside(slot: Slot, path: str) -> Slot:
    bias = None if slot.bias is None else _inside(slot.bias, path)
    return replace(slot, weight=slot.weight.removeprefix(path), bias=bias)
