"""Recipes for data of the user's own, completed as a run completes them from the first file."""

from crosspath.config import Recipe


def with_own_data(recipe: Recipe) -> Recipe:
    """The recipe, with two channels where it leaves their number to the files."""
    if getattr(recipe.data, "channels", 0) is not None:
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"channels": 2})})
