"""Connect a target with one or more auxiliaries, in place: match, plan, check, build, attach, each for all of them."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import nn

from crosspath.counts import first_names
from crosspath.errors import PathwayError, suggest
from crosspath.layouts import Layout
from crosspath.pathway.arguments import NAME_IN_WORDS, Normalise, is_name, names_of, words_of
from crosspath.pathway.assemble import attach_all, build, origin_of, shrink_weights
from crosspath.pathway.engines.engine import Engine, check_same_engine
from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.handle import Pathways
from crosspath.pathway.options import ScalePer, options_of
from crosspath.pathway.pairing.block_pairs import Blocks
from crosspath.pathway.pairing.by_name import Names
from crosspath.pathway.pairing.match import match
from crosspath.pathway.pairing.selection import Roles
from crosspath.pathway.plan import make_plan
from crosspath.pathway.safeguards import guard
from crosspath.pathway.sources.auxiliary import open_auxiliary
from crosspath.pathway.sources.source import AuxiliarySource, holds_tensors, is_named, todo_of
from crosspath.pathway.sources.wrappers import check_target

MOST_NAMES = 3
"""Weights named in a message, of many."""
HALF = (torch.float16, torch.bfloat16)


def connect(
    target: nn.Module,
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource],
    *,
    roles: Roles = "all",
    names: Names = None,
    blocks: Blocks = "same",
    accept: Iterable[str] = (),
    fit: Fit | None = None,
    start: str | None = None,
    scale_init: float | None = None,
    shrink: float | None = None,
    scale_per: ScalePer = "layer",
    train_scale: bool = True,
    train_auxiliary: bool | None = None,
    bias: bool = False,
    canonical: bool = False,
    normalise: Normalise | None = None,
    target_layout: Layout | str | None = None,
    auxiliary_layout: Layout | str | Mapping[str, Layout | str] | None = None,
    engine: Engine = "live",
) -> Pathways:
    """Make the target compute with W + λ·W' (M2PT, section 3.2), in place.

    The auxiliary is copied and never changed. A second call adds to what is connected. Copies are on the target's
    device and have its dtype; what is frozen in the target stays frozen.

    Parameters
    ----------
    auxiliary
        A module, a state dict, the path of a safetensors file, or {name: any of these}. Without a name it is called
        `auxiliary` (then `auxiliary_2`, and so on).
    roles, names, blocks, accept
        Which weights, and which differences are accepted: see `match`.
    fit
        How an auxiliary of other shapes is brought to the target's: `slice`, `average`, `spectra` or `learned`; see
        `match`. Equal shapes stay as they are. P and Q of `learned` are parameters of the model, which train unless
        neither λ nor W' does; they need `engine="live"`.
    start
        The name of a way to start (`paper`, `whole-body`, `frozen-anchor`, `gentle`: see `crosspath.starts`), which
        states `scale_init`, `shrink` and `train_auxiliary`; those given beside it replace its own, and `status` shows
        them. Its learning rate of W' is used by `param_groups`. Without a start the values are the paper's.
    scale_init
        λ at the start; 0, the paper's, leaves the target's function as it is.
    shrink
        A factor for every W that gets a pathway, in the rows that do, before it does; 1 leaves them as they are.
        `disconnect` does not take it back.
    scale_per
        One λ per `layer` (a fused qkv is one layer), per `role` (q, k, v apart), per `head` (rows of q, k, v and
        columns of the attention output; one λ for mlp weights), or per `channel` (output rows).
    train_scale, train_auxiliary
        Whether λ and W' require gradients; the paper trains both.
    bias
        Also b + λ·b' with the same λ (any `scale_per` but head). The report lists pairs without two biases.
    canonical
        Fold the auxiliary's norm scales, shifts and layer scales into W' and b', relative to the target's own, and
        carry b' as `bias` does: with λ = 1, W = 0 and b = 0 the target's blocks compute as the auxiliary's. What cannot
        be folded (post-norm, norms of queries and keys, another kind of norm) is refused, or accepted by name.
    normalise
        `rms`: multiply each W', and its b', so that its root mean square is that of its W.
    target_layout, auxiliary_layout
        Layouts for models that are not recognised automatically: see `match`. For several auxiliaries,
        `auxiliary_layout` may be {auxiliary name: layout}.
    engine
        `live`: each read of a weight computes the sum, and λ and W' are parameters of the model; right for any loop.
        `optimizer`: the model keeps the sum as its plain parameter, and trains about as fast as a plain model; it needs
        `attach(optimizer)` on the result.

    Raises
    ------
    PathwayError
        When a chosen weight does not pair or differs in meaning (all mismatches in one message), an auxiliary holds
        values that are not finite, a name is in use, a weight is shared by several modules, sharded, quantised or
        computed by another parametrization, or the target is wrapped (in DistributedDataParallel, for one). The target
        is untouched.
    """
    roles, names, accept = words_of(roles, "roles"), names_of(names), words_of(accept, "accept")
    options = options_of(
        start,
        scale_init=scale_init,
        shrink=shrink,
        train_auxiliary=train_auxiliary,
        scale_per=scale_per,
        train_scale=train_scale,
        bias=bias,
        canonical=canonical,
        normalise=normalise,
    )
    target = check_target(target, auxiliary)
    check_same_engine(engine, target)
    handle = Pathways(target)
    again = handle.names if not is_named(auxiliary) else ()
    auxiliaries = _name(auxiliary, handle.names)
    layouts = _layouts_by_name(auxiliary_layout, auxiliaries)
    plans = []
    for name, weights in auxiliaries.items():
        source = open_auxiliary(weights)
        report = match(
            target,
            weights,
            roles=roles,
            names=names,
            blocks=blocks,
            accept=accept,
            fit=fit,
            canonical=canonical,
            normalise=normalise,
            target_layout=target_layout,
            auxiliary_layout=layouts.get(name),
        )
        plans.append(make_plan(name, source, target, report, options))
    if engine != "live" and any(tensor.has_learned_pair for plan in plans for tensor in plan.tensors):
        raise PathwayError("engine", "'live', for fit='learned'", repr(engine), "connect with engine='live'")
    faults = [f"{plan.name}: {fault}" for plan in plans for fault in _by_reason(plan.faults(target))]
    if faults:
        raise PathwayError.of("connect", faults)

    attachments = [build(plan) for plan in plans]
    origins = [origin_of(plan, parts) for plan, parts in zip(plans, attachments, strict=True)]
    shrink_weights(plans)
    attach_all((part for parts in attachments for part in parts), engine)
    for plan, origin in zip(plans, origins, strict=True):
        handle.record(plan.name, origin, plan.report)
    guard(target)
    if again:
        names_in_words = ", ".join(map(repr, auxiliaries))
        reason = f"the target has pathways from {', '.join(again)} already, and this adds {', '.join(auxiliaries)}"
        _warn(f"connect: {reason}; if it ran twice by mistake, call crosspath.disconnect(target, {names_in_words})")
    if train_scale and any(scale.dtype in HALF for scale in handle.scales().values()):
        reason = "the target is in half precision, and so is λ, whose steps are lost there"
        _warn(f"connect: {reason}; if it trains, use float32 weights with autocast")
    return handle


def _warn(text: str) -> None:
    warnings.warn(f"crosspath: {text}", stacklevel=3)


def _by_reason(faults: Iterable[str]) -> list[str]:
    """Faults of the form `WHERE: REASON`, each reason once, with its first places and the number of others."""
    places: dict[str, list[str]] = {}
    for fault in faults:
        where, _, reason = fault.partition(": ")
        places.setdefault(reason, []).append(where)
    return [f"{first_names(names, MOST_NAMES)}: {reason}" for reason, names in places.items()]


def _name(
    auxiliary: AuxiliarySource | Mapping[str, AuxiliarySource], names: tuple[str, ...]
) -> dict[str, AuxiliarySource]:
    """{name: auxiliary}. A mapping of tensors is a state dict; any other mapping names auxiliaries."""
    if not is_named(auxiliary):
        name, count = "auxiliary", 1
        while name in names:
            count += 1
            name = f"auxiliary_{count}"
        return {name: cast(AuxiliarySource, auxiliary)}
    auxiliaries = dict(cast(Mapping[str, AuxiliarySource], auxiliary))
    for name, value in auxiliaries.items():
        if not isinstance(value, nn.Module | str | Path) and not holds_tensors(value):
            expected, found = "a module, a state dict or a path for each name", f"a {type(value).__name__} for {name!r}"
            entries = {**auxiliaries, **value} if isinstance(value, Mapping) else auxiliaries
            raise PathwayError("auxiliary", expected, found, todo_of(entries))
    for name in auxiliaries:
        if not isinstance(name, str) or not is_name(name):
            raise PathwayError("auxiliary", NAME_IN_WORDS, repr(name), "choose another name")
        if name in names:
            todo = "choose another name, or disconnect it first"
            raise PathwayError("auxiliary", "a name that is not in use", repr(name), todo)
    return auxiliaries


def _layouts_by_name(
    layouts: Layout | str | Mapping[str, Layout | str] | None, auxiliaries: Mapping[str, AuxiliarySource]
) -> Mapping[str, Layout | str]:
    """{auxiliary: layout}, for those that have one."""
    if layouts is None:
        return {}
    if not isinstance(layouts, Mapping):
        return dict.fromkeys(auxiliaries, layouts)
    for name in layouts:
        if name not in auxiliaries:
            todo = suggest(str(name), auxiliaries, "use one of these names")
            expected = f"names of auxiliaries ({', '.join(auxiliaries)})"
            raise PathwayError("auxiliary_layout", expected, repr(name), todo)
    return layouts
