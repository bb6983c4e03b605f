"""What a weight is, by its name and shape alone: a matrix, a norm, the word that may name its role."""

import re
from collections.abc import Iterable

from crosspath.layouts.words import (
    ATTENTION_OUTPUT,
    BUFFERS,
    KEY,
    KEY_VALUE,
    LAYERS,
    MLP_GATE,
    MLP_GATE_AND_IN,
    MLP_IN,
    MLP_OUT,
    NORMS,
    POSITIONS,
    QUERY,
    QUERY_KEY,
    QUERY_KEY_VALUE,
    SCANS,
    VALUE,
    WRAPPERS,
)

ROLE_WORDS = (
    QUERY
    | KEY
    | VALUE
    | QUERY_KEY_VALUE
    | KEY_VALUE
    | QUERY_KEY
    | ATTENTION_OUTPUT
    | MLP_IN
    | MLP_GATE
    | MLP_OUT
    | MLP_GATE_AND_IN
)
"""Every word that names a role."""

NO_ENTRIES = "no entries"
"""Why a weight with an axis of length 0 is no matrix."""


def is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a weight is a matrix that features pass: not a vector, a table of positions, a buffer or a depthwise
    kernel.
    """
    if sum(length > 1 for length in shape) < 2 and not (len(shape) == 2 and name.endswith("weight")):
        return False
    return len(shape) >= 2 and why_no_matrix(name, shape) is None


def why_no_matrix(name: str, shape: tuple[int, ...]) -> str | None:
    """Why features do not pass this weight as a matrix, by its name and shape; None where they do."""
    lower = name.lower()
    if 0 in shape:
        return NO_ENTRIES
    if any(word in lower for word in POSITIONS):
        return "positions"
    if any(word in lower for word in BUFFERS) or lower.endswith("attn.bias"):
        return "a buffer"
    if any(word in lower for word in SCANS):
        return "rates of a scan"
    if len(shape) > 2 and shape[1] == 1 and any(length > 1 for length in shape[2:]):
        return "a depthwise convolution"
    return None


def parts(name: str) -> tuple[str, ...]:
    """The parts of a weight's path without `.weight` and without what wraps a role's module."""
    path = tuple(name.removesuffix(".weight").split("."))
    if len(path) > 1 and path[-1] == "0" and path[-2].lower() in ATTENTION_OUTPUT:
        return path[:-1]  # to_out.0
    inner = [path]
    while len(inner[-1]) > 1 and inner[-1][-1].lower() in WRAPPERS:
        inner.append(inner[-1][:-1])
    for shorter in reversed(inner):
        if shorter[-1].lower() in ROLE_WORDS:
            return shorter
    return next((shorter for shorter in inner if shorter[-1].lower() not in LAYERS), path)


def word(path: tuple[str, ...]) -> str:
    """The word of a path: its last part, in lower case; `q_proj` for a parameter `q_proj_weight`."""
    last = path[-1].lower()
    return last if last in QUERY_KEY_VALUE else last.removesuffix("_weight")


def without_kernel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(outputs, inputs) of a 1×1 convolution, which is a linear layer; any other shape as it is."""
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def is_norm(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a weight is the vector of a normalisation layer."""
    if sum(length > 1 for length in shape) != 1:
        return False
    if len(shape) == 1 and name.endswith(".weight"):
        return True  # what else has a vector for a weight
    owner = name.lower().split(".")[-2:]
    return any(part.startswith(norm) or part.endswith(norm) or "norm" in part for part in owner for norm in NORMS)


def widths_of(weights: Iterable[tuple[str, tuple[int, ...]]]) -> set[int]:
    """The widths of the stream of tokens through a block: the lengths of its outermost norms."""
    norms = [(name.count("."), max(shape)) for name, shape in weights if shape and is_norm(name, shape)]
    outermost = min((depth for depth, _ in norms), default=0)
    return {length for depth, length in norms if depth == outermost}


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key under which block 10 follows block 9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def template(path: str) -> str:
    """The name of a list of blocks: a block's name with # for its numbers."""
    return re.sub(r"\d+", "#", path)
