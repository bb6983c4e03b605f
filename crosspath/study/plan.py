"""Every run of a study: which there are, where each has its folder, and what it is made from.

A run's folder names all that tells it from others, so that comparisons which need the same run share it, and a study
that was stopped finds what it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crosspath.checkpoints.load import auxiliary_source
from crosspath.config import Recipe, apply_overrides
from crosspath.errors import InputError
from crosspath.recipes import recipe_named
from crosspath.study.arms import NONE, Arm, arms_named
from crosspath.study.definition import RATES, SEARCH_SEEDS, Study, TargetSection

QUIET = ("train.checkpoint_every=null", "train.loggers=[]")
"""Runs of minutes start over rather than resume, and tell nobody on the way; no number changes with it."""
PATHWAY_ONLY = ("pathway.", "optimizer.scale_lr", "optimizer.auxiliary_lr")
"""Settings that nothing but a pathway reads."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One arm of one comparison: what its seeds have in common."""

    target: str
    labels: int | None
    variant: str
    """Empty where the study has one, and for arms that no variant touches."""
    arm: Arm
    auxiliary: str | None
    """Its name in the study; None for an arm that needs nothing."""
    auxiliary_recipe: str | None
    """The recipe it was trained with, or its name where no file says."""
    settings: tuple[str, ...]
    from_: Path | None
    rates: tuple[float, ...]

    @property
    def folder(self) -> Path:
        """Below the study's `runs`."""
        labels = "all" if self.labels is None else str(self.labels)
        parts = [self.target.replace("/", "-"), f"labels-{labels}"]
        parts += [f"variant-{self.variant}"] if self.variant else []
        return Path(*parts, self.arm.name if self.auxiliary is None else f"{self.arm.name}-{self.auxiliary}")

    def recipe(self, rate: float, seed: int, *, search: bool) -> Recipe:
        """The resolved recipe of one run; a search leaves the test part alone."""
        settings = [*self.settings, f"optimizer.lr={rate!r}", f"train.seed={seed}"]
        if search:
            settings.append("evaluate.test=false")
        return apply_overrides(recipe_named(self.target), settings)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run."""

    cell: Cell
    rate: float
    seed: int
    search: bool

    @property
    def folder(self) -> Path:
        """Below the study's `runs`."""
        return self.cell.folder / ("search" if self.search else "final") / f"lr-{self.rate:g}-seed-{self.seed}"

    @property
    def label(self) -> str:
        """For people."""
        cell = self.cell
        helped = f" from {cell.auxiliary}" if cell.auxiliary else ""
        more = "".join(f", {part}" for part in (cell.variant, cell.labels and f"{cell.labels} labels") if part)
        return f"{cell.target} {cell.arm.name}{helped}{more}, lr {self.rate:g}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The cells that are read against one `none`."""

    target: str
    labels: int | None
    variant: str
    none: Cell
    others: tuple[Cell, ...]


Known = dict[str, tuple[str, str | None]]
"""{auxiliary's name: (its recipe, its modality)}."""


def auxiliaries_of(study: Study) -> Known:
    """What the files of the auxiliaries say of themselves. Raises `InputError` for checkpoints that are none."""
    return {name: _recipe_of(spec) for name, spec in study.auxiliaries.items()}


def comparisons(study: Study, known: Known | None = None) -> tuple[Comparison, ...]:
    """All comparisons of a study, in the order of its file. The auxiliaries' files are read unless `known` says it all.

    Raises
    ------
    InputError
        For unknown recipes, arms, auxiliaries and settings, checkpoints that are none, and an auxiliary that no target
        can use.
    """
    everywhere = arms_named(study.arms)
    known = auxiliaries_of(study) if known is None else known
    found = []
    for name, target in study.targets.items():
        modality = recipe_named(name).modality
        arms = everywhere if target.controls is None else arms_named((*study.arms, *study.controls))
        for labels in target.labels:
            for variant in study.variants:
                cells = list(_cells(study, name, target, modality, labels, variant, arms, known))
                found.append(
                    Comparison(target=name, labels=labels, variant=variant, none=cells[0], others=tuple(cells[1:]))
                )
    return tuple(found)


def search_jobs(cell: Cell, seeds: int) -> tuple[Job, ...]:
    """The trials of every rate; none where there is one rate alone."""
    if len(cell.rates) == 1:
        return ()
    return tuple(
        Job(cell=cell, rate=rate, seed=SEARCH_SEEDS + index, search=True)
        for rate in cell.rates
        for index in range(seeds)
    )


def final_jobs(cell: Cell, rate: float, seeds: tuple[int, ...]) -> tuple[Job, ...]:
    """The runs whose test part is read."""
    return tuple(Job(cell=cell, rate=rate, seed=seed, search=False) for seed in seeds)


def _cells(
    study: Study,
    name: str,
    target: TargetSection,
    modality: str,
    labels: int | None,
    variant: str,
    arms: tuple[Arm, ...],
    known: Known,
) -> Iterator[Cell]:
    extra = study.variants[variant]
    own_none = any(not setting.strip().startswith(PATHWAY_ONLY) for setting in extra)
    shared = (
        *QUIET,
        *study.settings,
        *target.settings,
        *(() if labels is None else (f"data.labels_per_class={labels}",)),
        *(("evaluate.test=false",) if study.part == "validation" else ()),
    )
    # Settings are checked here, before the first run.
    base = apply_overrides(recipe_named(name), (*shared, *extra))
    rates = target.rates or study.search.rates or tuple(factor * base.optimizer.lr for factor in RATES)
    for arm in arms:
        bare = arm.needs == "nothing"
        auxiliaries: list[str | None] = [None] if bare else _auxiliaries(name, target, modality, arm, known)
        if target.controls is not None and arm.name not in {NONE.name, *study.arms} and arm.needs == "auxiliary":
            auxiliaries = [target.controls]
        for auxiliary in auxiliaries:
            yield Cell(
                target=name,
                labels=labels,
                variant="" if bare and not own_none else variant,
                arm=arm,
                auxiliary=auxiliary,
                auxiliary_recipe=None if auxiliary is None else known[auxiliary][0],
                settings=(*shared, *(extra if own_none or not bare else ()), *arm.settings),
                from_=target.from_,
                rates=rates,
            )


def _auxiliaries(name: str, target: TargetSection, modality: str, arm: Arm, known: Known) -> list[str | None]:
    for wanted in (*(target.auxiliaries or ()), *([] if target.controls is None else [target.controls])):
        if wanted not in known:
            expected = f"of {', '.join(known) or 'those under auxiliaries, which has none'}"
            raise InputError(f"targets.{name}.auxiliaries", expected, repr(wanted), "name it under auxiliaries")
    same = arm.needs == "same-modality"
    chosen = known if target.auxiliaries is None or same else target.auxiliaries
    return [given for given in chosen if (known[given][1] == modality) == same]


def _recipe_of(spec: str) -> tuple[str, str | None]:
    """(recipe, modality) of an auxiliary; (its own name, None) where its file says neither."""
    source = auxiliary_source(spec)
    if source.recipe is None:
        return spec, None
    return source.recipe, source.modality
