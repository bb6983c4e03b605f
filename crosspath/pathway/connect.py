"""Connect a target with one or more auxiliaries, in place."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from crosspath.pathway.combine import Spread
from crosspath.pathway.errors import PathwayError
from crosspath.pathway.handle import Origin, Pathways
from crosspath.pathway.locate import Slot
from crosspath.pathway.match import Blocks, Names, Roles, match
from crosspath.pathway.parameters import Holder, connected, holders
from crosspath.pathway.parametrization import is_sharded
from crosspath.pathway.quantised import is_quantised
from crosspath.pathway.report import MatchReport, Pair
from crosspath.pathway.sources import AuxiliarySource, Source, opened, sha256_of_file, sha256_of_tensors
from crosspath.pathway.stage import Staged, attach_all

ScalePer = Literal["layer", "role", "head", "channel"]
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class _Group:
    """All pieces of one target tensor that one auxiliary supplies, in the order of the target's rows."""

    holder: Holder
    pairs: tuple[Pair, ...]
    positions: tuple[int, ...]
    """Of each pair among those of the weight; a bias may hold fewer."""
    bias: bool

    @property
    def weight(self) -> str:
        """The target weight it belongs to."""
        return self.pairs[0].target.weight


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
    taken = {name for _, pathway in connected(target) for name in pathway.spreads}
    accept = (accept,) if isinstance(accept, str) else tuple(accept)
    roles = roles if isinstance(roles, str) else tuple(roles)
    names = names if names is None or isinstance(names, str | Mapping) else tuple(names)
    planned: list[tuple[str, Source, MatchReport, list[_Group]]] = []
    faults: list[str] = []
    for name, given in _named(auxiliary, taken):
        source = opened(given)
        report = match(target, given, roles=roles, names=names, blocks=blocks, accept=accept)
        groups = list(_groups(target, report, bias))
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


def _staged(name: str, group: _Group, source: Source, scale_init: float, scale_per: ScalePer) -> Staged:
    """W', how it lies on W, and λ, in the target's type and on its device."""
    values = nn.Parameter(_copied(group, source))
    spread, count = _spread(group, len(values), scale_per)
    pieces = tuple(str(_piece(pair.auxiliary, group.bias)) for pair in group.pairs)
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
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource], taken: set[str]
) -> Iterator[tuple[str, AuxiliarySource]]:
    """Each auxiliary with its name. A mapping of tensors is a state dict, any other mapping names auxiliaries."""
    named = (
        isinstance(auxiliary, Mapping)
        and bool(auxiliary)
        and not any(isinstance(value, Tensor) for value in auxiliary.values())
    )
    if not named:
        name, count = "auxiliary", 1
        while name in taken:
            count += 1
            name = f"auxiliary_{count}"
        yield name, cast(AuxiliarySource, auxiliary)
        return
    for name, source in cast(Mapping[str, AuxiliarySource], auxiliary).items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise PathwayError(f"auxiliary: expected a name of letters, digits, _ and -, found {name!r}")
        if name in taken:
            raise PathwayError(f"auxiliary: {name!r} is connected already; choose another name, or disconnect it first")
        yield name, source


def _groups(target: nn.Module, report: MatchReport, bias: bool) -> Iterator[_Group]:
    by_name = {holder.name: holder for holder in holders(target)}
    pieces: dict[str, list[Pair]] = {}
    for pair in report.pairs:
        pieces.setdefault(pair.target.weight, []).append(pair)
    for name, pairs in pieces.items():
        ordered = tuple(sorted(pairs, key=lambda pair: pair.target.start))
        yield _Group(by_name[name], ordered, tuple(range(len(ordered))), bias=False)
        held = tuple(index for index, pair in enumerate(ordered) if pair.target.bias and pair.auxiliary.bias)
        own = ordered[held[0]].target.bias if held else None
        if bias and own is not None:
            yield _Group(by_name[own], tuple(ordered[index] for index in held), held, bias=True)


def _unfit(target: nn.Module, source: Source, groups: list[_Group], scale_per: ScalePer) -> Iterator[str]:
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
        for pair in group.pairs:
            counterpart = _piece(pair.auxiliary, group.bias)
            values = source.tensor(counterpart.weight)
            if not values.is_floating_point():
                yield f"{counterpart}: expected floating-point values, found {values.dtype}; convert the auxiliary"
            elif values.is_meta and not original.is_meta:
                yield f"{counterpart}: the auxiliary holds no values (meta device); load them first"
            elif not values.is_meta and not bool(torch.isfinite(values[counterpart.start : counterpart.stop]).all()):
                yield f"{counterpart}: the auxiliary holds values that are not finite; use another checkpoint"


def _piece(slot: Slot, bias: bool) -> Slot:
    """The slot itself, or the same rows of its bias."""
    return slot if not bias else Slot(slot.bias or "", slot.start, slot.stop, slot.shape[:1])


def _copied(group: _Group, source: Source) -> Tensor:
    """W', in the target's type and on its device."""
    original = group.holder.original
    rows = []
    for pair in group.pairs:
        counterpart = _piece(pair.auxiliary, group.bias)
        rows.append(source.tensor(counterpart.weight)[counterpart.start : counterpart.stop])
    # One copy into fresh, aligned memory: a file's mapping or the auxiliary's own storage is never kept.
    values = torch.empty(
        (sum(len(part) for part in rows), *original.shape[1:]), dtype=original.dtype, device=original.device
    )
    if not values.is_meta:
        offset = 0
        for part in rows:
            values[offset : offset + len(part)].copy_(part)
            offset += len(part)
    return values


def _spread(group: _Group, rows: int, scale_per: ScalePer) -> tuple[Spread, int]:
    """How W' lies on W, and the number of λ."""
    segments: list[tuple[int, int]] = []
    for pair in group.pairs:
        start, stop = pair.target.start, pair.target.stop
        if segments and segments[-1][1] == start:
            segments[-1] = (segments[-1][0], stop)
        else:
            segments.append((start, stop))
    axis, runs = 0, [(0, 1, rows)]
    lengths = [pair.target.stop - pair.target.start for pair in group.pairs]
    first = group.pairs[0]
    if scale_per == "channel":
        runs = [(0, rows, rows)]
    elif scale_per == "role":
        runs = [(index, index + 1, length) for index, length in zip(group.positions, lengths, strict=True)]
    elif scale_per == "head" and first.role is not None and not first.role.startswith("mlp"):
        assert first.heads is not None
        if first.role == "attention_output":
            axis, runs = 1, [(0, first.heads, first.target.shape[1])]
        else:
            runs = [(0, first.heads, length) for length in lengths]
    count = max(last for _, last, _ in runs)
    return Spread(tuple(segments), group.holder.original.shape[0], axis, tuple(runs)), count
