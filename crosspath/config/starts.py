"""What `pathway.start` fills in: the settings of a start (`crosspath/starts.py`) that are not given beside it.

A resolved recipe holds the start's name and all of its settings, so that it means the same when it is read again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticKnownError

from crosspath.errors import InputError
from crosspath.starts import PLACES, SETTING, STARTS, describe_start


def check_start(name: object) -> object:
    """`name`, if it is a start's or None; a validator."""
    if name is not None and (not isinstance(name, str) or name not in STARTS):
        *before, last = [f"'{start}'" for start in STARTS]
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(before)} or {last}"})
    return name


def fill_section(values: Any, section: str = "pathway", start: object = None) -> Any:
    """The values of a section with those of its start (the section's own, or the one given) that it lacks."""
    if not isinstance(values, Mapping):
        return values
    start = values.get("start") if start is None else start
    if not isinstance(start, str) or start not in STARTS:
        return values
    own = {place.partition(".")[2]: value for place, value in STARTS[start].settings.items() if _is_in(place, section)}
    return {**own, **values}


def fill_optimizer(tree: Any) -> Any:
    """A recipe's sections with what the start of its `pathway` section says of the `optimizer` section."""
    if not isinstance(tree, Mapping):
        return tree
    pathway, optimizer = (_stated_fields(tree.get(name)) for name in ("pathway", "optimizer"))
    start = pathway.get("start") if isinstance(pathway, Mapping) else None
    if start is None or not isinstance(optimizer, Mapping):
        return tree
    return {**tree, "optimizer": fill_section(optimizer, "optimizer", start)}


def layer_settings(*layers: Sequence[str]) -> tuple[str, ...]:
    """Overrides (`section.field=value`) of several layers as one list: a start replaces what earlier layers say of its
    settings, and what stands in its own or a later layer replaces the start's own.
    """
    result: list[str] = []
    for layer in layers:
        if any(_name(setting) == SETTING for setting in layer):
            result = [setting for setting in result if _name(setting) not in PLACES.values()]
        result.extend(layer)
    return tuple(result)


def start_settings(overrides: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Overrides as (name, value), with the settings of the last start among them before all of them."""
    starts = [value for name, value in overrides if name == SETTING]
    if not starts or starts[-1] not in STARTS:
        return list(overrides)
    return [*STARTS[starts[-1]].settings.items(), *overrides]


def start_in(settings: Sequence[str]) -> str | None:
    """The start that overrides name; None where they name none."""
    values = [setting.partition("=")[2].strip() for setting in settings if _name(setting) == SETTING]
    return values[-1].strip("'\"") if values else None


def require_one_start(start: object, settings: Sequence[str]) -> None:
    """Raise `InputError` for a start beside settings that name one."""
    if start is not None and (other := start_in(settings)) is not None:
        raise InputError(SETTING, "one start", f"{other}, and the start {start}", "leave one of them out")


def start_note(recipe: Any) -> str | None:
    """The recipe's start in one line, with the settings that were given instead of its own; None without a start."""
    if recipe.pathway.start is None:
        return None
    sections = {"pathway": recipe.pathway, "optimizer": recipe.optimizer}
    values = {}
    for name, place in PLACES.items():
        section, _, field = place.partition(".")
        values[name] = getattr(sections[section], field)
    return describe_start(recipe.pathway.start, values)


def _name(setting: str) -> str:
    return setting.partition("=")[0].strip()


def _is_in(place: str, section: str) -> bool:
    return place.startswith(f"{section}.")


def _stated_fields(section: Any) -> Any:
    """The values of a section that were given; an absent section has none."""
    if section is None:
        return {}
    return (
        {name: getattr(section, name) for name in section.model_fields_set}
        if isinstance(section, BaseModel)
        else section
    )
