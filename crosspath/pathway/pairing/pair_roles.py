"""Pair the roles of two models' blocks, and account for every matrix in these."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from crosspath.errors import PathwayError
from crosspath.layouts import ATTENTION_ROLES, ROLES, Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.weight_names import natural
from crosspath.pathway.derivation import Derivation, Step
from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.fitting.kernels import explain_kernels, kernel_step
from crosspath.pathway.fitting.model import ModelFit
from crosspath.pathway.pairing.block_pairs import Blocks, pair_blocks
from crosspath.pathway.pairing.differences import (
    compare_meaning,
    explain,
    explain_gate,
    explain_partial,
    explain_width,
    ranges_of,
)
from crosspath.pathway.pairing.fit_words import describe_fit
from crosspath.pathway.pairing.gates import unverified_gates, with_gates_of
from crosspath.pathway.pairing.selection import Selection
from crosspath.pathway.report import MatchReport, Mismatch, Pair


def pair_roles(
    target: Anatomy,
    auxiliary: Anatomy,
    selection: Selection,
    blocks: Blocks,
    accept: tuple[str, ...],
    fit: Fit | None = None,
) -> MatchReport:
    """Pair the chosen roles of the blocks. What the user named has to pair."""
    target, auxiliary = _comparable_blocks(target, auxiliary)
    block_pairs, mismatches = pair_blocks(target, auxiliary, blocks, fit=fit is not None)
    back = [(theirs, ours) for ours, theirs in block_pairs]
    target, auxiliary = (
        with_gates_of(_with_orders(target, auxiliary, block_pairs), auxiliary, block_pairs),
        with_gates_of(_with_orders(auxiliary, target, back), target, back),
    )
    model = None if fit is None else ModelFit(fit=fit, target=target, auxiliary=auxiliary)
    meaning, caveats = compare_meaning(target, auxiliary, block_pairs, _selected_roles(target, selection))
    caveats += _orders_by_names(target, auxiliary, block_pairs, selection)
    caveats += unverified_gates(target, auxiliary, block_pairs, selection)
    if model is not None:
        meaning = [difference for difference in meaning if difference.what != "heads"]  # `describe_fit` tells them
    meaning += _unpaired_extras(target, auxiliary, block_pairs, selection, fit)
    mismatches += [difference for difference in meaning if difference.what not in accept]
    pairs: list[Pair] = []
    apart: list[tuple[Role, int, int]] = []
    for ours, theirs in block_pairs:
        for role in _roles_to_pair(target, ours, auxiliary, theirs, selection, fit):
            other = role if model is None else model.counterpart(role, ours, theirs)
            if other is None:
                continue  # of a gated mlp beside a plain one
            slot, counterpart = target.slots.get((ours, role)), auxiliary.slots.get((theirs, other))
            if slot is None or counterpart is None or not _fits(target, auxiliary, role, (ours, theirs), model):
                apart.append((role, ours, theirs))
                continue
            step = None if model is None else _step(model, role, ours, theirs)
            derivation = None if step is None else Derivation(fit=step)
            pairs.append(Pair(slot, counterpart, role, target.heads.get(ours), derivation))
    numbers = Counter(pair.role for pair in pairs)
    whole = tuple(role for role, number in numbers.items() if role is not None and number == len(block_pairs))
    faults: dict[tuple[Role, str, str], tuple[Mismatch, list[int]]] = {}
    for role, ours, theirs in apart:
        if model is None and role.startswith("mlp_") and target.has_gate(ours) != auxiliary.has_gate(theirs):
            fault = explain_gate(role, target.has_gate(ours))
        else:
            fault = explain(role, (target, ours), (auxiliary, theirs), whole, fit)
        faults.setdefault((role, fault.reason, fault.remedy), (fault, []))[1].append(ours)
    shapes = [fault for fault, _ in faults.values() if fault.what == "shape"]
    width = None if numbers or fit is not None else explain_width(target, auxiliary, apart, shapes)
    if width is not None:
        # Heads of other sizes follow from it.
        mismatches = [*(fault for fault in mismatches if fault.what != "heads"), width]
    for fault, where in faults.values():
        if width is None or fault.what != "shape":
            mismatches.append(replace(fault, where=f"{fault.where} of block {ranges_of(where)}"))
    keys = {(pair.target.weight, pair.role) for pair in pairs}
    rest = [f"{slot} ({role})" for (_, role), slot in target.slots.items() if (slot.weight, role) not in keys]
    exclusions = [f"{weight} ({reason})" for (_, weight), reason in target.non_matrices.items()]
    others = [f"{name} ({reason})" for name, reason in target.others.items()]
    return MatchReport(
        tuple(sorted(pairs, key=lambda pair: (natural(pair.target.weight), pair.target.start))),
        tuple(mismatches),
        tuple(difference for difference in meaning if difference.what in accept),
        tuple(caveats),
        (*rest, *exclusions, *others) if not mismatches else (),
        (target.layout.name, auxiliary.layout.name),
        coverage=_coverage(target, pairs),
        fitted=() if model is None else tuple(describe_fit(model, block_pairs, pairs)),
    )


def _fits(target: Anatomy, auxiliary: Anatomy, role: Role, blocks: tuple[int, int], model: ModelFit | None) -> bool:
    """Whether the slots of a role, which are there, pair: as they are, or fitted."""
    ours, theirs = blocks
    if model is not None and _kernel_step(model, role, ours, theirs) is not None:
        return True
    if model is not None and role in ROLES:
        return model.step(role, ours, theirs) is None or model.fault(ours, theirs) is None
    alike = target.slots[ours, role].shape == auxiliary.slots[theirs, role].shape
    return alike and not (role.startswith("mlp_") and target.has_gate(ours) != auxiliary.has_gate(theirs))


def _step(model: ModelFit, role: Role, ours: int, theirs: int) -> Step | None:
    """What brings the auxiliary's matrix to the target's shape; None where it has it already."""
    kernel = _kernel_step(model, role, ours, theirs)
    return kernel if kernel is not None or role not in ROLES else model.step(role, ours, theirs)


def _kernel_step(model: ModelFit, role: Role, ours: int, theirs: int) -> Step | None:
    if model.counterpart(role, ours, theirs) != role:
        return None
    return kernel_step((model.target, ours), (model.auxiliary, theirs), role)


def check_lists(target: Anatomy, auxiliary: Anatomy, origins: tuple[str, str], blocks: Blocks) -> None:
    """Raise `PathwayError` where a model has several lists of blocks (an encoder and a decoder) and the other has other
    ones, unless the user chose pairs of blocks.
    """
    if _common_names(target.lists) == _common_names(auxiliary.lists) or not isinstance(blocks, str):
        return
    for side, anatomy, origin in (("target", target, origins[0]), ("auxiliary", auxiliary, origins[1])):
        if len(anatomy.lists) > 1:
            names = [name.partition(".#")[0] for name in anatomy.lists]
            of_list = {name: [i for i, path in anatomy.paths.items() if path.startswith(f"{name}.")] for name in names}
            found = ", ".join(f"{name!r}: blocks {ranges_of(numbers)}" for name, numbers in of_list.items())
            todo = "pass one of these parts of it, or pair blocks with blocks={target block: auxiliary block}"
            raise PathwayError(f"{side} ({origin})", "one list of blocks", f"several ({found})", todo)


def _common_names(lists: tuple[str, ...]) -> tuple[str, ...]:
    """The names of lists, without what all of them begin with."""
    if len(lists) < 2:
        return ("",)
    parts = [name.split(".") for name in lists]
    depth = next((i for i, names in enumerate(zip(*parts, strict=False)) if len(set(names)) > 1), 0)
    return tuple(".".join(part[depth:]) for part in parts)


def _comparable_blocks(target: Anatomy, auxiliary: Anatomy) -> tuple[Anatomy, Anatomy]:
    """Both models; where their other blocks (stages of convolutions) are not of one architecture, only the blocks that
    hold an attention.
    """
    sides = (target, auxiliary)
    others = [[i for i in side.blocks if i not in side.attending] for side in sides]
    alike = len(others[0]) == len(others[1]) and all(
        _same_architecture(target, ours, auxiliary, theirs) for ours, theirs in zip(*others, strict=True)
    )
    if alike or not all(side.attending for side in sides):
        return target, auxiliary
    return (
        replace(target, blocks=tuple(i for i in target.blocks if i in target.attending)),
        replace(auxiliary, blocks=tuple(i for i in auxiliary.blocks if i in auxiliary.attending)),
    )


def _same_architecture(target: Anatomy, ours: int, auxiliary: Anatomy, theirs: int) -> bool:
    """Whether two blocks have matrices of the same names."""
    names = [{name for name, _ in side.matrices.get(i, ())} for side, i in ((target, ours), (auxiliary, theirs))]
    return names[0] == names[1]


def _with_orders(anatomy: Anatomy, other: Anatomy, block_pairs: list[tuple[int, int]]) -> Anatomy:
    """The anatomy, with fused weights divided as those of a block of the same architecture, where only that one's class
    is known (a state dict beside a module).
    """
    slots, ambiguous = dict(anatomy.slots), dict(anatomy.ambiguous)
    for own, its in block_pairs:
        if anatomy.matrices.get(own) != other.matrices.get(its):
            continue
        path, prefix = anatomy.paths[own], other.paths[its]
        if anatomy.by_names and not other.by_names:  # the module shows what a table only supposes
            for role in ATTENTION_ROLES[:3]:
                ambiguity, slot = other.ambiguous.get((its, role)), other.slots.get((its, role))
                before = slots.get((own, role))
                if ambiguity is not None and ambiguity.whole is not None:
                    slots.pop((own, role), None)
                    ambiguous[own, role] = replace(ambiguity, kind=None)
                    before = slots.get((own, ambiguity.whole), before)
                    slots[own, ambiguity.whole] = _move_slot(other.slots[its, ambiguity.whole], before, prefix, path)
                elif slot is not None and before is not None:
                    slots[own, role] = _move_slot(slot, before, prefix, path)
        for role in anatomy.roles(own):
            ambiguity, slot = anatomy.ambiguous.get((own, role)), other.slots.get((its, role))
            if ambiguity is None or ambiguity.whole is None or slot is None or ambiguity.kind is not None:
                continue  # a module of another class may hold another order
            slots[own, role] = _move_slot(slot, slots.get((own, ambiguity.whole)), prefix, path)
            ambiguous.pop((own, role))
            slots.pop((own, ambiguity.whole), None)
    return replace(anatomy, slots=slots, ambiguous=ambiguous)


def _orders_by_names(
    target: Anatomy, auxiliary: Anatomy, block_pairs: list[tuple[int, int]], selection: Selection
) -> list[str]:
    """The orders of the auxiliary's fused weights that neither a class nor a block of the same architecture shows."""
    blocks = []
    for ours, theirs in block_pairs if auxiliary.by_names else ():
        weights = [slot.weight for role in ATTENTION_ROLES[:3] if (slot := auxiliary.slots.get((theirs, role)))]
        if len(set(weights)) < len(weights) and auxiliary.matrices.get(theirs) != target.matrices.get(ours):
            blocks.append(theirs)
    if not blocks or not any(map(selection.includes, ATTENTION_ROLES[:3])):
        return []
    place = f"block {ranges_of(sorted(set(blocks)))}"
    return [f"order of query, key and value in the auxiliary's {place}: by names alone"]


