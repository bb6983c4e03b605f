"""Older names of keywords: still accepted, with a warning that names the new one."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def older_keywords(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take keywords by their older names: `older_keywords(old="new")`.

    The function raises `TypeError` where both names of a keyword are given.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*arguments: Any, **keywords: Any) -> R:
            for old in [name for name in names if name in keywords]:
                new = names[old]
                if new in keywords:
                    raise TypeError(f"{function.__name__}() got {new} and {old}, which is its older name")
                warnings.warn(f"{function.__name__}({old}=...) is now {new}=...", DeprecationWarning, stacklevel=2)
                keywords[new] = keywords.pop(old)
            return function(*arguments, **keywords)

        return call

    return decorate
