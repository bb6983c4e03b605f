"""Recipes as YAML text and files. What a run writes is what runs again."""

from pathlib import Path

import yaml

from crosspath.config.recipe import Recipe, validate
from crosspath.config.yaml_text import parse_yaml
from crosspath.errors import InputError
from crosspath.pickles import require_file


def recipe_to_text(recipe: Recipe) -> str:
    """The recipe as YAML, every value written out."""
    tree = recipe.model_dump(mode="json")
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def recipe_from_text(text: str, where: object) -> Recipe:
    """A recipe from YAML text. Raises `InputError` naming `where`, or the dotted name of each fault."""
    tree = parse_yaml(text, where)
    if not isinstance(tree, dict):
        raise InputError(where, "a recipe's sections", type(tree).__name__, "write it as name: value")
    return validate(tree, where)


def read_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file. Raises `InputError` for a missing, unreadable or faulty one."""
    require_file(path, "a recipe file")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(path, "a recipe file", error.strerror or "none", "check the path") from None
    except UnicodeDecodeError:
        raise InputError(path, "YAML in UTF-8", "other bytes", "name a recipe file") from None
    return recipe_from_text(text, path)


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, completely or not at all."""
    from crosspath.files import write_text  # the file layer imports torch, which reading a recipe does not need

    write_text(path, recipe_to_text(recipe))
