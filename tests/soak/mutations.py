"""Changes to the bytes and to the values of a file, drawn from a generator."""

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import yaml

NUMBERS = (b"-1", b"0", b"99999999999", b"1e400", b"nan", b"9" * 5000)
WORDS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f")
HEAD = 200
"""Bytes in which half of the changes lie: headers are where lengths are."""
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 2**31, 2**63, 2**64, -(2**70), 10**400, 0.5, 1e308, float("nan"), float("inf")),
    *("", "0", "nan", "../x", "/etc/passwd", "a\0b", "x" * 300, "\ud800", "<b>", "[0:1]", "float32", "2020-13-45"),
    *([], {}, [None], [[]], [0, 0], [1, 2, 3], ["a", "b"], {"a": 1}, {"": None}, {"a": {"b": []}}),
)
"""What stands in place of a value: other types, borders, names that lead elsewhere."""


def mutated(content: bytes, choose: random.Random) -> bytes:
    """`content` with one to sixteen changes."""
    result = bytearray(content)
    for _ in range(choose.choice((1, 1, 2, 4, 16))):
        if not result:
            break
        place = choose.randrange(len(result) if choose.random() < 0.5 else min(len(result), HEAD))
        match choose.randrange(7):
            case 0:
                result[place] ^= 1 << choose.randrange(8)
            case 1:
                result[place] = choose.randrange(256)
            case 2:
                result[place : place + 4] = choose.choice(WORDS)
            case 3:
                del result[place : place + choose.randrange(1, 20)]
            case 4:
                result[place:place] = result[place : place + choose.randrange(1, 40)]
            case 5:
                del result[place:]
            case _:
                numbers = list(re.finditer(rb"\d+", bytes(result[:4000])))
                if numbers:
                    number = choose.choice(numbers)
                    result[number.start() : number.end()] = choose.choice(NUMBERS)
    return bytes(result)


def mutated_values(content: bytes, choose: random.Random) -> bytes:
    """JSON or YAML with one to three values changed, dropped, renamed or exchanged."""
    text = content.decode()
    is_json = text.lstrip().startswith("{") and text.rstrip().endswith("}")
    tree = json.loads(text) if is_json else yaml.safe_load(text)
    for _ in range(choose.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            break
        holder, key = choose.choice(places)
        match choose.randrange(6):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[choose.choice(("x", f"{key}_", str(key).upper()))] = holder.pop(key)
            case 2:
                other, name = choose.choice(places)
                holder[key] = json.loads(json.dumps(other[name]))
            case 3 if isinstance(holder[key], dict | list):
                inside = holder[key]
                holder[key] = list(inside) if isinstance(inside, dict) else dict(enumerate(inside))
            case 3 | 4 if isinstance(holder[key], int | float | str):
                holder[key] = str(holder[key]) if not isinstance(holder[key], str) else choose.choice((0, 1.5, None))
            case _:
                holder[key] = choose.choice(VALUES)
    if is_json:
        return json.dumps(tree).encode()
    return yaml.safe_dump(tree, sort_keys=False).encode("utf-8", "surrogatepass")


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value inside."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])
