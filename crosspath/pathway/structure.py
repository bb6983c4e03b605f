"""The repeated blocks of any model, found in the names and shapes of its weights.

A block is the smallest numbered part of a model that holds an attention and what stands beside it (its mlp, other
matrices); elsewhere, the smallest numbered part with two matrices or more that has a norm or others like it: a
residual block of convolutions.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crosspath.layouts.words import (
    ATTENTION_OUTPUT,
    BUFFERS,
    IN_PROJ,
    KEY,
    KEY_VALUE,
    LAYERS,
    MASKED_DECODERS,
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

Shapes = Mapping[str, tuple[int, ...]]

_NUMBERED = re.compile(r"\d+|(?:.*_)?(?:layer|block|stage|step|resblock|b|s)_?\d+")
ATTENTION_INSIDE = frozenset({"self", "attention", "attn"})
"""What a module inside an attention is called that holds query, key and value, but not the output."""
_WORDS = (
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


@dataclass(frozen=True)
class Structure:
    """The blocks of a model, in the natural order of their names."""

    blocks: tuple[str, ...]
    """Dotted names with a final dot; one empty name for a model that is itself the block."""
    attending: frozenset[str]
    """Those that hold an attention."""
    others: tuple[str, ...]
    """Lists of blocks that are left out: a masked autoencoder's decoder."""


def weights_in(block: str, blocks: Iterable[str], shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """{name inside the block: shape} of its weights; those of a block inside it are not its own."""
    nested = tuple(other for other in blocks if other != block and other.startswith(block))
    return {
        name.removeprefix(block): shape
        for name, shape in shapes.items()
        if name.startswith(block) and not (nested and name.startswith(nested))
    }


def matrices_in(paths: Mapping[int, str], shapes: Shapes) -> dict[int, frozenset[tuple[str, tuple[int, ...]]]]:
    """{block: (name inside it, shape) of every matrix}."""
    return {
        index: frozenset(entry for entry in weights_in(path, paths.values(), shapes).items() if is_matrix(*entry))
        for index, path in paths.items()
    }


def left_out(paths: Mapping[int, str], shapes: Shapes) -> dict[tuple[int, str], str]:
    """{(block, weight): why} for what has two dimensions and is no matrix that features pass."""
    reasons: dict[tuple[int, str], str] = {}
    for index, path in paths.items():
        for name, shape in weights_in(path, paths.values(), shapes).items():
            reason = why_no_matrix(name, shape)
            if reason is not None and sum(length > 1 for length in shape) > 1:
                reasons[index, path + name] = reason
    return reasons


def find_structure(shapes: Shapes) -> Structure:
    """The blocks of a model with these weights."""
    others = sorted({_masked_decoder(name) for name in shapes} - {""})
    shapes = {name: shape for name, shape in shapes.items() if not _masked_decoder(name)}
    matrices = {name: parts(name) for name, shape in shapes.items() if is_matrix(name, shape)}
    attending = _attention_blocks({name: path for name, path in matrices.items() if name.endswith("weight")})
    residual = _residual_blocks(shapes, matrices, attending)
    blocks = sorted(attending | residual, key=natural)
    return Structure(tuple(blocks), frozenset(attending), tuple(others))


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
        if shorter[-1].lower() in _WORDS:
            return shorter
    return next((shorter for shorter in inner if shorter[-1].lower() not in LAYERS), path)


def word(path: tuple[str, ...]) -> str:
    """The word of a path: its last part, in lower case; `q_proj` for a parameter `q_proj_weight`."""
    last = path[-1].lower()
    return last if last in QUERY_KEY_VALUE else last.removesuffix("_weight")


def attention_scopes(matrices: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, ...], dict[str, str]]:
    """{path of an attention: {kind of its inputs' weights: name}}: query, key and value, apart or fused."""
    scopes: dict[tuple[str, ...], dict[str, str]] = {}
    kinds = {"query": QUERY, "key": KEY, "value": VALUE, "qkv": QUERY_KEY_VALUE, "kv": KEY_VALUE, "qk": QUERY_KEY}
    for name, path in matrices.items():
        in_proj = word(path) == IN_PROJ and any("att" in part.lower() for part in path[:-1])
        for kind, words in kinds.items():
            if word(path) in words or (in_proj and kind == "qkv"):
                scopes.setdefault(path[:-1], {}).setdefault(kind, name)
    complete = ({"qkv"}, {"query", "key", "value"}, {"query", "kv"}, {"qk", "value"})
    return {path: found for path, found in scopes.items() if any(kinds <= set(found) for kinds in complete)}


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key under which block 10 follows block 9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def template(path: str) -> str:
    """The name of a list of blocks: a block's name with # for its numbers."""
    return re.sub(r"\d+", "#", path)


