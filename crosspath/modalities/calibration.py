"""Settings that a run takes from its training samples, such as the mean of each channel, into its recipe."""

import numpy as np

from crosspath.config import Recipe
from crosspath.config.data import DataSection
from crosspath.counts import quantity
from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.modalities.table import modality_of

OF_NUMBERS = ("target_mean", "target_std")
"""Settings that follow from the training part's numbers, of any modality."""
LABEL_SETTINGS = (*OF_NUMBERS, "label_columns")
"""These, and the names of the columns, which data in memory may have."""


def calibrate(recipe: Recipe, data: DataSet) -> Recipe:
    """The recipe with what its modality takes from the training part. Nothing else is looked at: the held-out parts
    must not move what the model is given.
    """
    section = modality_of(recipe).calibrate(recipe.data, data.train)
    if section.label_kind == "numbers":
        section = _with_spread(section, data)
    return recipe if section is recipe.data else recipe.model_copy(update={"data": section})


def _with_spread(section: DataSection, data: DataSet) -> DataSection:
    """The section with mean and standard deviation of each column of numbers over the training samples.

    Raises
    ------
    InputError
        For a column whose numbers are all the same, of which nothing can be learnt, and for values that are given for
        other columns.
    """
    for name in OF_NUMBERS:
        values = getattr(section, name)
        if values is not None and len(values) != len(data.classes):
            found = quantity(len(values), "value")
            raise InputError(f"data.{name}", f"one for each of {', '.join(data.classes)}", found, "leave it out")
    labels_NK = np.asarray(data.train.labels, np.float64)
    mean_K, std_K = labels_NK.mean(axis=0), labels_NK.std(axis=0)
    for column, values, std in zip(data.classes, labels_NK.T, std_K, strict=True):
        if not std > 0 and section.target_std is None:
            found = f"{values[0]:g} in all {len(values)}"
            todo = "leave the column out, or add samples with other numbers"
            raise InputError(f"the column {column}", "training samples with different numbers", found, todo)
    return section.model_copy(
        update={
            # Their names, where they come from an array or from memory.
            "label_columns": section.label_columns or (data.classes if len(data.classes) > 1 else None),
            "target_mean": section.target_mean or tuple(mean_K.tolist()),
            "target_std": section.target_std or tuple(std_K.tolist()),
        }
    )


def with_calibration(recipe: Recipe, before: Recipe) -> Recipe:
    """The recipe with what an earlier run of it has taken from its training part, where the recipe says nothing."""
    if recipe.modality != before.modality:
        return recipe
    values = {
        name: getattr(before.data, name)
        for name in (*modality_of(recipe).calibration, *(LABEL_SETTINGS if recipe.data.label_kind == "numbers" else ()))
        if getattr(recipe.data, name) is None
    }
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=values)}) if values else recipe
