"""The roles of one block's weights, from their names and shapes; what these leave open has no role but its own path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from crosspath.layouts import Role
from crosspath.layouts.words import (
    ATTENTION_OUTPUT,
    CROSS,
    EXPERT,
    MLP_GATE,
    MLP_GATE_AND_IN,
    MLP_IN,
    MLP_OF_THREE,
    MLP_OUT,
    MLP_SCOPES,
    NUMBERED_WORDS,
    POINTWISE,
    SECONDARY,
    SQUEEZE,
)
from crosspath.pathway.anatomy.structure import ATTENTION_INSIDE, attention_scopes
from crosspath.pathway.anatomy.weight_names import is_matrix, parts, widths_of, without_kernel, word

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Attention:
    """One attention of a block."""

    branch: str
    """Empty for the block's own, else what its roles are prefixed with, such as `cross`."""
    path: str
    """The module, inside the block, that holds query, key and value."""
    inputs: Mapping[str, str]
    """{`query`, `key`, `value`, or `qkv`, `kv`, `qk` for fused ones: weight}."""
    output: str | None


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """One mlp of a block: plain, gated by a weight of its own, or gated by the half of one weight."""

    branch: str
    path: str
    weights: Mapping[Role, str]
    """{`mlp_in`, `mlp_gate`, `mlp_out`: weight}; `mlp_in` names both inputs of a gated one where `fused`."""
    fused: bool = False


@dataclass(frozen=True, kw_only=True)
class BlockRoles:
    """What is in one block."""

    attentions: tuple[Attention, ...] = ()
    mlps: tuple[Mlp, ...] = ()
    others: tuple[str, ...] = ()
    """Matrices without a role."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Of each matrix: (outputs, inputs, ...), as a layer applies it."""


def find_roles(weights: Mapping[str, tuple[int, ...]], transposed: frozenset[str] = frozenset()) -> BlockRoles:
    """The roles of a block with these weights, {name inside the block: shape}.

    Parameters
    ----------
    transposed
        Weights that are stored as (inputs, outputs).
    """
    matrices = {name: parts(name) for name, shape in weights.items() if is_matrix(name, shape)}
    shapes = {
        name: (shape[1], shape[0], *shape[2:]) if name in transposed else without_kernel(shape)
        for name, shape in weights.items()
        if name in matrices
    }
    # How a bare parameter is applied, its class does not say: it has no role, even where its name is `q`.
    layers = {name: path for name, path in matrices.items() if name.endswith("weight")}
    linear = {name: path for name, path in layers.items() if len(shapes[name]) == 2}
    attentions = list(_attentions(linear, shapes))
    inside = {name for attention in attentions for name in (*attention.inputs.values(), attention.output) if name}
    rest = {name: path for name, path in layers.items() if name not in inside}
    widths = widths_of(weights.items())
    for attention in attentions:
        widths |= {shapes[name][1] for kind, name in attention.inputs.items() if kind in ("query", "qkv", "qk")}
        widths |= {shapes[attention.output][0]} if attention.output else set()
    plain = frozenset(name for name, shape in weights.items() if len(shape) == 2)
    mlps = list(_mlps(rest, shapes, widths, plain))
    inside |= {name for mlp in mlps for name in mlp.weights.values()}
    others = tuple(name for name in matrices if name not in inside)
    return BlockRoles(attentions=tuple(attentions), mlps=tuple(mlps), others=others, shapes=shapes)


def _attentions(matrices: Mapping[str, Path], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Attention]:
    scopes = attention_scopes(matrices)
    branches = _branches(list(scopes))
    inputs_of_all = {name for weights in scopes.values() for name in weights.values()}
    for scope, weights in scopes.items():
        if set(weights) >= {"query", "qkv"} and "key" not in weights:
            weights["kv"] = weights.pop("qkv")  # a cross-attention of GPT-2's names
        output = _attention_output(scope, weights, matrices, shapes, inputs_of_all)
        yield Attention(branch=branches[scope], path=".".join(scope), inputs=dict(weights), output=output)


