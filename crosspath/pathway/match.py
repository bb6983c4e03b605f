"""Pair target weights with auxiliary weights, all of them before anything is touched."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import Literal

from torch import nn

from crosspath.errors import PathwayError
from crosspath.layouts import ATTENTION_ROLES, MLP_ROLES, ROLES, Layout, Role
from crosspath.pathway.auxiliary import open_auxiliary
from crosspath.pathway.block_pairs import Blocks, pair_blocks
from crosspath.pathway.by_name import Names, match_names
from crosspath.pathway.differences import compare_meaning, explain, ranges_of
from crosspath.pathway.locate import Anatomy, locate
from crosspath.pathway.report import MatchReport, Mismatch, Pair
from crosspath.pathway.resolve_layout import resolve_layout
from crosspath.pathway.sources import AuxiliarySource, ModuleSource, Source, quantised_in

Roles = Literal["all", "attention", "mlp"] | Iterable[str]

GROUPS: dict[str, tuple[Role, ...]] = {"all": ROLES, "attention": ATTENTION_ROLES, "mlp": MLP_ROLES}
"""Roles that one word chooses; a role of these that neither model has is no mismatch."""

ACCEPTABLE = ("heads", "norm")
"""Differences of meaning that a user may accept; differences of shape cannot be accepted."""


def match(
    target: nn.Module,
    auxiliary: AuxiliarySource,
    *,
    roles: Roles = "all",
    names: Names = None,
    blocks: Blocks = "same",
    accept: Iterable[str] = (),
    target_layout: Layout | str | None = None,
    auxiliary_layout: Layout | str | None = None,
) -> MatchReport:
    """Every weight that would pair, every one that would not, and why. Touches nothing.

    Parameters
    ----------
    target, auxiliary
        A module; and a module, a state dict, or the path of a safetensors file.
    roles
        `all`, `attention`, `mlp`, or a set of `query`, `key`, `value`, `attention_output`, `mlp_in`, `mlp_out`.
    names
        Instead of roles: a regular expression searched in the names of weights that have two dimensions or more, a
        list of exact names (any weight: Linear, Conv1d to Conv3d, Embedding), or {target name: auxiliary name}.
    blocks
        `same` (block i with block i), `reversed`, `spread` (by relative depth: first with first, last with last, in
        between the nearest), `repeat` (the auxiliary's blocks in their order, then from its first again), or
        {target block: auxiliary block}. Blocks in stages are numbered consecutively through all stages; `spread` and
        `repeat` pair stage by stage.
    accept
        Differences of meaning to accept: `heads`, `norm`.
    target_layout, auxiliary_layout
        The layout of that side, where it is not recognised automatically: its name, the result of `layout_named`, or a
        `Layout` of your own.

    Raises
    ------
    PathwayError
        For unknown roles, blocks, layouts or names of differences, stages that cannot be paired, a layout that fits
        nowhere or at several places, or a source that cannot be read.
    """
    differences = _check(accept, ACCEPTABLE, "accept")
    target_source, auxiliary_source = ModuleSource(target), open_auxiliary(auxiliary)
    layouts = resolve_layout(target_layout, "target_layout"), resolve_layout(auxiliary_layout, "auxiliary_layout")
    if names is not None:
        if roles != "all" or blocks != "same" or layouts != (None, None):
            expected, todo = "no roles=, blocks= or layouts beside it", "use names=, or the others"
            raise PathwayError("names", expected, "some", todo)
        return _check_quantisation(target_source, auxiliary_source, match_names(target_source, auxiliary_source, names))
    selection = _select_roles(roles)
    anatomies = locate(target_source, layouts[0]), locate(auxiliary_source, layouts[1])
    for side, source, layout, anatomy in zip(
        ("target", "auxiliary"), (target_source, auxiliary_source), layouts, anatomies, strict=True
    ):
        where = f"{side} ({source.origin})"
        if anatomy is None and (weights := quantised_in(source)):
            raise PathwayError(where, *_explain_quantisation(weights, side))
        if anatomy is None:
            expected = "blocks of a known layout" if layout is None else f"blocks of the layout {layout.name!r}"
            todo = f"describe them with {side}_layout=, or choose weights with names="
            raise PathwayError(where, expected, "none", todo)
    ours, theirs = anatomies
    assert ours is not None
    assert theirs is not None
    explicit = not (isinstance(roles, str) and roles in GROUPS)
    report = _match_roles(ours, theirs, selection, explicit, blocks, differences)
    return _check_quantisation(target_source, auxiliary_source, report)


def _check_quantisation(target: Source, auxiliary: Source, report: MatchReport) -> MatchReport:
    """The same report; where it has mismatches and a side has quantised weights, these come first."""
    if not report.mismatches:
        return report
    first = []
    for side, source in (("target", target), ("auxiliary", auxiliary)):
        names = quantised_in(source)
        if names:
            expected, found, todo = _explain_quantisation(names, side)
            reason = f"expected {expected}, found {found}"
            first.append(Mismatch("quantised", f"weights of the {side}", reason, todo))
    return replace(report, mismatches=(*first, *report.mismatches))


def _explain_quantisation(names: list[str], side: str) -> tuple[str, str, str]:
    """(expected, found, what to do)."""
    todo = "connect and merge before quantising" if side == "target" else "pass it as it was before quantising"
    return "floating-point weights", f"{len(names)} quantised ones, such as {names[0]}", todo


def _match_roles(
    target: Anatomy,
    auxiliary: Anatomy,
    roles: tuple[Role, ...],
    explicit: bool,
    blocks: Blocks,
    accept: tuple[str, ...],
) -> MatchReport:
    """Pair these roles of the blocks. `explicit`: the user named each of them, so that every one has to pair."""
    block_pairs, mismatches = pair_blocks(target, auxiliary, blocks)
    meaning, unverified = compare_meaning(target, auxiliary, block_pairs, roles)
    mismatches += [difference for difference in meaning if difference.what not in accept]
    pairs: list[Pair] = []
    apart: list[tuple[Role, int, int]] = []
    for ours, theirs in block_pairs:
        for role in roles:
            slot, counterpart = target.slots.get((ours, role)), auxiliary.slots.get((theirs, role))
            if slot is not None and counterpart is not None and slot.shape == counterpart.shape:
                pairs.append(Pair(slot, counterpart, role, target.heads.get(ours)))
                continue
            ambiguous = (ours, role) in target.ambiguous or (theirs, role) in auxiliary.ambiguous
            if slot is None and counterpart is None and not explicit and not ambiguous:
                continue  # "all" means all there are
            apart.append((role, ours, theirs))
    numbers = Counter(pair.role for pair in pairs)
    whole = tuple(role for role in roles if block_pairs and numbers[role] == len(block_pairs))
    faults: dict[tuple[Role, str, str], tuple[Mismatch, list[int]]] = {}
    for role, ours, theirs in apart:
        fault = explain(role, (target, ours), (auxiliary, theirs), whole)
        faults.setdefault((role, fault.reason, fault.remedy), (fault, []))[1].append(ours)
    for fault, where in faults.values():
        mismatches.append(replace(fault, where=f"{fault.where} of block {ranges_of(where)}"))
    pair_keys = {(pair.target.weight, pair.role) for pair in pairs}
    unpaired = [f"{slot} ({role})" for (_, role), slot in target.slots.items() if (slot.weight, role) not in pair_keys]
    return MatchReport(
        tuple(sorted(pairs, key=lambda pair: (_natural(pair.target.weight), pair.target.start))),
        tuple(mismatches),
        tuple(difference for difference in meaning if difference.what in accept),
        tuple(unverified),
        tuple(unpaired) if not mismatches else (),
        (target.layout.name, auxiliary.layout.name),
    )


def _select_roles(roles: Roles) -> tuple[Role, ...]:
    if isinstance(roles, str):
        if roles in GROUPS:
            return GROUPS[roles]
        roles = (roles,)
    names = _check(roles, ROLES, "roles")
    if not names:
        raise PathwayError("roles", "at least one role", "none", "name one, or leave roles= out")
    return tuple(role for role in ROLES if role in names)


def _check(names: Iterable[str], allowed: tuple[str, ...], argument: str) -> tuple[str, ...]:
    """The names as a tuple. Raises `PathwayError` for one that is not allowed."""
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        if name not in allowed:
            near = get_close_matches(name, allowed, n=1)
            todo = f"did you mean {near[0]}?" if near else "choose one of these"
            raise PathwayError(argument, ", ".join(allowed), repr(name), todo)
    return names


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key under which block 10 follows block 9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
