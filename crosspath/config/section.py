"""The base of every recipe section: unknown names are refused, values are frozen once checked."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A typed part of a recipe. Variants are made with `model_copy(update=...)` or by overrides."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
