"""A setting that only some recipes read, and by what other setting these are told."""

from typing import Any, NamedTuple


class Use(NamedTuple):
    """Settings, and the setting by whose value they are read."""

    settings: tuple[str, ...]
    beside: str
    values: tuple[str, ...] = ()
    """Those by which they are read; all but `never` where none is named."""
    never: tuple[str | None, ...] = ()
    unless: str | None = None
    """A setting that has them read in any case where it is on."""

    def reads(self, recipe: Any) -> bool:
        """Whether the recipe reads the settings, as far as this row says."""
        if self.unless is not None and setting_of(recipe, self.unless):
            return True
        value = setting_of(recipe, self.beside)
        return value in self.values if self.values else value not in self.never


def setting_of(recipe: Any, name: str) -> Any:
    """The value at `section.field`; None where the recipe lacks the section or the field."""
    value: Any = recipe
    for part in name.split("."):
        value = getattr(value, part, None)
    return value
