"""Which block of the auxiliary each block of the target pairs with.

| target, auxiliary | `spread` pairs blocks 0, 1, 2, … of the target with | `repeat` with |
|---|---|---|
| 6, 3 | 0, 0, 1, 1, 2, 2 | 0, 1, 2, 0, 1, 2 |
| 4, 2 | 0, 0, 1, 1 | 0, 1, 0, 1 |
| 3, 6 | 0, 2, 5 | 0, 1, 2 |
"""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Literal

from crosspath.counts import first_names, quantity
from crosspath.errors import PathwayError
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.structure import Shapes
from crosspath.pathway.anatomy.weight_names import template
from crosspath.pathway.report import Mismatch

Blocks = Literal["same", "reversed", "spread", "repeat"] | Mapping[int, int]
WORDS = ("same", "reversed", "spread", "repeat")
LAST_NUMBER = re.compile(r"\d+\D*$")
BY_HAND = "blocks={target block: auxiliary block}"


def pair_blocks(
    target: Anatomy, auxiliary: Anatomy, blocks: Blocks, *, fit: bool = False
) -> tuple[list[tuple[int, int]], list[Mismatch]]:
    """(target block, auxiliary block) of every pair, and a mismatch where the depths differ; with `fit` other depths
    pair by relative depth.

    Raises
    ------
    PathwayError
        For an unknown word, a block that does not exist, and stages that `spread` or `repeat` cannot pair.
    """
    if isinstance(blocks, Mapping):
        return _check_pairs(target, auxiliary, blocks), []
    if fit and blocks == "same" and len(target.blocks) != len(auxiliary.blocks):
        blocks = "spread"
    pairs, mismatches = _by_rule(target, auxiliary, blocks, fit=fit)
    for ours, theirs in pairs if not mismatches else ():
        names = _list_of(target, ours), _list_of(auxiliary, theirs)
        if None not in names and target.lists.index(names[0] or "") != auxiliary.lists.index(names[1] or ""):
            paths = target.paths[ours].rstrip("."), auxiliary.paths[theirs].rstrip(".")
            reason = f"{paths[0]} of the target would pair with {paths[1]}, of another list of blocks"
            return pairs, [Mismatch("depth", "lists", reason, f"choose pairs with {BY_HAND}")]
    return pairs, mismatches


def check_gaps(target: Anatomy, auxiliary: Anatomy, origin: str, shapes: Shapes) -> None:
    """Raise `PathwayError` where names show that blocks of the auxiliary are missing, as in one file of several: what
    is left would be renumbered. Layers without weights look alike; the target then has them at the same places.
    """
    missing = _missing_blocks(auxiliary.paths.values(), shapes)
    if missing and _numbering(target) != _numbering(auxiliary):
        found = f"no whole {first_names(missing, 3)}"
        todo = (
            f"copy all of its files again; where it has no such block, pass the module, or choose pairs with {BY_HAND}"
        )
        raise PathwayError(f"auxiliary ({origin})", "every block of its lists", found, todo)


def _missing_blocks(paths: Iterable[str], shapes: Shapes) -> list[str]:
    """The entries that the one list of alike blocks of a model skips in one place: those that hold nothing, or a part
    of what all others hold. In models of several lists, of blocks of several kinds, or with layers without weights
    between all blocks, such entries are usual.
    """
    lists: dict[str, set[int]] = {}
    for path in paths:
        if matches := list(re.finditer(r"(?<!\d)(\d+)\.", path)):
            lists.setdefault(path[: matches[-1].start()], set()).add(int(matches[-1][1]))
    if len(lists) != 1:
        return []
    ((name, numbers),) = lists.items()
    kinds = {frozenset(_names_below(f"{name}{number}.", shapes)) for number in numbers}
    first = 0 if name in ("", f"{name[:-1]}.") else min(numbers)  # some libraries count `layer1`, `layer2`
    skipped = sorted(set(range(first, max(numbers))) - numbers)
    if len(kinds) != 1 or not skipped or skipped != [*range(skipped[0], skipped[-1] + 1)]:
        return []
    (whole,) = kinds
    return [f"{name}{number}" for number in skipped if _names_below(f"{name}{number}.", shapes) < whole]


def _names_below(path: str, shapes: Shapes) -> set[str]:
    return {name.removeprefix(path) for name in shapes if name.startswith(path)}


def _numbering(anatomy: Anatomy) -> set[tuple[str, ...]]:
    return {tuple(re.findall(r"\d+", path)) for path in anatomy.paths.values()}


def _list_of(anatomy: Anatomy, block: int) -> str | None:
    """The list that a block stands in, where its model has several; None for others, and for blocks of none."""
    path = anatomy.paths[block]
    names = (n for n in anatomy.lists if template(n) == template(path) and path.startswith(n.partition("#")[0]))
    return next(names, None) if len(anatomy.lists) > 1 else None


