"""Pair weights by their names, whatever they do in their models."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from crosspath.errors import PathwayError
from crosspath.pathway.report import MatchReport, Mismatch, Pair
from crosspath.pathway.slot import Slot
from crosspath.pathway.sources import Source

Names = str | Iterable[str] | Mapping[str, str] | None


def match_names(target: Source, auxiliary: Source, names: Names) -> MatchReport:
    ours, theirs = target.shapes(), auxiliary.shapes()
    mismatches: list[Mismatch] = []
    pairs: list[Pair] = []
    seen: set[str] = set()
    for name, counterpart in _named(names, ours):
        if name in seen:
            mismatches.append(Mismatch("twice", name, "it is listed twice", "list it once"))
            continue
        seen.add(name)
        if name not in ours:
            near = get_close_matches(name, ours, n=1)
            hint = f"did you mean {near[0]}?" if near else "list them with named_parameters()"
            mismatches.append(Mismatch("missing", name, "the target has no such weight", hint))
        elif counterpart not in theirs:
            reason = f"the auxiliary has no weight named {counterpart}"
            mismatches.append(Mismatch("missing", name, reason, "pair other names with names={target: auxiliary}"))
        elif ours[name] != theirs[counterpart]:
            reason = f"target {ours[name]}, auxiliary {theirs[counterpart]}"
            mismatches.append(Mismatch("shape", name, reason, "leave it out, or pair it with a weight of its shape"))
        else:
            biases = [weight.removesuffix("weight") + "bias" for weight in (name, counterpart)]
            held = [
                Slot(bias, 0, side[weight][0], side[bias]) if bias in side and weight.endswith("weight") else None
                for bias, side, weight in zip(biases, (ours, theirs), (name, counterpart), strict=True)
            ]
            slots = [
                Slot(weight, 0, side[weight][0], side[weight], bias)
                for weight, side, bias in zip((name, counterpart), (ours, theirs), held, strict=True)
            ]
            pairs.append(Pair(slots[0], slots[1], None))
    if not pairs and not mismatches:
        mismatches.append(Mismatch("missing", "names", f"no weight of the target fits {names!r}", "correct it"))
    return MatchReport(tuple(pairs), tuple(mismatches))


def _named(names: Names, ours: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, str]]:
    if isinstance(names, str):
        try:
            pattern = re.compile(names)
        except re.error as error:
            raise PathwayError(f"names: expected a regular expression, found {names!r} ({error}); correct it") from None
        yield from ((name, name) for name, shape in ours.items() if len(shape) > 1 and pattern.search(name))
    elif isinstance(names, Mapping):
        yield from names.items()
    elif names is not None:
        yield from ((name, name) for name in names)
