"""What a run is: a recipe of typed sections, its overrides and its file. Knows no model and no data."""

from crosspath.config.files import read_recipe, recipe_from_text, recipe_to_text, write_recipe
from crosspath.config.kinds import add_sections, remove_sections
from crosspath.config.overrides import Settings, apply_overrides, setting_texts
from crosspath.config.recipe import Recipe, validate
from crosspath.config.shipped import AUDIO, IMAGE, POINT, SERIES, TEXT, VIDEO

for _sections in (IMAGE, AUDIO, POINT, VIDEO, TEXT, SERIES):
    add_sections(_sections)

__all__ = [
    "Recipe",
    "Settings",
    "add_sections",
    "apply_overrides",
    "read_recipe",
    "recipe_from_text",
    "recipe_to_text",
    "remove_sections",
    "setting_texts",
    "validate",
    "write_recipe",
]
