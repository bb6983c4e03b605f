"""Why two blocks do not pair: roles without a counterpart, and equal shapes that mean different things."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crosspath.layouts import ATTENTION_ROLES, LAYOUTS, ROLES, Role
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.fitting.fit import FITS, Fit
from crosspath.pathway.fitting.model import fit_fault
from crosspath.pathway.report import Mismatch
from crosspath.pathway.sources.heads import Heads

FIT_IT = f'fit it with fit="{FITS[0]}" ({", ".join(FITS[1:])})'

OTHER_BLOCKS = "pair other blocks with blocks={target block: auxiliary block}"


def explain(
    role: Role,
    target: tuple[Anatomy, int],
    auxiliary: tuple[Anatomy, int],
    whole: tuple[Role, ...] = (),
    fit: Fit | None = None,
) -> Mismatch:
    """Why this role of a target block does not pair with an auxiliary block. `whole`: roles that all blocks pair."""
    reasons, remedies, what = [], [], "shape"
    sides = (("target", target), ("auxiliary", auxiliary))
    absent = [side for side, (anatomy, _) in sides if anatomy.layout.absent.get(role)]
    missing = []
    for side, (anatomy, block) in sides:
        slot, ambiguity = anatomy.slots.get((block, role)), anatomy.ambiguous.get((block, role))
        if ambiguity is not None:
            what = "order"
            reasons.append(f"{side}'s {ambiguity.reason}")
            remedies.append(ambiguity.remedy.replace("{side}", side))
        elif slot is None:
            what = "missing" if what == "shape" else what
            absence = anatomy.layout.absent.get(role)
            reasons.append(f"{side} no such weight" + (f" ({absence})" if absence else ""))
            missing.append(side)
        else:
            reasons.append(f"{side} {slot.shape}")
    if what != "order" and whole:
        remedies.append("choose roles={" + ", ".join(f'"{other}"' for other in whole) + "}")
    if what == "missing" and not absent:
        remedies.append("say where it is with " + " and ".join(f"{side}_layout=" for side in missing))
    elif what == "shape":
        fault = None if role not in ROLES else fit_fault(target, auxiliary)
        if fault is None and role in ROLES:
            remedies.insert(0, FIT_IT)
        elif fit is not None:
            reasons.append(f"and cannot be fitted: expected {fault or 'a role of the main attention or mlp'}")
            remedies[:0] = _remedies_of_heads(sides) if role in ROLES else ()
        remedies += _remedies_of_shape(role, target, auxiliary[0], alone=not whole)
    if not remedies:
        remedies.append("choose weights with names=")
    return Mismatch(what, role, ", ".join(reasons), ", or ".join(remedies) if what != "order" else "; ".join(remedies))


def _remedies_of_heads(sides: Iterable[tuple[str, tuple[Anatomy, int]]]) -> Iterator[str]:
    """How to state the heads that a fit needs."""
    for side, (anatomy, block) in sides:
        if block not in anatomy.heads and (block, "query") in anatomy.slots:
            if anatomy.layout.name in (layout.name for layout in LAYOUTS):
                yield f"state them with {side}_layout=crosspath.layout_named({anatomy.layout.name!r}, heads=NUMBER)"
            else:
                yield f"pass the {side} as a module, or as a folder whose config states them"


def _remedies_of_shape(role: Role, target: tuple[Anatomy, int], auxiliary: Anatomy, *, alone: bool) -> Iterator[str]:
    """`alone`: no other role pairs either."""
    shape = target[0].slots[target[1], role].shape
    if any(other == role and slot.shape == shape for (_, other), slot in auxiliary.slots.items()):
        yield OTHER_BLOCKS
    elif alone:
        yield f"use an auxiliary whose {role} has the target's shape"


def explain_width(
    target: Anatomy, auxiliary: Anatomy, apart: Iterable[tuple[Role, int, int]], shapes: Sequence[Mismatch]
) -> Mismatch | None:
    """That one model is wider than the other, in place of a line for each role; None where that is not why.

    `apart` are the roles of (target block, auxiliary block) that do not pair, and `shapes` what is said of them.
    """
    widths = {
        (_width(target, ours, role), _width(auxiliary, theirs, role)): None
        for role, ours, theirs in apart
        if role in (*ATTENTION_ROLES[:3], "mlp_in")
    }
    pairs = [(ours, theirs) for ours, theirs in widths if ours is not None and theirs is not None and ours != theirs]
    if not pairs or len(pairs) != len(widths) or any(OTHER_BLOCKS in fault.remedy for fault in shapes):
        return None
    several = "" if len(pairs) == 1 else " (and other widths in other blocks)"
    reason = f"target is {pairs[0][0]} wide, auxiliary {pairs[0][1]}{several}, so that no weight of the blocks fits"
    fitting = f"{FIT_IT}, or " if shapes and all(FIT_IT in fault.remedy for fault in shapes) else ""
    remedy = f"{fitting}use an auxiliary that is {pairs[0][0]} wide (embed_dim in timm, hidden_size in transformers)"
    return Mismatch("width", "width", reason, remedy)


def _width(anatomy: Anatomy, block: int, role: Role) -> int | None:
    """What a block's weight of this role reads."""
    slot = anatomy.slots.get((block, role))
    return None if slot is None else slot.shape[1]


def explain_gate(role: Role, target_has_gate: bool) -> Mismatch:
    """Why this weight of a gated mlp and that of a plain one mean different things."""
    kinds = ("gated", "plain") if target_has_gate else ("plain", "gated")
    reason = f"target's mlp is {kinds[0]}, auxiliary's is {kinds[1]}"
    return Mismatch("gate", role, reason, f"{FIT_IT}, or leave the mlp out with roles='attention'")