def _move_slot(slot: Slot, before: Slot | None, prefix: str, path: str) -> Slot:
    """The slot of the same name in another block, in place of the one `before`; it has no bias where that has none."""
    bias = None
    if slot.bias is not None and (before is None or before.bias is not None):
        bias = _move_slot(slot.bias, None, prefix, path)
    return replace(slot, weight=path + slot.weight.removeprefix(prefix), bias=bias)


def _selected_roles(target: Anatomy, selection: Selection) -> tuple[Role, ...]:
    return tuple(role for role in dict.fromkeys(role for _, role in target.slots) if selection.includes(role))


def _roles_to_pair(
    target: Anatomy, ours: int, auxiliary: Anatomy, theirs: int, selection: Selection, fit: Fit | None
) -> Iterable[Role]:
    """The chosen roles of two blocks that have to pair; a matrix under its own path does where it can."""
    alike = _same_architecture(target, ours, auxiliary, theirs)
    present = dict.fromkeys((*target.roles(ours), *auxiliary.roles(theirs)))
    explicit = () if selection.group else selection.names
    anywhere = {role for _, role in (*target.slots, *target.ambiguous)}
    candidates = sorted(
        (*present, *(role for role in explicit if role not in present and role not in anywhere)), key=_rank
    )
    for role in dict.fromkeys(candidates):
        if not _is_chosen(role, target, ours, selection):
            continue
        ambiguity, other = target.ambiguous.get((ours, role)), auxiliary.ambiguous.get((theirs, role))
        if ambiguity is not None and alike and ambiguity.pairs_whole(other):
            assert ambiguity.whole is not None
            if _is_chosen(ambiguity.whole, target, ours, selection):
                continue  # the undivided weight pairs
        if role in ROLES or role in explicit or _on_both(target, ours, auxiliary, theirs, role, fit):
            yield role