def _attention_output(
    scope: Path,
    weights: Mapping[str, str],
    matrices: Mapping[str, Path],
    shapes: Mapping[str, tuple[int, ...]],
    inputs_of_all: set[str],
) -> str | None:
    """The matrix that takes the heads' values back into the stream: inside the attention, or in its module."""
    around = scope[:-1] if len(scope) > 1 and scope[-1].lower() in ATTENTION_INSIDE else scope
    for outer in (scope, around):
        candidates = [
            name
            for name, path in matrices.items()
            if name not in inputs_of_all and path[: len(outer)] == outer and word(path) in ATTENTION_OUTPUT
        ]
        if outer == ():  # the mlp stands at the same level
            candidates = [name for name in candidates if word(matrices[name]) not in MLP_OUT]
        fitting = [name for name in candidates if _takes_values(shapes[name], weights, shapes)]
        if len(fitting) > 1:  # the shallowest: a bottleneck may follow it
            depth = min(len(matrices[name]) for name in fitting)
            fitting = [name for name in fitting if len(matrices[name]) == depth]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _takes_values(output: tuple[int, ...], weights: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether an output's inputs are as many as the heads' values may be."""
    if len(output) != 2:
        return True
    rows = next((shapes[weights[kind]][0] for kind in ("qkv", "kv") if kind in weights), None)
    if rows is not None:
        return output[1] <= rows
    return output[1] in {shapes[weights[kind]][0] for kind in ("value", "query") if kind in weights}


def _mlps(
    rest: Mapping[str, Path], shapes: Mapping[str, tuple[int, ...]], widths: set[int], plain: frozenset[str]
) -> Iterator[Mlp]:
    """`plain`: weights of linear layers, which have two dimensions; those of convolutions have more."""
    groups: dict[Path, list[str]] = {}
    for name, path in rest.items():
        if len(shapes[name]) == 2 and not SQUEEZE & {part.lower() for part in path}:
            groups.setdefault(path[:-1], []).append(name)
    mlps = [(scope, mlp) for scope, names in groups.items() if (mlp := _mlp(scope, names, rest, shapes, plain))]
    through = [(scope, mlp) for scope, mlp in mlps if not widths or shapes[mlp.weights["mlp_out"]][0] in widths]
    pointwise = [(scope, mlp) for scope, mlp in through if word(rest[mlp.weights["mlp_in"]]) in POINTWISE]
    if len(through) > len(pointwise):  # a token mixer: a depthwise convolution stands between the two
        through = [entry for entry in through if entry not in pointwise]
        mlps = [entry for entry in mlps if entry not in pointwise]
    branches = _branches([scope for scope, _ in through])
    of_stream = {scope for scope, _ in through}
    for scope, mlp in mlps:
        branch = branches[scope] if scope in of_stream else ".".join(scope) or "mlp"
        yield Mlp(branch=branch, path=mlp.path, weights=mlp.weights, fused=mlp.fused)


def _mlp(
    scope: Path,
    names: list[str],
    rest: Mapping[str, Path],
    shapes: Mapping[str, tuple[int, ...]],
    plain: frozenset[str],
) -> Mlp | None:
    words = {name: word(rest[name]) for name in names}
    inputs, gates, outputs, both = (
        [name for name in names if words[name] in table] for table in (MLP_IN, MLP_GATE, MLP_OUT, MLP_GATE_AND_IN)
    )
    weights: dict[Role, str] = {}
    if {*words.values()} == {*MLP_OF_THREE}:
        weights = {MLP_OF_THREE[words[name]]: name for name in names}
    elif len(both) == 1 and len(outputs) == 1:
        weights = {"mlp_in": both[0], "mlp_out": outputs[0]}
    elif len(inputs) == 1 and len(outputs) == 1 and len(gates) <= 1:
        weights = {"mlp_in": inputs[0], "mlp_out": outputs[0]} | ({"mlp_gate": gates[0]} if gates else {})
    elif len(names) == 2 and len(gates) == 1 and len(outputs) == 1:
        weights = {"mlp_in": gates[0], "mlp_out": outputs[0]}  # a gate with nothing to gate is the one input
    elif len(names) == 2 and not (inputs or gates or outputs):
        # Unknown words: shapes decide, unless both matrices are square. A bottleneck of convolutions narrows first.
        first, second = sorted(names, key=lambda name: -shapes[name][0])
        linear = all(name in plain for name in names) or MLP_SCOPES & {part.lower() for part in scope}
        if linear and shapes[first] == shapes[second][::-1] and shapes[first][0] != shapes[first][1]:
            weights = {"mlp_in": first, "mlp_out": second}
    if not weights:
        return None
    entry, exit_ = shapes[weights["mlp_in"]], shapes[weights["mlp_out"]]
    if entry == exit_ and words[weights["mlp_in"]] in NUMBERED_WORDS:
        return None  # libraries number these in unlike orders, and shapes do not decide
    gate = weights.get("mlp_gate")
    if gate is not None and shapes[gate] != entry:
        return None
    if min(*entry, *exit_) < 2:  # of one feature, such as a map of weights for pixels
        return None
    fused = gate is None and entry[0] == 2 * exit_[1] and entry[1] == exit_[0]
    if not fused and entry[0] != exit_[1]:
        return None
    if both and not fused:
        return None
    return Mlp(branch="", path=".".join(scope), weights=weights, fused=fused)


def _branches(scopes: list[Path]) -> dict[Path, str]:
    """{path: what its roles are prefixed with}: nothing for the block's own, which is the only one left when those over
    another sequence, and second ones, are set apart.
    """
    branches: dict[Path, str] = {}
    plain = []
    for scope in scopes:
        name = ".".join(scope).lower()
        if len(scopes) > 1 and any(part in name for part in CROSS):
            branches[scope] = "cross" if "cross" not in branches.values() else ".".join(scope)
        elif EXPERT in name or (len(scopes) > 1 and any(part in name for part in SECONDARY)):
            branches[scope] = ".".join(scope)
        else:
            plain.append(scope)
    # Of several, one in no module of its own is the block's: its path is empty.
    return branches | {scope: "" if len(plain) == 1 else ".".join(scope) for scope in plain}
