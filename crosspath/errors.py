"""The errors that a user can put right. The command line prints each as one line and exits with code 2."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Self

SETTINGS = re.compile(r"(?:, or |: )[^,:;()]*(?:--set |\bdata\.)(?:(?!, or )[^;])*")
"""Advice to change a setting, among other advice."""


class InputError(ValueError):
    """Bad input, in one line: where it is, what was expected, what was found, what to do.

    `where` is a dotted recipe name (`train.epochs`), a file, or a file and a row.
    """

    def __init__(self, where: object, expected: str, found: str, todo: str) -> None:
        self.where = str(where)
        self.expected = expected
        self.found = found
        self.todo = todo
        super().__init__(f"{self.where}: expected {expected}, found {found}; {todo}")

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Between processes an exception is rebuilt from its message unless it says what else to use."""
        return _rebuild, (type(self), self.args, vars(self))


class PathwayError(InputError):
    """A model or an auxiliary that cannot be connected, merged, saved or loaded as asked. The model is untouched."""

    @classmethod
    def of(cls, where: object, faults: Sequence[str]) -> Self:
        """Several faults in one error, each a line of its message: `WHERE: REASON; REMEDY`."""
        error = cls(where, "no faults", "; ".join(faults), "correct them")
        error.args = ("\n".join(faults),)
        return error


@contextmanager
def raise_as_pathway_error() -> Iterator[None]:
    """The pathway library raises `PathwayError` only: turn what reading and writing files raises into one."""
    try:
        yield
    except PathwayError:
        raise
    except InputError as error:
        raise PathwayError(error.where, error.expected, error.found, error.todo) from None


@contextmanager
def without_settings() -> Iterator[None]:
    """Who asks a model has no settings of its data to change: leave them out of the advice."""
    try:
        yield
    except InputError as error:
        todo = SETTINGS.sub("", f": {error.todo}").removeprefix(": ").removeprefix(", or ")
        found = SETTINGS.sub("", error.found)
        raise InputError(error.where, error.expected, found, todo or "choose another file") from None


def suggest(name: str, names: Iterable[str], otherwise: str, *, cutoff: float = 0.6) -> str:
    """What to do about an unknown name: the question whether the most similar of `names` is meant, or `otherwise`."""
    near = get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else otherwise


def _rebuild(kind: type[InputError], args: tuple[Any, ...], attributes: dict[str, Any]) -> InputError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


def expectation_of(message: str) -> str:
    """What one of pydantic's messages says was expected."""
    return message.removeprefix("Input should be ").strip()
