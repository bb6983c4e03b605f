"""JSON files, read as the types that they stand for."""

import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from crosspath.errors import InputError, expectation_of
from crosspath.files.atomic import write_text
from crosspath.pickles import refuse_pickle, require_file

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Shape = TypeVar("Shape")
FORMAT_VERSION = 1
REWRITE = "the file is damaged: write it again"


def finite(value: Any) -> Any:
    """Nested plain data with None in place of infinities and NaN, which JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def is_finite(value: Any) -> bool:
    """Whether nested plain data holds no infinity and no NaN."""
    if isinstance(value, Mapping):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def write_json(path: Path, value: object) -> None:
    """Write JSON (NaN and infinity refused: they are not JSON), completely or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, todo: str = REWRITE) -> dict[str, Any]:
    """The object in a JSON file. Raises `InputError` for a missing, unreadable or faulty one; `todo` says what to do
    about the last.
    """
    require_file(path, "a JSON file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, "a JSON file", error.strerror or "none", "check the path") from None
    except (ValueError, RecursionError):
        refuse_pickle(path)
        raise InputError(path, "JSON", "text that is not", todo) from None
    if not isinstance(value, dict):
        raise InputError(path, "a JSON object", type(value).__name__, todo)
    return value


def read_json_as(path: Path, kind: type[Shape], todo: str = REWRITE) -> Shape:
    """The object in a JSON file as a dataclass, or as a mapping such as `dict[str, float]`.

    Raises
    ------
    InputError
        As `read_json`, for a value of another type, with its place, for names that are missing or unknown, and for
        numbers that are not finite.
    """
    return as_kind(read_json(path, todo), kind, path, todo)


def as_kind(value: Any, kind: type[Shape], where: object, todo: str = REWRITE) -> Shape:
    """A JSON value as a dataclass or a mapping of typed values. Raises `InputError` as `read_json_as` does, with this
    advice.
    """
    from pydantic import ValidationError

    if not is_finite(value):
        raise InputError(where, "finite numbers", "infinity or NaN", todo)
    if is_dataclass(kind) and isinstance(value, dict):
        others = [name for name in value if name not in {entry.name for entry in fields(kind)}]
        if others:
            raise InputError(where, f"the names of a {kind.__name__.lower()}", repr(others[0]), todo)
    try:
        result: Shape = _adapter(cast(Hashable, kind)).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the value"
        raise InputError(where, f"{place}: {expectation_of(fault['msg'])}", repr(fault["input"])[:80], todo) from None
    return result


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
