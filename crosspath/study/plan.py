"""Every comparison of a study, and the arms that it has there. Comparisons that need the same run share it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crosspath.checkpoints.foreign.foundation import modality_of_files
from crosspath.checkpoints.load import auxiliary_source
from crosspath.config import apply_overrides
from crosspath.config.starts import layer_settings
from crosspath.config.unused import OF_AUXILIARIES
from crosspath.errors import InputError
from crosspath.recipes import recipe_named
from crosspath.study.arms import MASKED, NONE, Arm, arms_named
from crosspath.study.cells import QUIET, Cell, trials_of
from crosspath.study.definition import Study, TargetSection


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The cells that are compared with one `none`."""

    target: str
    labels: int | None
    variant: str
    none: Cell
    others: tuple[Cell, ...]


Origins = dict[str, tuple[str, str | None]]
"""{name of an auxiliary: (its recipe, its modality)}."""


def auxiliaries_of(study: Study) -> Origins:
    """Read recipe and modality of every auxiliary from its files. Raises `InputError` for an invalid checkpoint."""
    return {name: _origin(name, source) for name, source in study.auxiliaries.items()}


def comparisons(study: Study, origins: Origins | None = None) -> tuple[Comparison, ...]:
    """All comparisons of a study, in the order of its file. Without `origins`, the files of the auxiliaries are read.

    Raises
    ------
    InputError
        For unknown recipes, arms, auxiliaries and settings, and invalid checkpoints.
    """
    common_arms = arms_named(study.arms)
    origins = auxiliaries_of(study) if origins is None else origins
    result = []
    for name, target in study.targets.items():
        modality = recipe_named(name).modality
        arms = common_arms if target.controls is None else arms_named((*study.arms, *study.controls))
        _refuse_equal_labels(study, name, target)
        if target.pretrained is not None and all(arm.needs != "pretraining" for arm in arms):
            where, todo = f"targets.{name}.pretrained", f"add {MASKED.name} to arms, or leave it out"
            raise InputError(where, f"the arm {MASKED.name}, which starts from it", ", ".join(study.arms), todo)
        for labels in target.labels:
            for variant in study.variants:
                cells = list(_cells(study, name, target, modality, labels, variant, arms, origins))
                _refuse_shared_folders(cells)
                result.append(
                    Comparison(target=name, labels=labels, variant=variant, none=cells[0], others=tuple(cells[1:]))
                )
    return tuple(result)


def _refuse_equal_labels(study: Study, name: str, target: TargetSection) -> None:
    """Raise `InputError` where `labels: [null, 30]` are twice the same, since the settings limit all labels to 30."""
    if None in target.labels:
        # Alone: others may need what a variant sets beside them.
        own = [text for text in (*study.settings, *target.settings) if text.strip().startswith("data.labels_per_class")]
        base = apply_overrides(recipe_named(name), own)
        if base.data.labels_per_class in set(target.labels) - {None}:
            expected, found = (
                "different numbers",
                f"null, which the settings make {base.data.labels_per_class}, and that",
            )
            raise InputError(
                f"targets.{name}.labels", expected, found, "remove data.labels_per_class from the settings"
            )


def _refuse_shared_folders(cells: Sequence[Cell]) -> None:
    """Raise `InputError` for two cells with one folder: `pathway` from `frozen-x`, and `pathway-frozen` from `x`."""
    of_folder: dict[Path, Cell] = {}
    for cell in cells:
        other = of_folder.setdefault(cell.folder, cell)
        if other is not cell:
            found = f"{cell.folder.name} for {other.label} and for {cell.label}"
            raise InputError("auxiliaries", "a folder of its own for each arm", found, "rename one of the auxiliaries")


def refuse_shared_runs(study: Study, every: tuple[Comparison, ...]) -> None:
    """Raise `InputError` for two rates with one folder, and for a reported seed that the search has drawn."""
    for cell in (comparison.none for comparison in every):
        grid, trials = cell.grid, trials_of(cell, cell.grid.rates)
        if len({job.folder for job in trials}) < len(trials):
            where = f"targets.{cell.target}.rates" if study.targets[cell.target].rates else "search.rates"
            found = ", ".join(map(repr, grid.rates))
            raise InputError(where, "rates that differ in their first six digits", found, "remove one of them")
        seeds = sorted({job.seed for job in trials} & set(study.seed_list))
        if seeds and (len(grid.rates) > 1 or grid.may_grow):
            expected = f"seeds other than {trials[0].seed} to {trials[-1].seed}, which the search draws"
            raise InputError("seeds", expected, ", ".join(map(str, seeds)), "choose others")


