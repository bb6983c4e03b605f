"""`--set section.field=value`: dotted, typed, unknown names refused with the nearest known one."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from crosspath.config.labels import without_smoothing
from crosspath.config.recipe import Recipe, validate
from crosspath.config.starts import start_settings
from crosspath.config.unused import refuse_unused
from crosspath.config.use import setting_of
from crosspath.config.yaml_text import parse_yaml
from crosspath.errors import InputError

EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
Settings = Mapping[str, Any] | Iterable[str]
"""Settings of a recipe as Python holds them: {"train.epochs": 20}, {"train": {"epochs": 20}}, or `--set`'s texts."""


def setting_texts(settings: Settings, *, sections: Iterable[str] = tuple(Recipe.model_fields)) -> tuple[str, ...]:
    """Settings as the texts of `--set`. Raises `InputError` for anything that is neither a mapping nor texts."""
    if isinstance(settings, Mapping):
        texts: list[str] = []
        for name, value in settings.items():
            if name in sections and isinstance(value, Mapping):
                inside = {f"{name}.{field}": entry for field, entry in value.items()}
                texts.extend(setting_texts(inside, sections=()))
            else:
                texts.append(f"{name}={json.dumps(value, default=str)}")
        return tuple(texts)
    entries = tuple(settings) if isinstance(settings, Iterable) else (settings,)
    if isinstance(settings, str) or not all(isinstance(entry, str) for entry in entries):
        expected, todo = "a mapping, or several texts", 'write {"train.epochs": 20} or ["train.epochs=20"]'
        raise InputError("settings", expected, repr(settings), todo)
    return entries


def apply_overrides(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """The recipe with each `dotted.name=value` applied, in order; values are read as YAML, then typed. A start
    (`pathway.start`) brings its settings, wherever it stands among them; those given beside it replace them.

    Raises
    ------
    InputError
        For a malformed override, an unknown name or a value of the wrong kind; all faults of names and values
        are listed at once. For a setting that the recipe does not read.
    """
    overrides = tuple(overrides)
    if not overrides:
        return recipe
    tree: dict[str, Any] = recipe.model_dump(mode="json")
    settings = [_split(override) for override in overrides]
    for name, value in (*without_smoothing(settings), *start_settings(settings)):
        *sections, field = name.split(".")
        node = tree
        for section in sections:
            inside = node.get(section)
            if inside is None:  # an absent section begins with this setting
                inside = node[section] = {}
            if not isinstance(inside, dict):
                raise InputError(name, "a section before the last dot", f"the value {inside!r}", "drop the rest")
            node = inside
        node[field] = value
    result = validate(tree, where="--set")
    refuse_unused(result, [name for name, _ in settings if setting_of(result, name) != setting_of(recipe, name)])
    return result


def _split(override: str) -> tuple[str, Any]:
    """(dotted name, value) of `dotted.name=value`."""
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise InputError("--set", "section.field=value", repr(override), "write it as --set train.epochs=20")
    return name.strip(), _value(name, text)


def _value(name: str, text: str) -> Any:
    try:
        value = parse_yaml(text, name.strip())
    except InputError as error:
        found = f"{text[:100]!r} ({error.found})"
        raise InputError(name.strip(), "a YAML value", found, "quote it") from None
    # YAML 1.1 reads 1e-3 as text: numbers in that form are meant as numbers, unless they are quoted.
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(text.strip()) else value
