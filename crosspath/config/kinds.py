"""Which sections a recipe of each modality has: the table by which `data`, `augment` and `model.tokenizer` are typed.

The shipped modalities are added in `crosspath/config/__init__.py`; another one by `crosspath.modalities.add`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticKnownError

from crosspath.config.section import Section
from crosspath.config.use import Use


def no_rules(recipe: Any) -> None:
    """For modalities whose sections agree whatever they hold."""


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The sections of a recipe that differ between modalities."""

    modality: str
    """The default of `data.modality` and `augment.modality`."""
    data: type[Section]
    augment: type[Section]
    tokenizer: type[Section]
    positions: tuple[str, ...] = ("sincos", "learned")
    """What `model.positions` may be."""
    masks: tuple[str, ...] = ("random",)
    """What `masking.kind` may be."""
    uses: tuple[Use, ...] = ()
    """Settings of these sections that only some recipes of the modality read."""
    reads: tuple[str, ...] = ()
    """Settings outside of these sections, such as `evaluate.votes`, that only modalities which name them read."""
    ignores: tuple[str, ...] = ()
    """Settings outside of these sections that recipes of this modality never read."""
    rules: Callable[[Any], None] = no_rules
    """Raises `ValueError` for a recipe whose sections do not agree with each other."""

    @property
    def tokenizer_kind(self) -> str:
        """The default of `model.tokenizer.kind`."""
        return str(self.tokenizer.model_fields["kind"].default)


_KINDS: dict[str, Sections] = {}


def add_sections(sections: Sections) -> None:
    """Make a modality known to recipes.

    Raises
    ------
    ValueError
        For a name or a kind of tokenizer that another modality has, and for sections whose defaults name another.
    """
    name = sections.modality
    if _KINDS.get(name, sections) is not sections:
        raise ValueError(f"a modality called {name} is there already")
    for section in (sections.data, sections.augment):
        default = section.model_fields["modality"].default
        if default != name:
            raise ValueError(f"{section.__name__}.modality is {default!r} by default, not {name!r}")
    if any(sections.tokenizer_kind == other.tokenizer_kind for other in _KINDS.values() if other is not sections):
        raise ValueError(f"a tokenizer of the kind {sections.tokenizer_kind} is there already")
    _KINDS[name] = sections


def remove_sections(sections: Sections) -> None:
    """Forget a modality that `add_sections` made known. Raises `ValueError` for one that is not there."""
    if _KINDS.get(sections.modality) is not sections:
        raise ValueError(f"a modality called {sections.modality} was not added")
    del _KINDS[sections.modality]


def sections_of(modality: str) -> Sections:
    """The sections of a modality. Raises `KeyError` for one that was never added."""
    return _KINDS[modality]


def modality_names() -> tuple[str, ...]:
    """Every modality that recipes may name, in the order in which they were added."""
    return tuple(_KINDS)


def mask_kinds() -> tuple[str, ...]:
    """Every mask that some modality has."""
    return tuple(dict.fromkeys(kind for sections in _KINDS.values() for kind in sections.masks))


def uses_of_modalities(modality: str) -> tuple[Use, ...]:
    """What a recipe of `modality` reads, as far as the sections of all modalities say."""
    readers, others = _names_by_setting("reads"), _names_by_setting("ignores")
    return (
        *(Use((setting,), "modality", names) for setting, names in readers.items()),
        *(Use((setting,), "modality", never=names) for setting, names in others.items()),
        *sections_of(modality).uses,
    )


def _names_by_setting(field: str) -> dict[str, tuple[str, ...]]:
    """{setting: the modalities that have it in a field of their sections}."""
    names: dict[str, tuple[str, ...]] = {}
    for name, sections in _KINDS.items():
        for setting in getattr(sections, field):
            names[setting] = (*names.get(setting, ()), name)
    return names


def check_modality(name: object) -> object:
    """`name`, if it is a modality's; a validator."""
    if not isinstance(name, str) or name not in _KINDS:
        raise PydanticKnownError("literal_error", {"expected": _quote(_KINDS, " or ")})
    return name


def check_mask(kind: object) -> object:
    """`kind`, if some modality has such a mask; a validator."""
    if kind not in mask_kinds():
        raise PydanticKnownError("literal_error", {"expected": _quote(mask_kinds(), " or ")})
    return kind


def typed_tokenizer(value: object) -> object:
    """A `model.tokenizer` section of the class that its `kind` names; a validator."""
    return _section_of(value, "kind", {sections.tokenizer_kind: sections.tokenizer for sections in _KINDS.values()})


def typed_data(value: object) -> object:
    """A `data` section of the class that its `modality` names; a validator."""
    return _section_of(value, "modality", {name: sections.data for name, sections in _KINDS.items()})


def typed_augment(value: object) -> object:
    """An `augment` section of the class that its `modality` names; a validator."""
    return _section_of(value, "modality", {name: sections.augment for name, sections in _KINDS.items()})


def _section_of(value: object, tag: str, classes: Mapping[str, type[Section]]) -> object:
    """`value` checked by the class that its tag names. pydantic prefixes the path of an inner fault."""
    if isinstance(value, BaseModel) or not isinstance(value, Mapping):
        return value
    if tag not in value:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": f"'{tag}'"})
    section = classes.get(value[tag]) if isinstance(value[tag], str) else None
    if section is None:
        context = {"discriminator": f"'{tag}'", "tag": str(value[tag]), "expected_tags": _quote(classes, ", ")}
        raise PydanticKnownError("union_tag_invalid", context)
    return section.model_validate(value)


def _quote(names: Any, last: str) -> str:
    *before, final = [f"'{name}'" for name in names]
    return f"{', '.join(before)}{last}{final}" if before else final
