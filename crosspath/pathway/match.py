"""Pair target weights with auxiliary weights, completely and before anything is touched."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Literal

from torch import nn

from crosspath.errors import PathwayError
from crosspath.layouts import ATTENTION_ROLES, MLP_ROLES, ROLES, Layout, Role
from crosspath.pathway.by_name import Names, match_names
from crosspath.pathway.differences import fault_of, meaning_of, ranges_of
from crosspath.pathway.locate import WRAPPED, Anatomy, locate
from crosspath.pathway.quantised import quantised_in
from crosspath.pathway.report import MatchReport, Mismatch, Pair
from crosspath.pathway.resolve_layout import resolve_layout
from crosspath.pathway.sources import AuxiliarySource, ModuleSource, Source, open_source

Roles = Literal["all", "attention", "mlp"] | Iterable[str]
Blocks = Literal["same", "reversed"] | Mapping[int, int]

GROUPS: dict[str, tuple[Role, ...]] = {"all": ROLES, "attention": ATTENTION_ROLES, "mlp": MLP_ROLES}
"""Roles that are chosen by one word; of these, what neither model has is no fault."""

ACCEPTABLE = ("heads", "norm")
"""Differences of meaning that a user may accept; differences of shape cannot be."""


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
        `same` (block i with block i), `reversed`, or {target block: auxiliary block}. Blocks that stand in stages are
        numbered through all of them.
    accept
        Differences of meaning the user accepts: `heads`, `norm`.
    target_layout, auxiliary_layout
        Where the roles live on that side, instead of the layout that is found: a known layout's name, what
        `layout_named` gives, or a `Layout` of your own.

    Raises
    ------
    PathwayError
        For unknown roles, layouts or names of differences, a layout that fits nowhere or at several places, or a source
        that cannot be read.
    """
    accepted = _checked(accept, ACCEPTABLE, "accept")
    target_source, auxiliary_source = ModuleSource(target), open_source(auxiliary)
    layouts = resolve_layout(target_layout, "target_layout"), resolve_layout(auxiliary_layout, "auxiliary_layout")
    if names is not None:
        if roles != "all" or blocks != "same" or layouts != (None, None):
            raise PathwayError(
                "names: expected no roles, blocks or layouts beside it, found some; choose by one of the two"
            )
        return _with_quantised(target_source, auxiliary_source, match_names(target_source, auxiliary_source, names))
    chosen = _chosen_roles(roles)
    if any(WRAPPED in name for name in auxiliary_source.shapes()):
        raise PathwayError(
            f"auxiliary ({auxiliary_source.origin}): expected plain weights, found adapters beside them; merge the "
            "adapters first, or choose weights with names="
        )
    anatomies = locate(target_source, layouts[0]), locate(auxiliary_source, layouts[1])
    for side, source, layout, anatomy in zip(
        ("target", "auxiliary"), (target_source, auxiliary_source), layouts, anatomies, strict=True
    ):
        if anatomy is None and (quantised := quantised_in(source)):
            raise PathwayError(f"{side} ({source.origin}): {'; '.join(_in_words(quantised, side))}")
        if anatomy is None:
            wanted = "blocks of a known layout" if layout is None else f"blocks as {layout.name!r} keeps them"
            raise PathwayError(
                f"{side} ({source.origin}): expected {wanted}, found none; describe them with {side}_layout=, or "
                "choose weights with names="
            )
    ours, theirs = anatomies
    assert ours is not None
    assert theirs is not None
    named = not (isinstance(roles, str) and roles in GROUPS)
    report = _match_roles(ours, theirs, chosen, named, blocks, accepted)
    return _with_quantised(target_source, auxiliary_source, report)


def _with_quantised(target: Source, auxiliary: Source, report: MatchReport) -> MatchReport:
    """The same report; where something does not pair and a side has quantised weights, that comes first."""
    if not report.mismatches:
        return report
    found = (("target", quantised_in(target)), ("auxiliary", quantised_in(auxiliary)))
    first = (Mismatch("quantised", f"weights of the {side}", *_in_words(names, side)) for side, names in found if names)
    return replace(report, mismatches=(*first, *report.mismatches))


def _in_words(quantised: list[str], side: str) -> tuple[str, str]:
    """(What is wrong with quantised weights on this side, what to do)."""
    reason = f"expected floating-point weights, found {len(quantised)} quantised ones, such as {quantised[0]}"
    return reason, "connect and merge before quantising" if side == "target" else "give it as it was before quantising"


