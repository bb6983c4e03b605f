"""Connect a target with one or more auxiliaries, in place."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, cast

import torch
from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.files import sha256_of_file, sha256_of_tensors
from crosspath.layouts import Layout
from crosspath.pathway.assemble import Group, ScalePer, copied, groups_of, piece_of, spread_of
from crosspath.pathway.by_name import Names
from crosspath.pathway.handle import Origin, Pathways
from crosspath.pathway.match import Blocks, Roles, match
from crosspath.pathway.parameters import connections, holders
from crosspath.pathway.parametrization import is_sharded
from crosspath.pathway.quantised import is_quantised
from crosspath.pathway.report import MatchReport, Pair
from crosspath.pathway.slot import read_entries
from crosspath.pathway.sources import AuxiliarySource, Source, open_source
from crosspath.pathway.stage import Staged, attach_all

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def connect(
    target: nn.Module,
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource],
    *,
    roles: Roles = "all",
    names: Names = None,
    blocks: Blocks = "same",
    accept: Iterable[str] = (),
    scale_init: float = 0.0,
    scale_per: ScalePer = "layer",
    train_scale: bool = True,
    train_auxiliary: bool = True,
    bias: bool = False,
    target_layout: Layout | str | None = None,
    auxiliary_layout: Layout | str | Mapping[str, Layout | str] | None = None,
) -> Pathways:
    """Make the target compute with W + λ·W' (M2PT, section 3.2), in place.

    The auxiliary is copied from and never altered. A second call adds to what is there. Auxiliaries follow the
    target's device and dtype; what is frozen in the target stays frozen.

    Parameters
    ----------
    auxiliary
        A module, a state dict, the path of a safetensors file, or {name: any of these}. Unnamed, it is called
        `auxiliary` (then `auxiliary_2`, and so on).
    roles, names, blocks, accept
        Which weights, and which differences are accepted: see `match`.
    scale_init
        λ at the start; 0 leaves the target's function as it is.
    scale_per
        One λ per `layer` (a fused qkv is one layer), per `role` (q, k, v apart), per `head` (rows of q, k, v and
        columns of the attention output; one λ for mlp weights), or per `channel` (output rows).
    train_scale, train_auxiliary
        Whether λ and W' require gradients. The paper trains both.
    bias
        Also b + λ·b' with the same λ (`scale_per` layer and role); where one side has no bias it is listed in the
        report.
    target_layout, auxiliary_layout
        Layouts named by hand instead of found: see `match`. Of several auxiliaries `auxiliary_layout` may name each
        one's: {auxiliary name: layout}.

    Raises
    ------
    PathwayError
        When anything chosen does not pair or differs in meaning (all mismatches in one message), an auxiliary holds
        values that are not finite, a name is taken, a weight is shared by several modules, sharded, quantised or
        computed by another parametrization. The target is untouched.
    """
    if scale_per not in ("layer", "role", "head", "channel"):
        raise PathwayError(f"scale_per: expected layer, role, head or channel, found {scale_per!r}")
    if bias and scale_per not in ("layer", "role"):
        raise PathwayError(
            f"bias: expected scale_per layer or role beside it, found {scale_per!r}; leave one of them out"
        )
    if not math.isfinite(scale_init):
        raise PathwayError(f"scale_init: expected a finite number, found {scale_init!r}")
    held = {name for _, pathway in connections(target) for name in pathway.spreads}
    layouts = _layouts(auxiliary_layout, auxiliary)
    accept = (accept,) if isinstance(accept, str) else tuple(accept)
    roles = roles if isinstance(roles, str) else tuple(roles)
    names = names if names is None or isinstance(names, str | Mapping) else tuple(names)
    planned: list[tuple[str, Source, MatchReport, list[Group]]] = []
    faults: list[str] = []
    for name, given in _named(auxiliary, held):
        source = open_source(given)
        report = match(
            target,
            given,
            roles=roles,
            names=names,
            blocks=blocks,
            accept=accept,
            target_layout=target_layout,
            auxiliary_layout=layouts.get(name) if isinstance(layouts, Mapping) else layouts,
        )
        groups = list(groups_of(target, report, bias))
        faults += [f"{name}: {fault}" for fault in (*report.mismatches, *_unfit(target, source, groups, scale_per))]
        if not report.pairs and not report.mismatches:
            faults.append(f"{name}: nothing was chosen; change roles=, names= or blocks=")
        planned.append((name, source, report, groups))
    if faults:
        raise PathwayError("\n".join(faults))

    staged: list[Staged] = []
    origins: dict[str, Origin] = {}
    options = {
        "scale_init": scale_init,
        "scale_per": scale_per,
        "train_scale": train_scale,
        "train_auxiliary": train_auxiliary,
        "bias": bias,
    }
    for name, source, _, groups in planned:
        parts = [_staged(name, group, source, scale_init, scale_per) for group in groups]
        for part in parts:
            part.values.requires_grad_(train_auxiliary)
            if isinstance(part.scale, nn.Parameter):
                part.scale.requires_grad_(train_scale)
        staged += parts
        origins[name] = _origin(source, options, None if train_auxiliary else parts)
    attach_all(staged)
    handle = Pathways(target)
    for name, _, report, _ in planned:
        handle.record(name, origins[name], report)
    return handle


def _staged(name: str, group: Group, source: Source, scale_init: float, scale_per: ScalePer) -> Staged:
    """W', how it lies on W, and λ, in the target's type and on its device."""
    values = nn.Parameter(copied(group, source))
    spread, count = spread_of(group, values, scale_per)
    pieces = tuple(str(piece_of(pair.auxiliary, group.bias)) for pair in group.pairs)
    scale = nn.Parameter(torch.full((count,), scale_init, dtype=values.dtype, device=values.device))
    return Staged(group.holder, name, values, group.weight if group.bias else scale, spread, pieces)


def _origin(source: Source, options: Mapping[str, Any], frozen: list[Staged] | None) -> Origin:
    digest = None
    if frozen and not any(part.values.is_meta for part in frozen):
        values = {part.holder.name: part.values for part in frozen}
        digest = sha256_of_tensors(sorted(values.items()))
    if source.file is None:
        return Origin(source.origin, None, None, options, digest)
    return Origin(source.origin, str(source.file.resolve()), sha256_of_file(source.file), options, digest)


def _named(
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource], held: set[str]
) -> Iterator[tuple[str, AuxiliarySource]]:
    """Each auxiliary with its name. A mapping of tensors is a state dict, any other mapping names auxiliaries."""
    named = (
        isinstance(auxiliary, Mapping)
        and bool(auxiliary)
        and not any(isinstance(value, Tensor) for value in auxiliary.values())
    )
    if not named:
        name, count = "auxiliary", 1
        while name in held:
            count += 1
            name = f"auxiliary_{count}"
        yield name, cast(AuxiliarySource, auxiliary)
        return
    for name, source in cast(Mapping[str, AuxiliarySource], auxiliary).items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise PathwayError(f"auxiliary: expected a name of letters, digits, _ and -, found {name!r}")
        if name in held:
            raise PathwayError(f"auxiliary: {name!r} is connected already; choose another name, or disconnect it first")
        yield name, source


def _layouts(
    layouts: Layout | str | Mapping[str, Layout | str] | None,
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource],
) -> Layout | str | Mapping[str, Layout | str] | None:
    """The layouts themselves; each of a mapping has to belong to an auxiliary."""
    named = list(auxiliary) if isinstance(auxiliary, Mapping) else []
    for name in layouts if isinstance(layouts, Mapping) else ():
        if name not in named:
            near = get_close_matches(str(name), named, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise PathwayError(
                f"auxiliary_layout: expected names of auxiliaries ({', '.join(named)}), found {name!r}{hint}"
            )
    return layouts


def _unfit(target: nn.Module, source: Source, groups: list[Group], scale_per: ScalePer) -> Iterator[str]:
    """What stops a group from being connected although it pairs."""
    chosen = [group.holder.name for group in groups]
    for name in sorted({name for name in chosen if chosen.count(name) > 1}):
        yield f"{name}: it is chosen by name and as the bias of a weight; leave one of them out"
    held: dict[int, list[str]] = {}
    for holder in holders(target):
        held.setdefault(id(holder.original), []).append(holder.name)
    for group in groups:
        name, original = group.holder.name, group.holder.original
        if group.holder.foreign:
            yield f"{name}: another parametrization computes it; remove that first"
            continue
        if len(held[id(original)]) > 1:
            yield f"{name}: one Parameter is shared by {', '.join(held[id(original)])}; leave it out, or untie it first"
        if is_quantised(original):
            kept = f"{type(original).__name__} of {original.dtype}"
            yield f"{name}: expected a floating-point weight, found {kept}; connect and merge before quantising"
        if is_sharded(original):
            yield f"{name}: its values are spread over processes; connect before sharding"
        if not isinstance(original, nn.Parameter):
            yield f"{name}: expected a Parameter, found {type(original).__name__}; connect the plain model"
        if scale_per in ("role", "head") and any(pair.role is None for pair in group.pairs):
            yield f"{name}: scale_per={scale_per!r} needs roles; weights chosen by name take layer or channel"
        attention = [pair for pair in group.pairs if pair.role is not None and not pair.role.startswith("mlp")]
        if scale_per == "head" and any(pair.heads is None for pair in attention):
            yield f"{name}: scale_per='head' needs a head count, and the target states none"
        elif scale_per == "head" and any(_per_head(pair) % (pair.heads or 1) for pair in attention):
            counts = f"{attention[0].heads} heads for {_per_head(attention[0])} entries"
            yield f"{name}: scale_per='head' needs heads of equal size, found {counts}; choose another scale_per"
        for pair in group.pairs:
            counterpart = piece_of(pair.auxiliary, group.bias)
            values = source.tensor(counterpart.weight)
            if not values.is_floating_point():
                yield f"{counterpart}: expected floating-point values, found {values.dtype}; convert the auxiliary"
            elif values.is_meta and not original.is_meta:
                yield f"{counterpart}: the auxiliary holds no values (meta device); load them first"
            elif not values.is_meta and not bool(torch.isfinite(read_entries(values, counterpart)).all()):
                yield f"{counterpart}: the auxiliary holds values that are not finite; use another checkpoint"


def _per_head(pair: Pair) -> int:
    """How many entries of an attention role the heads share: its inputs for the attention output, else its outputs."""
    return pair.target.shape[1 if pair.role == "attention_output" else 0]
