"""Libraries that only some files need, imported when the first of them is read."""

from importlib import import_module
from typing import Any

from crosspath.errors import InputError


def require_library(name: str, where: object, content: str, extra: str) -> Any:
    """The module called `name`. Raises `InputError`, which names the extra, where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        library = name.partition(".")[0]
        todo = f"pip install 'crosspath[{extra}]'"
        raise InputError(where, f"{library}, which reads {content}", "it is not installed", todo) from None