def _match_roles(
    target: Anatomy, auxiliary: Anatomy, chosen: tuple[Role, ...], named: bool, blocks: Blocks, accept: tuple[str, ...]
) -> MatchReport:
    block_pairs, mismatches = _block_pairs(target, auxiliary, blocks)
    meaning, unverified = meaning_of(target, auxiliary, block_pairs, chosen)
    mismatches += [difference for difference in meaning if difference.what not in accept]
    pairs: list[Pair] = []
    faults: dict[tuple[Role, str, str], tuple[Mismatch, list[int]]] = {}
    for ours, theirs in block_pairs:
        for role in chosen:
            slot, counterpart = target.slots.get((ours, role)), auxiliary.slots.get((theirs, role))
            if slot is not None and counterpart is not None and slot.shape == counterpart.shape:
                pairs.append(Pair(slot, counterpart, role, target.heads.get(ours)))
                continue
            unclear = (ours, role) in target.unclear or (theirs, role) in auxiliary.unclear
            if slot is None and counterpart is None and not named and not unclear:
                continue  # "all" means all there are
            fault = fault_of(role, (target, ours), (auxiliary, theirs))
            faults.setdefault((role, fault.reason, fault.remedy), (fault, []))[1].append(ours)
    for fault, where in faults.values():
        mismatches.append(replace(fault, where=f"{fault.where} of block {ranges_of(where)}"))
    paired = {(pair.target.weight, pair.role) for pair in pairs}
    left = [f"{slot} ({role})" for (_, role), slot in target.slots.items() if (slot.weight, role) not in paired]
    return MatchReport(
        tuple(sorted(pairs, key=lambda pair: (_natural(pair.target.weight), pair.target.start))),
        tuple(mismatches),
        tuple(difference for difference in meaning if difference.what in accept),
        tuple(unverified),
        tuple(left) if not mismatches else (),
        (target.layout.name, auxiliary.layout.name),
    )


def _block_pairs(target: Anatomy, auxiliary: Anatomy, blocks: Blocks) -> tuple[list[tuple[int, int]], list[Mismatch]]:
    if isinstance(blocks, Mapping):
        unknown = [
            f"{side} block {index}"
            for side, indices, known in (
                ("target", blocks.keys(), target.blocks),
                ("auxiliary", blocks.values(), auxiliary.blocks),
            )
            for index in indices
            if index not in known
        ]
        if unknown:
            depths = f"blocks 0 to {target.blocks[-1]} of the target, 0 to {auxiliary.blocks[-1]} of the auxiliary"
            raise PathwayError(f"blocks: expected {depths}, found {', '.join(unknown)}; correct the pairs")
        return sorted(blocks.items()), []
    if blocks not in ("same", "reversed"):
        raise PathwayError(f"blocks: expected same, reversed or {{target block: auxiliary block}}, found {blocks!r}")
    if len(target.blocks) != len(auxiliary.blocks):
        longer, side = max((target.blocks, "target"), (auxiliary.blocks, "auxiliary"), key=lambda entry: len(entry[0]))
        depth = min(len(target.blocks), len(auxiliary.blocks))
        unpaired = ", ".join(f"{side} block {index}" for index in longer[depth:])
        mismatch = Mismatch(
            "depth",
            "depth",
            f"target has {len(target.blocks)} blocks, auxiliary has {len(auxiliary.blocks)}; unpaired: {unpaired}",
            "choose pairs with blocks={target block: auxiliary block}",
        )
        return list(zip(target.blocks, auxiliary.blocks, strict=False)), [mismatch]
    theirs = auxiliary.blocks[::-1] if blocks == "reversed" else auxiliary.blocks
    return list(zip(target.blocks, theirs, strict=True)), []


def _chosen_roles(roles: Roles) -> tuple[Role, ...]:
    if isinstance(roles, str):
        if roles in GROUPS:
            return GROUPS[roles]
        roles = (roles,)
    chosen = _checked(roles, ROLES, "roles")
    if not chosen:
        raise PathwayError("roles: expected at least one role, found none")
    return tuple(role for role in ROLES if role in chosen)


def _checked(given: Iterable[str], known: tuple[str, ...], argument: str) -> tuple[str, ...]:
    values = (given,) if isinstance(given, str) else tuple(given)
    for value in values:
        if value not in known:
            near = get_close_matches(value, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise PathwayError(f"{argument}: expected {', '.join(known)}, found {value!r}{hint}")
    return values


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key under which block 10 follows block 9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