def _attention_blocks(matrices: Mapping[str, tuple[str, ...]]) -> set[str]:
    scopes = attention_scopes(matrices)
    blocks = set()
    for scope, weights in scopes.items():
        prefix = ".".join(scope) + "." if scope else ""
        units = list(_units(prefix))
        own = set(weights.values()) | {name for name in matrices if prefix and name.startswith(prefix)}
        if len(scope) > 1 and scope[-1].lower() in ATTENTION_INSIDE:  # attention.self beside attention.output
            around = ".".join(scope[:-1]) + "."
            own |= {name for name in matrices if around not in units and name.startswith(around)}
        beside = [unit for unit in units if any(n.startswith(unit) for n in matrices if n not in own)]
        if beside and beside[0] != units[0] and _is_stage(beside[0], scopes, matrices):
            beside = []
        if beside:
            blocks.add(beside[0])
        elif units:
            blocks.add(units[0])
        elif not any(_units(name) for name in matrices):
            blocks.add("")
    if not blocks and scopes and len(scopes) == 1:
        blocks.add("")
    return blocks


def _is_stage(unit: str, scopes: Iterable[tuple[str, ...]], matrices: Iterable[str]) -> bool:
    """Whether a numbered part holds several attentions of one kind and has no equal beside it: a stage, not a block."""
    kinds = [template(".".join(scope)) for scope in scopes if ".".join((*scope, "")).startswith(unit)]
    if len(set(kinds)) == len(kinds):
        return False
    content: dict[str, set[str]] = {}
    for name in matrices:
        for own in _units(name):
            if template(own) == template(unit):
                content.setdefault(own, set()).add(name.removeprefix(own))
    return not any(other != unit and names == content[unit] for other, names in content.items())


def _residual_blocks(shapes: Shapes, matrices: Mapping[str, tuple[str, ...]], attending: set[str]) -> set[str]:
    """The smallest numbered parts with two matrices that no smaller block holds, with a norm or with others like it."""
    if "" in attending:
        return set()
    stages = {block for block in attending if any(other != block and other.startswith(block) for other in attending)}
    inside = tuple(attending - stages)
    rest = [name for name in matrices if not (inside and name.startswith(inside))]
    norms = [name for name, shape in shapes.items() if _is_norm(name, shape)]
    blocks: set[str] = set()
    units = {unit for name in rest for unit in _units(name)} - attending
    lists = Counter(template(unit) for unit in units if sum(name.startswith(unit) for name in rest) > 1)
    for unit in sorted(units, key=lambda entry: (-entry.count("."), entry)):
        nested = tuple(block for block in attending | blocks if block.startswith(unit))
        content = [name for name in rest if name.startswith(unit) and not (nested and name.startswith(nested))]
        words = {word(matrices[name]) for name in content}
        mlp = len(content) == 2 and bool(words & MLP_IN) and bool(words & MLP_OUT)
        normalised = any(norm.startswith(unit) for norm in norms)  # which may be among the buffers, or stand elsewhere
        if len(content) > 1 and (normalised or mlp or lists[template(unit)] > 1):
            blocks.add(unit)
    return blocks


def _units(name: str) -> list[str]:
    """The numbered parts of a model that hold this name, the smallest first."""
    path = name.split(".")
    return [
        ".".join(path[: index + 1]) + "." for index in range(len(path) - 2, -1, -1) if _NUMBERED.fullmatch(path[index])
    ]


def _is_norm(name: str, shape: tuple[int, ...]) -> bool:
    if sum(length > 1 for length in shape) != 1:
        return False
    if len(shape) == 1 and name.endswith(".weight"):
        return True  # what else has a vector for a weight
    owner = name.lower().split(".")[-2:]
    return any(part.startswith(norm) or part.endswith(norm) or "norm" in part for part in owner for norm in NORMS)


def _masked_decoder(name: str) -> str:
    """The list of a masked autoencoder's decoder that holds this name; empty for other names."""
    for part in MASKED_DECODERS:
        before, found, _ = f".{name}".partition(f".{part}.")
        if found:
            return f"{before}.{part}".removeprefix(".")
    return ""


def widths_of(weights: Iterable[tuple[str, tuple[int, ...]]]) -> set[int]:
    """The widths of the stream of tokens through a block: the lengths of its outermost norms."""
    norms = [(name.count("."), max(shape)) for name, shape in weights if shape and _is_norm(name, shape)]
    outermost = min((depth for depth, _ in norms), default=0)
    return {length for depth, length in norms if depth == outermost}
