"""Protocols of several folds: ESC's cross-validation, and few-shot episodes."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.checkpoints.sources import Auxiliary
from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.config.unused import refuse_without_auxiliaries
from crosspath.data.few_shot import few_shot_folds
from crosspath.deprecated import older_keywords
from crosspath.errors import InputError
from crosspath.files import FORMAT_VERSION, new_folder, write_json
from crosspath.locks import LOCK_FILES, claim, remove_lock
from crosspath.metrics import plain_text
from crosspath.modalities import modality_of
from crosspath.modalities.memory import path_only
from crosspath.objectives import objective_of
from crosspath.recipes import RECIPES, recipe_named
from crosspath.training.progress import Listener
from crosspath.training.run import train

FOLDS = "folds.json"


@dataclass(frozen=True, kw_only=True, repr=False)
class FoldsResult:
    """What came out, fold by fold. Every fold's test part was read once, at the end of its run."""

    folder: str
    recipe: str
    metric: str
    """That by which the recipe's objective selects."""
    folds: tuple[int, ...]
    values: tuple[float, ...]
    """On the test part of each fold."""
    mean: float
    std: float
    """Sample standard deviation over folds (n - 1)."""

    def __repr__(self) -> str:
        return f"<FoldsResult: {self.recipe}, {self.summary}, in {self.folder}>"

    @property
    def summary(self) -> str:
        """Mean and deviation in words."""
        mean, std = (plain_text(self.metric, value) for value in (self.mean, self.std))
        return f"{self.metric} {mean} ± {std} over {len(self.folds)} folds"

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `folds.json`."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


@older_keywords(data_root="data", from_checkpoint="start_from")
def train_folds(
    recipe: Recipe | str | Path,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    start_from: str | Path | None = None,
    auxiliaries: Mapping[str, str | Path | Auxiliary] | None = None,
    settings: Settings = (),
    progress: bool | Listener = True,
    resume: bool = False,
) -> FoldsResult:
    """Train and test once for every fold, each in a run folder of its own below `out`; the mean and its spread.

    ESC-10 and ESC-50: fold k is the test part and the next one the validation part, k from 1 to 5. Few-shot episodes
    (`data.way` and `data.shot`): ten draws of classes and samples, numbered from 0. With `resume` finished folds are
    kept, and an interrupted one resumes. The other parameters are those of `train`.

    Raises
    ------
    InputError
        For a recipe whose data have no folds, or that reads no test part, and as `train` does.
    """
    shipped, texts = str(recipe) in RECIPES, setting_texts(settings)
    if not auxiliaries:
        refuse_without_auxiliaries(texts)
    recipe = apply_overrides(recipe if isinstance(recipe, Recipe) else recipe_named(recipe), texts)
    recipe = fit_to_start(recipe, start_from, texts, shipped=shipped)
    if not recipe.evaluate.test:
        raise InputError("evaluate.test", "true, since each fold reports its test part", "false", "leave it out")
    variants = folds_of(recipe)
    data = path_only(data, "several folds")
    out = Path("runs") / recipe.name if out is None else Path(out)
    with _claim(out, resume):
        return _train_each(recipe, variants, out, data, start_from, auxiliaries, progress, resume)


@contextmanager
def _claim(out: Path, resume: bool) -> Iterator[None]:
    """The folder of all folds for this command alone. Of the processes of torchrun the first looks and holds it: an
    error there ends them all.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    if not resume or not out.is_dir():
        new_folder(out, "--out, or resume it with --resume", beside=LOCK_FILES)
    with claim(out):
        if not resume:
            new_folder(out, "--out, or resume it with --resume", beside=LOCK_FILES)
        yield
        remove_lock(out)


def _train_each(
    recipe: Recipe,
    variants: Mapping[int, Recipe],
    out: Path,
    data: str | Path | None,
    start_from: str | Path | None,
    auxiliaries: Mapping[str, str | Path | Auxiliary] | None,
    progress: bool | Listener,
    resume: bool,
) -> FoldsResult:
    values = []
    for fold, variant in variants.items():
        folder = out / f"fold-{fold}"
        run = train(
            variant,
            out=folder,
            data=data,
            start_from=start_from,
            auxiliaries=auxiliaries,
            progress=progress,
            resume=resume and folder.exists(),
        )
        metric = objective_of(variant).selects_by
        values.append(run.metrics["test"][metric])
    result = FoldsResult(
        folder=str(out),
        recipe=recipe.name,
        metric=metric,
        folds=tuple(variants),
        values=tuple(values),
        mean=fmean(values),
        std=stdev(values),
    )
    write_json(out / FOLDS, result.to_json())
    return result


def folds_of(recipe: Recipe) -> dict[int, Recipe]:
    """The recipe of each fold, by the fold's number. Raises `InputError` where the data have none."""
    folds = few_shot_folds() if recipe.data.few_shot else modality_of(recipe).folds(recipe.data)
    if not folds:
        several = [name for name, make in RECIPES.items() if modality_of(make()).folds(make().data)]
        expected = f"data of several folds: {', '.join(several)}, or few-shot episodes"
        todo = "leave it out, or draw episodes with --set data.way=5 --set data.shot=10"
        raise InputError("--folds", expected, recipe.name, todo)
    return {
        fold: recipe.model_copy(update={"data": recipe.data.model_copy(update=dict(settings))})
        for fold, settings in folds.items()
    }