def _is_chosen(role: Role, anatomy: Anatomy, block: int, selection: Selection) -> bool:
    """Whether a role is chosen; or, where it stands for an undivided weight, all roles that this holds."""
    roles = _open_roles(anatomy, block, role)
    return selection.includes(role) or (bool(roles) and all(map(selection.includes, roles)))


def _open_roles(anatomy: Anatomy, block: int, whole: Role) -> list[Role]:
    """The roles that an undivided weight holds."""
    return [role for (i, role), ambiguity in anatomy.ambiguous.items() if i == block and ambiguity.whole == whole]


def _rank(role: Role) -> tuple[int, str]:
    return (ROLES.index(role), "") if role in ROLES else (len(ROLES), role)


def _on_both(target: Anatomy, ours: int, auxiliary: Anatomy, theirs: int, role: Role, fit: Fit | None) -> bool:
    """Whether both blocks have this role of a second attention or mlp, or this path in one architecture."""
    slot, counterpart = target.slots.get((ours, role)), auxiliary.slots.get((theirs, role))
    if role.rpartition(".")[2] in ROLES:
        return slot is not None and counterpart is not None
    for ambiguity in (a for (i, _), a in target.ambiguous.items() if i == ours and a.whole == role):
        others = (a for (i, _), a in auxiliary.ambiguous.items() if i == theirs and a.whole == role)
        if not all(ambiguity.pairs_whole(other) for other in others):
            return False
    if slot is None or counterpart is None or not _same_architecture(target, ours, auxiliary, theirs):
        return False
    kernels_fit = fit is not None and kernel_step((target, ours), (auxiliary, theirs), role) is not None
    return slot.shape == counterpart.shape or kernels_fit