def _by_rule(
    target: Anatomy, auxiliary: Anatomy, blocks: str, *, fit: bool
) -> tuple[list[tuple[int, int]], list[Mismatch]]:
    if not isinstance(blocks, str) or blocks not in WORDS:
        expected = f"{', '.join(WORDS)} or {{target block: auxiliary block}}"
        raise PathwayError("blocks", expected, repr(blocks), "choose one of these")
    if blocks in ("spread", "repeat"):
        choose = spread if blocks == "spread" else repeat
        return [
            (ours, theirs[position])
            for ours_in_stage, theirs in _stages_side_by_side(target, auxiliary, blocks, fit=fit)
            for ours, position in zip(ours_in_stage, choose(len(ours_in_stage), len(theirs)), strict=True)
        ], []
    if len(target.blocks) != len(auxiliary.blocks):
        return list(zip(target.blocks, auxiliary.blocks, strict=False)), [_depth_mismatch(target, auxiliary)]
    theirs = auxiliary.blocks[::-1] if blocks == "reversed" else auxiliary.blocks
    return list(zip(target.blocks, theirs, strict=True)), []


def spread(depth: int, auxiliary_depth: int) -> list[int]:
    """By relative depth: the first block with the first, the last with the last, the others with the nearest; of two
    equally near, the earlier. A single block has the first.
    """
    last, theirs = max(depth - 1, 1), auxiliary_depth - 1
    return [-((last - 2 * index * theirs) // (2 * last)) for index in range(depth)]


def repeat(depth: int, auxiliary_depth: int) -> list[int]:
    """All of the auxiliary's blocks in their order, then from the first again; a shallower target has its first."""
    return [index % auxiliary_depth for index in range(depth)]


def _check_pairs(target: Anatomy, auxiliary: Anatomy, blocks: Mapping[int, int]) -> list[tuple[int, int]]:
    unknown = [
        f"{side} block {index!r}"
        for side, indices, existing in (
            ("target", blocks.keys(), target.blocks),
            ("auxiliary", blocks.values(), auxiliary.blocks),
        )
        for index in indices
        if isinstance(index, bool) or index not in existing
    ]
    if unknown:
        depths = f"blocks 0 to {target.blocks[-1]} of the target, 0 to {auxiliary.blocks[-1]} of the auxiliary"
        raise PathwayError("blocks", depths, ", ".join(unknown), "correct the pairs")
    return sorted(blocks.items())


def _stages_side_by_side(
    target: Anatomy, auxiliary: Anatomy, blocks: str, *, fit: bool
) -> Iterable[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The blocks of every stage of both models, and in it of every run of like blocks where both have as many. Fitted,
    a model in stages beside one without is one stage too.
    """
    ours, theirs = _stages(target), _stages(auxiliary)
    if fit and len(ours) != len(theirs) and 1 in (len(ours), len(theirs)):
        ours, theirs = [target.blocks], [auxiliary.blocks]
    if len(ours) != len(theirs):
        expected = "as many stages on both sides"
        found = f"{len(ours)} in the target, {len(theirs)} in the auxiliary"
        raise PathwayError(f"blocks={blocks!r}", expected, found, f"choose pairs with {BY_HAND}")
    for own, its in zip(ours, theirs, strict=True):
        runs = _runs(target, own), _runs(auxiliary, its)
        yield from zip(*runs, strict=True) if len(runs[0]) == len(runs[1]) else ((own, its),)


def _stages(anatomy: Anatomy) -> list[tuple[int, ...]]:
    """The blocks of every stage: as the layout says, or those that share all numbers of their paths but the last."""
    stages: dict[str, list[int]] = {}
    for index in anatomy.blocks:
        path = anatomy.paths[index]
        if anatomy.layout.stage is not None:
            name = path.rpartition(str(anatomy.layout.block))[0]
        else:
            name = LAST_NUMBER.sub("", path) if template(path).count("#") > 1 else ""
        stages.setdefault(name, []).append(index)
    return [tuple(indices) for indices in stages.values()]


def _runs(anatomy: Anatomy, stage: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Neighbours with the same matrices: a stage of convolutions often begins with a block that has one more."""
    return [tuple(run) for _, run in groupby(stage, key=lambda index: anatomy.matrices.get(index))]


def _depth_mismatch(target: Anatomy, auxiliary: Anatomy) -> Mismatch:
    longer, side = max((target.blocks, "target"), (auxiliary.blocks, "auxiliary"), key=lambda entry: len(entry[0]))
    depth = min(len(target.blocks), len(auxiliary.blocks))
    rest = ", ".join(f"{side} block {index}" for index in longer[depth:])
    by_rule = 'pair by relative depth with blocks="spread"'
    if side == "target":
        by_rule += ', repeat the auxiliary\'s blocks with blocks="repeat"'
    alike = len(_stages(target)) == len(_stages(auxiliary))
    return Mismatch(
        "depth",
        "depth",
        f"target has {quantity(len(target.blocks), 'block')}, auxiliary has {len(auxiliary.blocks)}; unpaired: {rest}",
        f"{by_rule}, or choose pairs with {BY_HAND}" if alike else f"choose pairs with {BY_HAND}",
    )