def refuse_idle_arms(study: Study, every: tuple[Comparison, ...]) -> None:
    """Raise `InputError` for an arm of the study that none of its comparisons has, for want of an auxiliary."""
    present = {cell.arm.name for comparison in every for cell in comparison.others}
    idle = [arm for arm in arms_named((*study.arms, *study.controls)) if arm is not NONE and arm.name not in present]
    if not idle:
        return
    arm = idle[0]
    if arm.needs == "pretraining":
        where, expected = "targets", f"for the arm {arm.name}, a target whose `pretrained` names its checkpoint"
        raise InputError(where, expected, "none", "make one with `crosspath pretrain` and name it")
    if arm.name not in study.arms:
        raise InputError("controls", f"a target whose `controls` names the auxiliary of {arm.name}", "none", "add it")
    same = arm.needs == "same-modality"
    expected = f"for the arm {arm.name}, an auxiliary of {'the same' if same else 'another'} modality as a target"
    found = ", ".join(study.auxiliaries) or "none"
    todo = "add such an auxiliary or leave out the arm" + (
        "" if same else "; for related ones the arm is same-modality"
    )
    raise InputError("auxiliaries", expected, found, todo)


def _cells(
    study: Study,
    name: str,
    target: TargetSection,
    modality: str,
    labels: int | None,
    variant: str,
    arms: tuple[Arm, ...],
    origins: Origins,
) -> Iterator[Cell]:
    extra = study.variants[variant]
    changes_none = any(not setting.strip().startswith(OF_AUXILIARIES) for setting in extra)
    common = layer_settings(
        QUIET,
        study.settings,
        target.settings,
        () if labels is None else (f"data.labels_per_class={labels}",),
        ("evaluate.test=false",) if study.part == "validation" else (),
    )
    # Reports invalid settings before the first run.
    base = apply_overrides(recipe_named(name), layer_settings(common, extra))
    if study.part == "test" and not base.evaluate.test:
        where, todo = f"targets.{name}", "leave out evaluate.test, or report `part: validation`"
        raise InputError(where, "evaluate.test=true, since the test part is reported", "false", todo)
    layouts = base.pathway.auxiliary_layout
    for key in layouts if isinstance(layouts, dict) else ():
        if key not in origins:
            expected = f"one of {', '.join(origins)}" if origins else "an entry of auxiliaries, which is empty"
            raise InputError("pathway.auxiliary_layout", expected, repr(key), "use a name from auxiliaries")
    grid = study.grid_of(target, base.optimizer.lr)
    if grid.weight_decays and base.optimizer.weight_decay == 0:
        where, expected = "search.weight_decay", f"a recipe with a weight decay, of which {name} may have multiples"
        raise InputError(where, expected, "0", "set optimizer.weight_decay")
    for arm in arms:
        if arm.needs == "pretraining" and target.pretrained is None:
            continue
        alone = arm.is_alone
        auxiliaries: list[str | None] = [None] if alone else _auxiliaries(name, target, modality, arm, origins)
        if target.controls is not None and arm.name not in {NONE.name, *study.arms} and arm.needs == "auxiliary":
            auxiliaries = [target.controls]
        for auxiliary in auxiliaries:
            yield Cell(
                target=name,
                labels=labels,
                variant="" if alone and not changes_none else variant,
                arm=arm,
                auxiliary=auxiliary,
                auxiliary_recipe=None if auxiliary is None else origins[auxiliary][0],
                settings=layer_settings(common, extra if changes_none or not alone else (), arm.settings),
                from_=target.pretrained if arm.needs == "pretraining" else target.from_,
                grid=grid,
            )


def _auxiliaries(name: str, target: TargetSection, modality: str, arm: Arm, origins: Origins) -> list[str | None]:
    """The names of the auxiliaries that an arm of a target uses."""
    names = [("auxiliaries", auxiliary) for auxiliary in target.auxiliaries or ()]
    for field, auxiliary in (*names, ("controls", target.controls)):
        if auxiliary is not None and auxiliary not in origins:
            expected = f"one of {', '.join(origins)}" if origins else "an entry of auxiliaries, which is empty"
            raise InputError(f"targets.{name}.{field}", expected, repr(auxiliary), "add it to auxiliaries")
    same = arm.needs == "same-modality"
    candidates = origins if target.auxiliaries is None or same else target.auxiliaries
    return [candidate for candidate in candidates if (origins[candidate][1] == modality) == same]


def _origin(name: str, source: str) -> tuple[str, str | None]:
    """(recipe, modality) of an auxiliary. Of another library's files the name in the study stands for the recipe, and
    the modality is None where they do not tell it.
    """
    auxiliary = auxiliary_source(source)
    if auxiliary.recipe is None:
        return name, modality_of_files(auxiliary)
    return auxiliary.recipe, auxiliary.modality
