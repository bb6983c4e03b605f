"""The pathways of a run: connected as its recipe says, and read for its log and result."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

import torch
from torch import Tensor, nn

from crosspath.checkpoints.load import auxiliary_source
from crosspath.config import Recipe
from crosspath.config.layout import AnyLayout, LayoutSection, NamedLayout
from crosspath.config.pathway import PathwaySection
from crosspath.layouts import Layout, Order, Place
from crosspath.objectives import objective_of
from crosspath.pathway import MatchReport, PathwayError, connect, layout_named, match, pathways, status
from crosspath.pathway.arguments import Normalise
from crosspath.pathway.engines.engine import Engine
from crosspath.pathway.engines.parametrization import is_sharded
from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.pairing.block_pairs import Blocks
from crosspath.pathway.pairing.by_name import Names
from crosspath.pathway.pairing.selection import Roles
from crosspath.pathway.sources.parameters import connections, has_pathways

Strengths = Mapping[str, Mapping[str, float]]
"""{weight: {auxiliary: ‖λW'‖/‖W‖}}."""
IDLE = 0.01
"""Below this ‖λW'‖/‖W‖ a pathway does nothing to its target that a seed would not."""
NO_PART = "had no part in this result"


class Choice(TypedDict):
    """The keywords that `match` and `connect` share, as a `pathway` section holds them for all auxiliaries."""

    roles: Roles
    names: Names
    blocks: Blocks
    accept: tuple[str, ...]
    fit: Fit | None
    canonical: bool
    normalise: Normalise | None
    target_layout: Layout | str | None


class Selection(Choice):
    """The keywords of `match` for one auxiliary."""

    auxiliary_layout: Layout | str | None


def selection_of(section: PathwaySection, auxiliary: str) -> Selection:
    """What a recipe chooses of the auxiliary of this name, and how the two models are read.

    Raises
    ------
    PathwayError
        For a layout that does not exist, or contradicts itself.
    """
    layouts = section.auxiliary_layout
    own = layouts.get(auxiliary) if isinstance(layouts, dict) else layouts
    return Selection(**_choice_of(section), auxiliary_layout=_layout(own))


def _choice_of(section: PathwaySection) -> Choice:
    return Choice(
        roles=section.roles,
        names=section.names,
        blocks=section.blocks,
        accept=section.accept,
        fit=section.fit,
        canonical=section.canonical,
        normalise=section.normalise,
        target_layout=_layout(section.target_layout),
    )


def match_auxiliaries(recipe: Recipe, auxiliaries: Mapping[str, str | Path]) -> dict[str, MatchReport]:
    """{name: what a run of this recipe would connect}; an auxiliary is a checkpoint, `timm:NAME` or `hf:OWNER/NAME`.

    Raises
    ------
    InputError
        For a checkpoint that cannot be read, a choice that fits no model (see `match`), and where all weights pair,
        for what `connect` then refuses, such as a name that no auxiliary can have, or weights that are not finite.
    """
    check_names(recipe.pathway, auxiliaries)
    objective = objective_of(recipe)
    with torch.random.fork_rng(devices=[]):
        model = objective.build(recipe, recipe.data.classes or 1)
    weights = {name: auxiliary_source(source).weights for name, source in auxiliaries.items()}
    reports = {name: match(model, own, **selection_of(recipe.pathway, name)) for name, own in weights.items()}
    if all(report.ok for report in reports.values()):
        connect_auxiliaries(model, recipe.pathway, weights)
    return reports


def check_names(section: PathwaySection, auxiliaries: Iterable[str]) -> None:
    """Raise `PathwayError` where the section describes an auxiliary that there is not."""
    layouts, names = section.auxiliary_layout, tuple(auxiliaries)
    others = [name for name in layouts if name not in names] if isinstance(layouts, dict) else []
    if others:
        expected = f"names of auxiliaries ({', '.join(names)})"
        raise PathwayError("pathway.auxiliary_layout", expected, ", ".join(map(repr, others)), "use one of these names")


def _layout(section: AnyLayout | None) -> Layout | str | None:
    if isinstance(section, NamedLayout):
        order = cast(Order | None, section.order)
        return layout_named(section.name, heads=section.heads, order=order)
    if not isinstance(section, LayoutSection):
        return section
    values = {name: getattr(section, name) for name in LayoutSection.model_fields}
    roles = {role: Place(**place.model_dump()) for role, place in section.roles.items()}
    return Layout(**{**values, "roles": roles})


def connect_auxiliaries(
    model: nn.Module,
    section: PathwaySection,
    auxiliaries: Mapping[str, nn.Module | Mapping[str, Tensor]],
    engine: Engine = "live",
) -> None:
    """Give the model a pathway from each auxiliary, as the recipe's `pathway` section says."""
    check_names(section, auxiliaries)
    selections = {name: selection_of(section, name) for name in auxiliaries}
    layouts = {name: layout for name, own in selections.items() if (layout := own["auxiliary_layout"]) is not None}
    connect(
        model,
        dict(auxiliaries),
        **_choice_of(section),
        auxiliary_layout=layouts,
        start=section.start,
        scale_init=section.scale_init,
        shrink=section.shrink,
        scale_per=section.scale_per,
        train_scale=section.train_scale,
        train_auxiliary=section.train_auxiliary,
        bias=section.bias,
        engine=engine,
    )


def scales_of(model: nn.Module) -> dict[str, dict[str, list[float]]]:
    """{weight: {auxiliary: λ}}; empty without pathways."""
    if not has_pathways(model):
        return {}
    values: dict[str, dict[str, list[float]]] = {}
    for (weight, name), scale in pathways(model).scales().items():
        values.setdefault(weight, {})[name] = scale.detach().float().cpu().tolist()
    return values


def strengths_of(model: nn.Module) -> dict[str, dict[str, float]]:
    """{weight: {auxiliary: ‖λW'‖/‖W‖}}; empty for a plain model."""
    values: dict[str, dict[str, float]] = {}
    for row in status(model) if has_pathways(model) else ():
        if row.ratio is not None and math.isfinite(row.ratio):
            values.setdefault(row.weight, {})[row.auxiliary] = row.ratio
    return values


def idle_pathways(
    before: Strengths, after: Strengths, *, scale_init: float, pretrained: bool, frozen_body: bool
) -> list[str]:
    """Which auxiliaries had no part in a result, in words, with what to try: those whose ‖λW'‖/‖W‖ (`strengths_of`,
    before the first step and after the last) is below `IDLE` in every weight.
    """
    largest: dict[str, float] = {}
    for strengths in (before, after):
        for by_auxiliary in strengths.values():
            for name, ratio in by_auxiliary.items():
                largest[name] = max(ratio, largest.get(name, 0.0))
    if frozen_body:  # a start would train W', which a frozen body keeps
        todo = "a larger optimizer.scale_lr, or more epochs"
    elif scale_init == 0:
        todo = f"--start {'gentle' if pretrained else 'whole-body'}"
    else:
        todo = "a larger pathway.scale_init"
    return [
        f"the pathway from {name} {NO_PART} (‖λW'‖/‖W‖ is at most {ratio:.2g}); try {todo}"
        for name, ratio in largest.items()
        if ratio < IDLE
    ]


def idle_in(runs: Sequence[Sequence[str]]) -> tuple[int, str | None]:
    """(in how many of the runs, whose notes these are, pathways had no part; that in words, with what to try)."""
    idle = [next((note for note in notes if NO_PART in note), None) for notes in runs]
    spoken = [note for note in idle if note is not None]
    if not spoken:
        return 0, None
    share = "" if len(spoken) == len(runs) else f" in {len(spoken)} of {len(runs)} runs"
    todo = spoken[0].rpartition("; try ")[2]
    return len(spoken), f"the pathway {NO_PART}{share} (‖λW′‖/‖W‖ stayed below {IDLE:g}); try {todo}"


def starts_of(model: nn.Module) -> dict[tuple[str, str], Tensor]:
    """{(weight, auxiliary): a copy of W' on the CPU} of every W' that trains and is not sharded."""
    if not has_pathways(model):
        return {}
    return {
        key: auxiliary.detach().cpu().clone()
        for key, auxiliary in pathways(model).auxiliaries().items()
        if auxiliary.requires_grad and not is_sharded(auxiliary)
    }


def likeness_of(model: nn.Module, starts: Mapping[tuple[str, str], Tensor]) -> dict[str, dict[str, float]]:
    """{weight: {auxiliary: cosine of W' with where it began}}; of those in `starts`. Near 0, W' was overwritten."""
    values: dict[str, dict[str, float]] = {}
    for (weight, name), auxiliary in pathways(model).auxiliaries().items() if starts else ():
        if (weight, name) in starts and not is_sharded(auxiliary):
            now, then = auxiliary.detach().cpu().double().flatten(), starts[weight, name].double().flatten()
            lengths = float(now.norm() * then.norm())
            values.setdefault(weight, {})[name] = float(now @ then) / lengths if lengths else 0.0
    return values


def sizes_of(model: nn.Module) -> dict[str, float]:
    """{weight: root mean square of W + λ·W'}; empty for a plain model."""
    values: dict[str, float] = {}
    for holder, _ in connections(model):
        weight = getattr(holder.module, holder.attribute).detach()
        if not is_sharded(weight):
            values[holder.name] = float(weight.double().square().mean().sqrt())
    return values
