"""Layouts in a recipe: a shipped one by its name, or a table written by hand."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, NonNegativeInt, PositiveInt, TypeAdapter
from pydantic_core import PydanticCustomError

from crosspath.config.section import Section


class PlaceSection(Section):
    """Where a role is stored inside a block: see `crosspath.Place`."""

    weight: str
    bias: str | None = None
    part: NonNegativeInt = 0
    parts: PositiveInt = 1
    order: str | None = "three-major"
    transposed: bool = False


class LayoutSection(Section):
    """A layout by hand: see `crosspath.Layout`."""

    name: str = "by hand"
    block: str | None
    """null for a model that is itself the one block."""
    stage: str | None = None
    roles: Mapping[str, PlaceSection]
    mark: str | None = None
    absent: Mapping[str, str] = {}
    heads: PositiveInt | str | None = None
    norm: str | None = None
    stem: tuple[str, ...] = ()


class NamedLayout(Section):
    """A shipped layout, with what its model does not state: see `crosspath.layout_named`."""

    name: str
    heads: PositiveInt | None = None
    order: str | None = None


def typed_layout(value: object) -> object:
    """A name as it is, a mapping with `roles` or `block` as a table, any other as a shipped layout; a validator."""
    if value is None or isinstance(value, str | LayoutSection | NamedLayout):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("layout", "a layout's name, or a section of settings")
    return (LayoutSection if "roles" in value or "block" in value else NamedLayout).model_validate(value)


def typed_layouts(value: object) -> object:
    """As `typed_layout`; or one for each auxiliary, where no key is a setting of a layout; a validator."""
    settings = LayoutSection.model_fields.keys() | NamedLayout.model_fields.keys()
    if not isinstance(value, Mapping) or not value or settings & value.keys():
        return typed_layout(value)
    return _BY_NAME.validate_python(value)


def _typed_entry(layout: object) -> object:
    if layout is None:
        raise PydanticCustomError("layout", "a layout's name, or a section of settings")
    return typed_layout(layout)


AnyLayout = str | LayoutSection | NamedLayout
_BY_NAME = TypeAdapter(dict[str, Annotated[AnyLayout, BeforeValidator(_typed_entry)]])
OneLayout = Annotated[AnyLayout | None, BeforeValidator(typed_layout)]
SomeLayouts = Annotated[AnyLayout | dict[str, AnyLayout] | None, BeforeValidator(typed_layouts)]
