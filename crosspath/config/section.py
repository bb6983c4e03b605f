"""The base of every recipe section: unknown names are refused, values are frozen once checked."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

LONGEST_NAME = 200


def _check_folder_name(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    drive = parts[0].endswith(":") or parts[0][1:2] == ":"
    if not name.isprintable() or len(name) > LONGEST_NAME or drive or any(part in ("", ".", "..") for part in parts):
        expected = f"a name of up to {LONGEST_NAME} characters that leads out of no folder"
        raise PydanticCustomError("folder_name", expected)  # type: ignore[arg-type]
    return name


FolderName = Annotated[str, AfterValidator(_check_folder_name)]
"""A name after which a folder is named: words, divided by `/`; never a way out of the folder above."""


class Section(BaseModel):
    """A typed part of a recipe. Variants are made with `model_copy(update=...)` or by overrides."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
