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
    IN_PROJ,
    KEY,
    KEY_VALUE,
    MASKED_DECODERS,
    MLP_IN,
    MLP_OUT,
    QUERY,
    QUERY_KEY,
    QUERY_KEY_VALUE,
    VALUE,
)
from crosspath.pathway.anatomy.weight_names import (
    NO_ENTRIES,
    is_matrix,
    is_norm,
    natural,
    parts,
    template,
    why_no_matrix,
    word,
)

Shapes = Mapping[str, tuple[int, ...]]

_NUMBERED_PART = re.compile(r"\d+|(?:.*_)?(?:layer|block|stage|step|resblock|b|s)_?\d+")
ATTENTION_INSIDE = frozenset({"self", "attention", "attn"})
"""What a module inside an attention is called that holds query, key and value, but not the output."""
_FORM_SUFFIX = re.compile(r"(?<=\bweight)_(?:v|orig)$")
"""What follows the name of a weight that a hook of weight normalisation or pruning computes."""


@dataclass(frozen=True)
class Structure:
    """The blocks of a model, in the natural order of their names."""

    blocks: tuple[str, ...]
    """Dotted names with a final dot; one empty name for a model that is itself the block."""
    attending: frozenset[str]
    """Those that hold an attention."""
    others: Mapping[str, str]
    """{what is left out: why}: a masked autoencoder's decoder, attentions outside of the blocks."""
    towers: tuple[str, ...] = ()
    """Numbered parts that are models of their own, with a final dot."""


def weights_in(block: str, blocks: Iterable[str], shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """{name inside the block: shape} of its weights; those of a block inside it are not its own."""
    inner = tuple(other for other in blocks if other != block and other.startswith(block))
    return {
        name.removeprefix(block): shape
        for name, shape in shapes.items()
        if name.startswith(block) and not (inner and name.startswith(inner))
    }


def matrices_in(paths: Mapping[int, str], shapes: Shapes) -> dict[int, frozenset[tuple[str, tuple[int, ...]]]]:
    """{block: (name inside it, shape) of every matrix}."""
    return {
        index: frozenset(entry for entry in weights_in(path, paths.values(), shapes).items() if is_matrix(*entry))
        for index, path in paths.items()
    }


def non_matrices(paths: Mapping[int, str], shapes: Shapes) -> dict[tuple[int, str], str]:
    """{(block, weight): why} for what has two dimensions and is no matrix that features pass."""
    reasons: dict[tuple[int, str], str] = {}
    for index, path in paths.items():
        for name, shape in weights_in(path, paths.values(), shapes).items():
            reason = why_no_matrix(name, shape)
            if reason is not None and (reason == NO_ENTRIES or sum(length > 1 for length in shape) > 1):
                reasons[index, path + name] = reason
    return reasons


def find_structure(shapes: Shapes) -> Structure:
    """The blocks of a model with these weights."""
    others = sorted({_masked_decoder(name) for name in shapes} - {""})
    shapes = {name: shape for name, shape in shapes.items() if not _masked_decoder(name)}
    matrices = {name: parts(name) for name, shape in shapes.items() if is_matrix(name, shape)}
    plain = (_FORM_SUFFIX.sub("", name) for name in matrices)
    layers = {name: parts(name) for name in plain if name.endswith("weight")}
    scopes = attention_scopes(layers)
    attending = _attention_blocks(scopes, layers)
    towers = _towers(shapes, attending)
    residual = _residual_blocks(shapes, matrices, attending, towers)
    blocks = sorted(attending | residual, key=natural)
    reasons = dict.fromkeys(others, "the decoder of a masked autoencoder")
    outside = (scope for scope in map(".".join, scopes) if not f"{scope}.".startswith(tuple(blocks)))
    reasons |= dict.fromkeys(outside, "an attention outside of the blocks")
    return Structure(tuple(blocks), frozenset(attending), reasons, towers)


def list_of(block: str, towers: Iterable[str] = ()) -> str:
    """The list that a block stands in: its name with # for its numbers, but for that of a tower around it."""
    tower = next((unit for unit in towers if block.startswith(unit)), "")
    return tower + template(block.removeprefix(tower))


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
    return {path: own for path, own in scopes.items() if any(kinds <= set(own) for kinds in complete)}


def _attention_blocks(
    scopes: Mapping[tuple[str, ...], Mapping[str, str]], matrices: Mapping[str, tuple[str, ...]]
) -> set[str]:
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


def _towers(shapes: Shapes, attending: set[str]) -> tuple[str, ...]:
    """The numbered parts that are models of their own: all of a list hold blocks of one kind, and around them a matrix
    with an axis that these have not (pixels, words, classes). Of stages the first has none, or their widths differ.
    """
    inside: dict[str, list[str]] = {}
    for block in sorted(attending, key=natural):
        for unit in _units(block)[1:2]:
            inside.setdefault(unit, []).append(block)
    kinds: dict[str, frozenset[tuple[str, tuple[int, ...]]]] = {}
    for unit, blocks in inside.items():
        own = {name: shape[:2] for name, shape in shapes.items() if name.startswith(unit) and is_matrix(name, shape)}
        within = {name for name in own if name.startswith(tuple(blocks))}
        axes = {axis for name in within for axis in own[name]}
        if any(axis not in axes for name in own.keys() - within for axis in own[name]):
            kinds[unit] = frozenset((template(name.removeprefix(unit)), own[name]) for name in within)
    names = set(map(template, kinds))
    units = {unit for name in shapes for unit in _units(name) if template(unit) in names}
    return tuple(kinds) if len(set(kinds.values())) == 1 and units == set(kinds) else ()


def _residual_blocks(
    shapes: Shapes, matrices: Mapping[str, tuple[str, ...]], attending: set[str], towers: Iterable[str]
) -> set[str]:
    """The smallest numbered parts with two matrices that no smaller block holds, with a norm or with others like it."""
    if "" in attending:
        return set()
    stages = {block for block in attending if any(other != block and other.startswith(block) for other in attending)}
    inside = tuple(attending - stages)
    rest = [name for name in matrices if not (inside and name.startswith(inside))]
    norms = [name for name, shape in shapes.items() if is_norm(name, shape)]
    blocks: set[str] = set()
    units = {unit for name in rest for unit in _units(name)} - attending - set(towers)
    lists = Counter(template(unit) for unit in units if sum(name.startswith(unit) for name in rest) > 1)
    for unit in sorted(units, key=lambda entry: (-entry.count("."), entry)):
        inner = tuple(block for block in attending | blocks if block.startswith(unit))
        content = [name for name in rest if name.startswith(unit) and not (inner and name.startswith(inner))]
        words = {word(matrices[name]) for name in content}
        mlp = len(content) == 2 and bool(words & MLP_IN) and bool(words & MLP_OUT)
        has_norm = any(norm.startswith(unit) for norm in norms)  # which may be among the buffers, or stand elsewhere
        if len(content) > 1 and (has_norm or mlp or lists[template(unit)] > 1):
            blocks.add(unit)
    return blocks


def _units(name: str) -> list[str]:
    """The numbered parts of a model that hold this name, the smallest first."""
    path = name.split(".")
    return [
        ".".join(path[: index + 1]) + "."
        for index in range(len(path) - 2, -1, -1)
        if _NUMBERED_PART.fullmatch(path[index])
    ]


def _masked_decoder(name: str) -> str:
    """The list of a masked autoencoder's decoder that holds this name; empty for other names."""
    for part in MASKED_DECODERS:
        before, separator, _ = f".{name}".partition(f".{part}.")
        if separator:
            return f"{before}.{part}".removeprefix(".")
    return ""