def _unpaired_extras(
    target: Anatomy,
    auxiliary: Anatomy,
    block_pairs: list[tuple[int, int]],
    selection: Selection,
    fit: Fit | None,
) -> list[Mismatch]:
    """Chosen matrices without a role, or with one of a second attention or mlp, that the other block has not."""
    weights: dict[tuple[str, str, tuple[int, ...]], list[int]] = {}
    kernels: list[str | None] = []
    undivided: list[str] = []
    for ours, theirs in block_pairs:
        alike = _same_architecture(target, ours, auxiliary, theirs)
        for side, anatomy, block in (("target", target, ours), ("auxiliary", auxiliary, theirs)):
            for role in anatomy.roles(block):
                slot, inside = anatomy.slots.get((block, role)), _open_roles(anatomy, block, role)
                if slot is None or role in ROLES or not selection.group or any(each in ROLES for each in inside):
                    continue  # of those of the main attention or mlp, each role says why it does not pair
                chosen = _is_chosen(role, anatomy, block, selection)
                if chosen and not _on_both(target, ours, auxiliary, theirs, role, fit):
                    path = slot.weight.removeprefix(anatomy.paths[block])
                    undivided += [path] if inside else []
                    where = weights.setdefault((side, path, slot.shape), [])
                    where += [] if ours in where else [ours]
                    if alike and side == "target" and (theirs, role) in auxiliary.slots:
                        sides = (target, ours), (auxiliary, theirs)
                        kernels.append(None if kernel_step(*sides, role) else explain_kernels(*sides, role))
    return explain_partial(weights, target, auxiliary, kernels, fit, undivided)


def _coverage(target: Anatomy, pairs: Iterable[Pair]) -> float:
    """The share of the entries of all blocks' matrices that pair."""
    total = sum(math.prod(shape) for matrices in target.matrices.values() for _, shape in matrices)
    return sum(math.prod(pair.target.shape) for pair in pairs) / total if total else 0.0
