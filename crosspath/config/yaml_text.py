"""Plain values from YAML text, within bounds: nesting, size, aliases that repeat each other, characters of no name.

Numbers are those of YAML 1.2: `1:30` is text, not 90, and `010` is never 8.
"""

import re
from typing import Any

import yaml

from crosspath.errors import InputError

LONGEST = 1_000_000
"""Characters. A recipe has a few thousand."""
DEEPEST, MOST_VALUES = 50, 100_000
"""Nesting, and values where each alias counts as what it stands for: a few hundred bytes can stand for billions."""

NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|\.(?:inf|Inf|INF))$"
        r"|\.(?:nan|NaN|NAN)$"
    ),
}
"""PyYAML's, without YAML 1.1's numbers to the base of 60 and of 8."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [(tag, NUMBERS.get(tag, form)) for tag, form in forms]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse_yaml(text: str, where: object) -> Any:
    """The value that the text stands for.

    Raises
    ------
    InputError
        With the row, where there is one, for text that is not YAML, holds a number or date that does not exist or a
        NUL, or is longer or more deeply nested than any recipe.
    """
    if len(text) > LONGEST:
        raise InputError(where, f"at most {LONGEST:,} characters", f"{len(text):,}", "shorten it")
    try:
        tree = yaml.load(text, Loader=_Loader)
        _check(tree)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        row = f" row {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{where}{row}", "YAML", "text that is not", "correct it") from None
    except RecursionError:
        raise InputError(where, f"values nested {DEEPEST} deep at most", "deeper ones", "correct it") from None
    except (ValueError, OverflowError, TypeError, AttributeError) as error:  # PyYAML makes numbers and dates
        raise InputError(where, "YAML", f"a value that does not exist ({error})", "correct it") from None
    return tree


def _check(tree: Any) -> None:
    nodes, count = [(tree, 0)], 0
    while nodes:
        node, depth = nodes.pop()
        count += 1
        if isinstance(node, str) and "\0" in node:
            raise ValueError("text with a NUL")
        inside = [*node.keys(), *node.values()] if isinstance(node, dict) else node if isinstance(node, list) else ()
        if count + len(nodes) + len(inside) > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values")
        if depth > DEEPEST:
            raise RecursionError
        nodes += [(part, depth + 1) for part in inside]
