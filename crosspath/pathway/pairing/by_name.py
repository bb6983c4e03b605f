"""Pair weights by their names, whatever role they have in their models."""

import re
from collections.abc import Iterable, Iterator, Mapping

from crosspath.errors import PathwayError, suggest
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.anatomy.weight_names import NO_ENTRIES, without_kernel
from crosspath.pathway.derivation import Derivation
from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.fitting.kernels import step_of
from crosspath.pathway.pairing.differences import FIT_IT
from crosspath.pathway.report import MatchReport, Mismatch, Pair
from crosspath.pathway.sources.source import Source
from crosspath.pathway.sources.transposed import transposed_weights

Names = str | Iterable[str] | Mapping[str, str] | None
Shapes = Mapping[str, tuple[int, ...]]
BLOCK = re.compile(r".*\.\d+\.|\d+\.")
"""The path of the innermost numbered part of a model."""


def match_names(target: Source, auxiliary: Source, names: Names, fit: Fit | None = None) -> MatchReport:
    """Pair the weights that `names` selects: see `match`. A fit brings kernels to other sizes, and nothing else."""
    ours, theirs = target.shapes(), auxiliary.shapes()
    our_transposed, their_transposed = _transposed_weights(target, ours), _transposed_weights(auxiliary, theirs)
    mismatches: list[Mismatch] = []
    pairs: list[Pair] = []
    empty: list[str] = []
    earlier: set[str] = set()
    for name, counterpart in _select(names, ours):
        if name in earlier:
            mismatches.append(Mismatch("twice", name, "it is listed twice", "list it once"))
            continue
        earlier.add(name)
        if name not in ours:
            hint = suggest(name, ours, "list them with named_parameters()")
            mismatches.append(Mismatch("missing", name, "the target has no such weight", hint))
            continue
        if counterpart not in theirs:
            reason = f"the auxiliary has no weight named {counterpart}"
            mismatches.append(Mismatch("missing", name, reason, "pair other names with names={target: auxiliary}"))
            continue
        if 0 in ours[name]:
            empty.append(f"{name} ({NO_ENTRIES})")
            continue
        own = _slot_of(name, ours, name in our_transposed)
        other = _slot_of(counterpart, theirs, counterpart in their_transposed)
        step = step_of(own.shape, other.shape)
        if without_kernel(own.shape) == without_kernel(other.shape):
            pairs.append(Pair(own, other, None))
        elif step is not None and fit is not None:
            pairs.append(Pair(own, other, None, derivation=Derivation(fit=step)))
        else:
            reason = f"target {own.shape}, auxiliary {other.shape}"
            remedy = "leave it out, or pair it with a weight of its shape"
            mismatches.append(Mismatch("shape", name, reason, remedy if step is None else f"{FIT_IT}, or {remedy}"))
    if not pairs and not mismatches and not empty:
        mismatches.append(Mismatch("missing", "names", f"no weight of the target fits {names!r}", "correct it"))
    return MatchReport(tuple(pairs), tuple(mismatches), not_chosen=tuple(empty))


def _slot_of(weight: str, shapes: Shapes, transposed: bool) -> Slot:
    """The slot of all rows of a weight, with its bias."""
    shape, bias = shapes[weight], weight.removesuffix("weight") + "bias"
    shape = (shape[1], shape[0], *shape[2:]) if transposed else shape
    has_bias = weight.endswith("weight") and bias in shapes
    own_bias = Slot(bias, 0, shapes[bias][0], shapes[bias]) if has_bias and shapes[bias] else None
    return Slot(weight, 0, shape[0], shape, own_bias, transposed=transposed)


def _transposed_weights(source: Source, shapes: Shapes) -> set[str]:
    """The transposed weights of a source, each judged beside those of its block."""
    blocks = {name: "" if (number := BLOCK.match(name)) is None else number[0] for name in shapes}
    weights: set[str] = set()
    for path in dict.fromkeys(blocks.values()):
        beside = {name.removeprefix(path): shape for name, shape in shapes.items() if name.startswith(path)}
        names = (path + name for name in transposed_weights(source, path, beside))
        weights.update(name for name in names if blocks[name] == path)
    return weights


def _select(names: Names, shapes: Shapes) -> Iterator[tuple[str, str]]:
    """(target weight, auxiliary weight) of each selected pair."""
    if isinstance(names, str):
        try:
            pattern = re.compile(names)
        except re.error as error:
            found = f"{names!r} ({error})"
            raise PathwayError("names", "a regular expression", found, "correct it") from None
        yield from ((name, name) for name, shape in shapes.items() if len(shape) > 1 and pattern.search(name))
    elif isinstance(names, Mapping):
        yield from names.items()
    elif names is not None:
        yield from ((name, name) for name in names)
