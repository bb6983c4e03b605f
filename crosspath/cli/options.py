"""Options that several verbs share, and how their values are read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from crosspath.errors import InputError

Data = Annotated[Path | None, Parameter(name="--data")]
Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
Auxiliaries = Annotated[tuple[str, ...], Parameter(name="--auxiliary", negative="", show_default=False)]
Recipe = Annotated[str | None, Parameter(name="--recipe")]


def named_pairs(values: Iterable[str], option: str) -> dict[str, str]:
    """{name: value} of `NAME=VALUE` options. Raises `InputError` for one without `=`, or a name given twice."""
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name or not rest:
            raise InputError(
                option, "NAME=CHECKPOINT", repr(value), f"write it as {option} audio={value or 'runs/esc10'}"
            )
        if name in pairs:
            raise InputError(f"{option} {name}", "each name once", "it twice", "rename one of them")
        pairs[name] = rest
    return pairs
