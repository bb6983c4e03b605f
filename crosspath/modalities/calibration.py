"""Settings that a run takes from its training samples, such as the mean of each channel, into its recipe."""

from crosspath.config import Recipe
from crosspath.data.examples import DataSet
from crosspath.modalities.table import modality_of


def calibrate(recipe: Recipe, data: DataSet) -> Recipe:
    """The recipe with what its modality takes from the training part. Nothing else is looked at: the held-out parts
    must not move what the model is given.
    """
    section = modality_of(recipe).calibrate(recipe.data, data.train)
    return recipe if section is recipe.data else recipe.model_copy(update={"data": section})


def with_calibration(recipe: Recipe, before: Recipe) -> Recipe:
    """The recipe with what an earlier run of it has taken from its training part, where the recipe says nothing."""
    if recipe.modality != before.modality:
        return recipe
    values = {
        name: getattr(before.data, name)
        for name in modality_of(recipe).calibration
        if getattr(recipe.data, name) is None
    }
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=values)}) if values else recipe
