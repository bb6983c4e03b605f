"""The runs of a study: the arm, its recipe and the folder of each.

The folder of a run names everything that distinguishes it from other runs, so that a resumed study recognises its
finished runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crosspath.config import Recipe, apply_overrides
from crosspath.counts import quantity
from crosspath.recipes import any_recipe_named, recipe_named
from crosspath.study.arms import Arm
from crosspath.study.definition import SEARCH_SEEDS
from crosspath.study.grid import Grid

QUIET = ("train.checkpoint_every=null", "train.loggers=[]")
"""Short runs need no checkpoints to resume from and no trackers; results do not depend on either."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One arm of one comparison, without rate and seed."""

    target: str
    labels: int | None
    variant: str
    """Empty for a study without variants, and for arms that the variant does not change."""
    arm: Arm
    auxiliary: str | None
    """Its name in the study; None for an arm without one."""
    auxiliary_recipe: str | None
    """The recipe it was trained with; its name in the study where that is unknown."""
    settings: tuple[str, ...]
    from_: Path | None
    grid: Grid

    @property
    def folder(self) -> Path:
        """Its path in the study's `runs`."""
        labels = "all" if self.labels is None else str(self.labels)
        parts = [self.target.replace("/", "-"), f"labels-{labels}"]
        parts += [f"variant-{self.variant}"] if self.variant else []
        return Path(*parts, self.arm.name if self.auxiliary is None else f"{self.arm.name}-{self.auxiliary}")

    @property
    def label(self) -> str:
        """Its name for messages."""
        source = f" from {self.auxiliary}" if self.auxiliary else ""
        details = "".join(f", {part}" for part in (self.variant, self.labels and f"{self.labels} labels") if part)
        return f"{self.target} {self.arm.name}{source}{details}"

    def recipe(
        self, rate: float, seed: int, *, search: bool, epochs: int | None = None, weight_decay: float | None = None
    ) -> Recipe:
        """The resolved recipe of one run. Runs of the search neither read the test part nor draw pictures, and where
        the last epoch counts they read the validation part once, after it: reports show no curves of theirs. `epochs`
        and `weight_decay` replace the recipe's own.
        """
        settings = [*self.settings, f"optimizer.lr={rate!r}", f"train.seed={seed}"]
        if weight_decay is not None:
            settings.append(f"optimizer.weight_decay={weight_decay!r}")
        if search:
            settings += ["evaluate.test=false", "evaluate.pictures=false"]
        recipe = apply_overrides(recipe_named(self.target), settings)
        if epochs is not None:
            recipe = apply_overrides(recipe, length_settings(recipe, epochs))
        if search and recipe.train.select == "last":
            recipe = apply_overrides(recipe, (f"train.evaluate_from={recipe.train.epochs}",))
        layouts = recipe.pathway.auxiliary_layout
        if not isinstance(layouts, dict):
            return recipe
        # A run has one of the study's auxiliaries, and so one of its layouts.
        own = layouts.get(str(self.auxiliary))
        return recipe.model_copy(update={"pathway": recipe.pathway.model_copy(update={"auxiliary_layout": own})})


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run."""

    cell: Cell
    rate: float
    seed: int
    search: bool
    epochs: int | None = None
    """Of a shorter round of the search; None for the recipe's own."""
    weight_decay: float | None = None
    """None for the recipe's own."""

    @property
    def folder(self) -> Path:
        """Its path in the study's `runs`."""
        stage = "search" if self.search else "final"
        if self.epochs is not None:
            stage += f"-{self.epochs}-epochs"
        decay = "" if self.weight_decay is None else f"-decay-{self.weight_decay:g}"
        return self.cell.folder / stage / f"lr-{self.rate:g}{decay}-seed-{self.seed}"

    @property
    def recipe(self) -> Recipe:
        """Its resolved recipe."""
        return self.cell.recipe(
            self.rate, self.seed, search=self.search, epochs=self.epochs, weight_decay=self.weight_decay
        )

    @property
    def samples(self) -> tuple[object, ...]:
        """What its samples follow from: runs in which this is equal have the same ones."""
        settings = tuple(setting.strip() for setting in self.cell.settings if setting.strip().startswith("data."))
        # A foundation model decodes its own way. Folds are drawn by the seed.
        own = any_recipe_named(self.cell.target).data.held_out_fold is not None
        folds = own or any(setting.startswith("data.held_out_fold") for setting in settings)
        return (self.cell.target, settings, self.cell.from_, self.seed if folds else None)

    @property
    def label(self) -> str:
        """Its name for the progress bar."""
        length = "" if self.epochs is None else f", {quantity(self.epochs, 'epoch')}"
        decay = "" if self.weight_decay is None else f", weight decay {self.weight_decay:g}"
        return f"{self.cell.label}, lr {self.rate:g}{decay}{length}, seed {self.seed}"


def length_settings(recipe: Recipe, epochs: int) -> tuple[str, ...]:
    """The settings of a run of another length, with the recipe's warm-up or a fifth of its epochs."""
    warmup = min(recipe.schedule.warmup_epochs, epochs / 5)
    return f"train.epochs={epochs}", f"train.evaluate_every={epochs}", f"schedule.warmup_epochs={warmup:g}"


def trials_of(
    cell: Cell, rates: Iterable[float], epochs: int | None = None, weight_decay: float | None = None
) -> tuple[Job, ...]:
    """The trials of these rates, one after the other."""
    return tuple(
        Job(cell=cell, rate=rate, seed=SEARCH_SEEDS + index, search=True, epochs=epochs, weight_decay=weight_decay)
        for rate in rates
        for index in range(cell.grid.seeds)
    )


def final_jobs(cell: Cell, rate: float, seeds: tuple[int, ...], weight_decay: float | None = None) -> tuple[Job, ...]:
    """The reported runs."""
    return tuple(Job(cell=cell, rate=rate, seed=seed, search=False, weight_decay=weight_decay) for seed in seeds)