def explain_partial(
    weights: Mapping[tuple[str, str, tuple[int, ...]], list[int]],
    target: Anatomy,
    auxiliary: Anatomy,
    kernels: Iterable[str | None] = (),
    fit: Fit | None = None,
    undivided: Iterable[str] = (),
) -> list[Mismatch]:
    """What to say of matrices {(side, name inside the block, shape): target blocks} that the other model has not.
    `kernels`: of those that it has in another shape, why `fit` cannot bring it to the target's; None where it can.
    `undivided`: names of those that hold several roles, in an order that nothing states.
    """
    kernels = list(kernels)
    faults = list(dict.fromkeys(fault for fault in kernels if fault is not None))
    mismatches = []
    for side, other, anatomy in (("target", "auxiliary", target), ("auxiliary", "target", auxiliary)):
        names = dict.fromkeys(f"{name} {shape}" for own, name, shape in weights if own == side)
        where = sorted({block for (own, _, _), blocks in weights.items() if own == side for block in blocks})
        if not names:
            continue
        reason = f"{side}'s {', '.join(names)} {'has' if len(names) == 1 else 'have'} no counterpart in the {other}"
        fused = [name for name in dict.fromkeys(undivided) if name in {name for own, name, _ in weights if own == side}]
        if fused:
            reason += f" ({', '.join(fused)} holds several roles in an order that nothing states)"
        if fit is not None and faults:
            reason += f", and cannot be fitted: expected {faults[0]}"
        remedy = 'accept={"partial"} pairs the rest'
        if fit is None and None in kernels:
            remedy = f"{FIT_IT}; {remedy}"
        if not {"query", "mlp_in"} <= {role for _, role in anatomy.slots}:
            example = next(name for own, name, _ in weights if own == side)
            line = layout_line(side, next(iter(anatomy.paths.values())), example, "?")
            remedy += f"; or name every role of a block: {line}"
        mismatches.append(Mismatch("partial", f"block {ranges_of(where)}", reason, remedy))
    return mismatches


def layout_line(side: str, block: str, weight: str, role: str = "query") -> str:
    """The argument that describes a model's blocks by hand, with one role to begin with ("?": one to be named)."""
    name = repr(block.rstrip(".").rstrip("0123456789")) if block else None
    roles = f"{{{role!r}: crosspath.Place(weight={weight!r})}}"
    return f"{side}_layout=crosspath.Layout(name='mine', block={name}, roles={roles})"


def compare_meaning(
    target: Anatomy, auxiliary: Anatomy, block_pairs: list[tuple[int, int]], roles: tuple[Role, ...]
) -> tuple[list[Mismatch], list[str]]:
    """Differences in what equal shapes mean, and what could not be checked."""
    differences: list[Mismatch] = []
    caveats: list[str] = []
    if any(role in ATTENTION_ROLES for role in roles):
        by_counts: dict[tuple[str, str], list[int]] = {}
        for ours, theirs in block_pairs:
            if not all(
                any((block, role) in side.slots for role in ATTENTION_ROLES)
                for side, block in ((target, ours), (auxiliary, theirs))
            ):
                continue  # nothing attends here
            if ours not in target.heads or theirs not in auxiliary.heads:
                caveats.append(f"head count of block {ours}")
                continue
            counts = _heads(target, ours), _heads(auxiliary, theirs)
            both = ours in target.key_value_heads and theirs in auxiliary.key_value_heads
            if target.heads[ours] != auxiliary.heads[theirs] or (both and counts[0] != counts[1]):
                by_counts.setdefault(counts, []).append(ours)
        for (ours_heads, theirs_heads), where in by_counts.items():
            reason = f"target has {ours_heads} heads, auxiliary has {theirs_heads}"
            remedy = 'the rows of q, k and v then mean different things; accept={"heads"} pairs them anyway'
            differences.append(Mismatch("heads", f"heads of block {ranges_of(where)}", reason, remedy))
    norms, unknown = _compare_norms(target, auxiliary, block_pairs)
    if unknown:
        blocks = "" if len(unknown) == len(block_pairs) else f" of block {ranges_of(unknown)}"
        caveats.append(f"norm placement{blocks}")
    return differences + norms, caveats


def _heads(anatomy: Anatomy, block: int) -> str:
    return str(Heads(anatomy.heads[block], anatomy.key_value_heads.get(block, anatomy.heads[block])))


def _compare_norms(
    target: Anatomy, auxiliary: Anatomy, block_pairs: list[tuple[int, int]]
) -> tuple[list[Mismatch], list[int]]:
    """Differences in where the blocks normalise, and the blocks of which it is not known."""
    different: dict[tuple[str, str], list[int]] = {}
    unknown = []
    for ours, theirs in block_pairs:
        if ours in target.normless or theirs in auxiliary.normless:
            continue
        placements = target.norms.get(ours, target.norm), auxiliary.norms.get(theirs, auxiliary.norm)
        if placements[0] is not None and placements[1] is not None and placements[0] != placements[1]:
            different.setdefault((placements[0], placements[1]), []).append(ours)
        elif ours not in target.norms or theirs not in auxiliary.norms:
            unknown.append(ours)  # that two layouts say the same proves nothing of these models
    return [
        Mismatch(
            "norm",
            "norm placement" + (f" of block {ranges_of(where)}" if len(where) < len(block_pairs) else ""),
            f"target's blocks are {ours_norm}-norm, auxiliary's {theirs_norm}-norm",
            'accept={"norm"} pairs them anyway',
        )
        for (ours_norm, theirs_norm), where in different.items()
    ], unknown


def ranges_of(indices: Iterable[int]) -> str:
    """0, 1, 2, 5 as `0-2, 5`."""
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
