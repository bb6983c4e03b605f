"""A modality's usual classifier without a network, on the samples, split and labels of a recipe."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.errors import InputError
from crosspath.modalities import MODALITIES, modality_of
from crosspath.modalities.load import load_data, with_absolute_folder
from crosspath.recipes import recipe_named

SEEDS = 2**32
"""How many seeds a classifier of scikit-learn's kind takes, from 0."""


def baseline(
    recipe: Recipe | str | Path,
    *,
    data: str | Path | None = None,
    settings: Settings = (),
    seeds: Sequence[int] = (0,),
) -> dict[str, Any]:
    """The accuracy of the classifier that a practitioner would try first; for time series MiniRocket and ridge.

    It is trained on the training samples of a run of this recipe with each seed, which draws `data.labels_per_class`,
    and reads them as the run's reader decodes them, without augmentation. The validation part is not trained on, as in
    a run.

    Returns `{"recipe", "baseline", "rows": [{"seed", "train_samples", "validation", "test"}, ...], "mean": {...},
    "std": {...}}`; accuracies are fractions. `std` is the sample standard deviation over seeds; None for one seed.

    Raises
    ------
    InputError
        For a modality without a baseline, samples without one class each, a library that is not installed, and as
        `train`.
    """
    recipe = apply_overrides(recipe if isinstance(recipe, Recipe) else recipe_named(recipe), setting_texts(settings))
    usual = modality_of(recipe).baseline
    if usual is None:
        names = ", ".join(name for name, modality in MODALITIES.items() if modality.baseline is not None)
        raise InputError(recipe.name, f"a modality with a baseline ({names})", recipe.modality, "use `crosspath train`")
    if recipe.data.several_labels or recipe.data.label_kind != "classes":
        found = "several" if recipe.data.several_labels else str(recipe.data.label_kind)
        raise InputError(recipe.name, "one class a sample", found, "use `crosspath train`")
    if not seeds or not 0 <= min(seeds) <= max(seeds) < SEEDS:
        raise InputError("seeds", f"one or more from 0 to {SEEDS - 1}", str(list(seeds)), "name others")
    root = None if data is None else Path(data)
    section = with_absolute_folder(recipe.data, root)
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        parts = load_data(section, root, seed)
        classify = usual.fit(np.asarray(parts.train.inputs[:]), parts.train.labels.astype(np.int64), seed)
        held_out = {"validation": parts.validation, "test": parts.test}
        accuracies = {
            name: float((classify(np.asarray(part.inputs[:])) == part.labels).mean()) for name, part in held_out.items()
        }
        rows.append({"seed": seed, "train_samples": len(parts.train), **accuracies})
    columns = {name: [row[name] for row in rows] for name in ("validation", "test")}
    return {
        "recipe": recipe.name,
        "baseline": usual.name,
        "rows": rows,
        "mean": {name: fmean(values) for name, values in columns.items()},
        "std": {name: stdev(values) if len(values) > 1 else None for name, values in columns.items()},
    }
