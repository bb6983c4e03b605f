"""Arguments of the pathway library: each of a wrong type is refused in one line that names it."""

import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Literal

from torch import nn

from crosspath.errors import PathwayError

Normalise = Literal["rms"]
"""What of W' is made that of W: `rms`, the root mean square of each matrix."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
RESERVED_NAMES = frozenset(dir(nn.ParameterDict()))
"""What W' and λ, entries of a `ParameterDict`, cannot be called."""
NAME_IN_WORDS = "a name of letters, digits, _ and -, which begins with no digit and is no attribute of nn.ParameterDict"


def is_name(text: str) -> bool:
    """Whether an auxiliary can have this name."""
    return NAME.fullmatch(text) is not None and text not in RESERVED_NAMES


def words_of(value: object, argument: str) -> str | tuple[str, ...]:
    """One word as it is, several as a tuple: an iterator could be read once only. Raises `PathwayError` for others."""
    if isinstance(value, str):
        return value
    items = tuple(value) if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes | nn.Module) else None
    if items is None:
        raise PathwayError(argument, "text, or several of them", _type(value), "pass a str, or a list or set of str")
    wrong = [item for item in items if not isinstance(item, str)]
    if wrong:
        raise PathwayError(argument, "text, or several of them", f"{wrong[0]!r} among them", "pass only str")
    return tuple(item for item in items if isinstance(item, str))


def names_of(value: object) -> str | tuple[str, ...] | Mapping[str, str] | None:
    """`names` as `match_names` reads it. Raises `PathwayError` for anything else."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return words_of(value, "names")
    wrong = [item for pair in value.items() for item in pair if not isinstance(item, str)]
    if wrong:
        raise PathwayError("names", "{target name: auxiliary name}", f"{wrong[0]!r} among them", "pass only str")
    return value


def number_of(value: object, argument: str) -> float:
    """A real number of any library as a float. Raises `PathwayError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise PathwayError(argument, "a number", _type(value), "pass a float")
    try:
        return float(value)
    except OverflowError:
        raise PathwayError(argument, "a number that a float holds", "a larger one", "lower it") from None


def check_switch(value: object, argument: str) -> None:
    """Raise `PathwayError` for anything but True and False."""
    if not isinstance(value, bool):
        raise PathwayError(argument, "True or False", repr(value), "pass one of these")


def _type(value: object) -> str:
    kind = type(value).__name__
    return "None" if value is None else f"{value!r} ({kind})" if isinstance(value, int | float | str) else f"a {kind}"


def check_canonical(canonical: object, normalise: object) -> None:
    """Raise `PathwayError` for values of these arguments that have no meaning."""
    check_switch(canonical, "canonical")
    if normalise not in (None, "rms"):
        raise PathwayError("normalise", "'rms' or None", repr(normalise), "choose one of these")
