"""Which block of the auxiliary each block of the target pairs with."""

from collections.abc import Mapping
from typing import Literal

from crosspath.errors import PathwayError
from crosspath.pathway.locate import Anatomy
from crosspath.pathway.report import Mismatch

Blocks = Literal["same", "reversed"] | Mapping[int, int]


def pair_blocks(target: Anatomy, auxiliary: Anatomy, blocks: Blocks) -> tuple[list[tuple[int, int]], list[Mismatch]]:
    """(target block, auxiliary block) of every pair, and a mismatch where the depths differ.

    Raises
    ------
    PathwayError
        For an unknown word, or a block that does not exist.
    """
    if isinstance(blocks, Mapping):
        unknown = [
            f"{side} block {index}"
            for side, indices, existing in (
                ("target", blocks.keys(), target.blocks),
                ("auxiliary", blocks.values(), auxiliary.blocks),
            )
            for index in indices
            if index not in existing
        ]
        if unknown:
            depths = f"blocks 0 to {target.blocks[-1]} of the target, 0 to {auxiliary.blocks[-1]} of the auxiliary"
            raise PathwayError("blocks", depths, ", ".join(unknown), "correct the pairs")
        return sorted(blocks.items()), []
    if blocks not in ("same", "reversed"):
        expected = "same, reversed or {target block: auxiliary block}"
        raise PathwayError("blocks", expected, repr(blocks), "choose one of these")
    if len(target.blocks) != len(auxiliary.blocks):
        longer, side = max((target.blocks, "target"), (auxiliary.blocks, "auxiliary"), key=lambda entry: len(entry[0]))
        depth = min(len(target.blocks), len(auxiliary.blocks))
        unpaired = ", ".join(f"{side} block {index}" for index in longer[depth:])
        mismatch = Mismatch(
            "depth",
            "depth",
            f"target has {len(target.blocks)} blocks, auxiliary has {len(auxiliary.blocks)}; unpaired: {unpaired}",
            "choose pairs with blocks={target block: auxiliary block}",
        )
        return list(zip(target.blocks, auxiliary.blocks, strict=False)), [mismatch]
    theirs = auxiliary.blocks[::-1] if blocks == "reversed" else auxiliary.blocks
    return list(zip(target.blocks, theirs, strict=True)), []
