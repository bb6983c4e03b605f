"""The heads of an attention. Two axes meet inside a head: query and key in its scores, value and output in what it
adds to the stream; so each two are fitted together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from crosspath.layouts import Role
from crosspath.pathway.fitting.fit import Fit
from crosspath.pathway.fitting.maps import by_head, choice, first, neighbours


@dataclass(frozen=True, kw_only=True)
class AttentionShape:
    """The heads of one block."""

    heads: int
    key_value_heads: int
    width: int
    """Channels of a head's query and key."""
    value_width: int

    def __str__(self) -> str:
        sharing = "" if self.key_value_heads == self.heads else f" that share {self.key_value_heads} keys and values"
        width = f"{self.width}" if self.width == self.value_width else f"{self.width} (values {self.value_width})"
        return f"{self.heads} heads of {width}{sharing}"

    @property
    def entries(self) -> tuple[int, int]:
        """Of all queries, and of all values."""
        return self.heads * self.width, self.heads * self.value_width


Values = Mapping[Role, Tensor]
"""The auxiliary's matrices of one block, (outputs, inputs)."""


@dataclass(frozen=True, kw_only=True)
class HeadMaps:
    """What acts on an attention's channels, each (ours, theirs); None where they stay as they are."""

    repeat: dict[Role, Tensor]
    """Of key and value: from the heads that share them to one for every query head."""
    channels: dict[Role, Tensor]


def head_maps(fit: Fit, ours: AttentionShape, theirs: AttentionShape, values: Callable[[], Values]) -> HeadMaps:
    """The maps of query, key and value over their outputs, and of attention_output over its inputs.

    - As many channels in all (12 heads of 32, 6 of 64): they stay where they are. Neighbours share a head, or one is
      split: what values and output give under one pattern of attention is exact, the patterns themselves are not.
    - More heads, or wider ones: 0 in what is added. The scores keep their products q·k.
    - Fewer heads: the first, the strongest (‖output · value‖), or averages of neighbours.
    - Narrower ones: the first channels, averages of neighbours, or the best approximation of q·k and of output · value
      of that rank.
    - Grouped-query attention: keys and values are repeated first, which is exact; a target that shares them gets the
      mean of those that share (Ainslie et al. 2023).
    """
    if ours == theirs:
        return HeadMaps(repeat={}, channels={})
    widths = {"query": "width", "key": "width", "value": "value_width", "attention_output": "value_width"}
    repeat: dict[Role, Tensor] = {}
    their_share, our_share = theirs.heads // theirs.key_value_heads, ours.heads // ours.key_value_heads
    if their_share > 1:
        heads = choice([head // their_share for head in range(theirs.heads)], theirs.heads, theirs.key_value_heads)
        for role in ("key", "value"):
            repeat[role] = by_head(heads, [_identity(getattr(theirs, widths[role]))] * theirs.key_value_heads)
    mean = neighbours(ours.key_value_heads, ours.heads, 1.0).to_dense()
    channels: dict[Role, Tensor] = {}
    for pair, own, its in zip(
        (("query", "key"), ("value", "attention_output")), ours.entries, theirs.entries, strict=True
    ):
        size = getattr(ours, widths[pair[0]]), getattr(theirs, widths[pair[0]])
        if own == its:
            selection = _identity(ours.heads).to_dense()
            inside: tuple[Sequence[Tensor], Sequence[Tensor]] = ([_identity(size[0])] * ours.heads,) * 2
        else:
            selection = _whole_heads(fit, ours.heads, theirs, values, mean=pair[0] == "query").to_dense()
            inside = _inside(fit, pair, size, theirs, values)
        for role, blocks in zip(pair, inside, strict=True):
            if role in ("key", "value") and our_share > 1:
                channels[role] = by_head(mean @ selection, blocks)
            elif own != its:
                channels[role] = by_head(selection, blocks)
    return HeadMaps(repeat=repeat, channels=channels)


def _inside(
    fit: Fit, pair: tuple[Role, Role], size: tuple[int, int], theirs: AttentionShape, values: Callable[[], Values]
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The channels of every head, of both roles of a pair: maps (ours, theirs)."""
    if size[0] < size[1] and fit in ("spectra", "learned"):
        return _products(values(), pair, theirs, size[0])
    same = neighbours(*size, 0.5) if fit == "average" and size[0] < size[1] else first(*size)
    return ([same] * theirs.heads,) * 2


def _whole_heads(fit: Fit, ours: int, theirs: AttentionShape, values: Callable[[], Values], *, mean: bool) -> Tensor:
    """Which of their heads ours are, (heads, heads)."""
    if ours >= theirs.heads or fit == "slice":
        return first(ours, theirs.heads)
    if fit == "average":
        return neighbours(ours, theirs.heads, 1.0 if mean else 0.5)
    return choice(strongest_heads(ours, theirs, values()), ours, theirs.heads)


def strongest_heads(count: int, shape: AttentionShape, values: Values) -> list[int]:
    """The heads that add most to the stream, by ‖output · value‖, in their order."""
    value, output = _by_head(values, "value", shape), _by_head(values, "attention_output", shape)
    strengths = ((value @ value.mT) * (output @ output.mT)).sum((1, 2))  # ‖OV‖² of each head
    return sorted(strengths.argsort(descending=True, stable=True)[:count].tolist())


def _products(
    values: Values, pair: tuple[Role, Role], shape: AttentionShape, rank: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Of each head, maps (ours, theirs) of both of its factors, so that the product of what they leave is the best
    approximation of the whole product, firstᵀ · second, of that rank.
    """
    maps = [balanced_maps(a, b, rank) for a, b in zip(*(_by_head(values, role, shape) for role in pair), strict=True)]
    return [one for one, _ in maps], [other for _, other in maps]


def balanced_maps(one: Tensor, other: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Two maps A, B (rank, channels) for factors (channels, ...): (A·one)ᵀ·(B·other) is the nearest to oneᵀ·other among
    all of that rank, and both sides are equally large.
    """
    right_one, right_other = (torch.linalg.qr(factor.T).R for factor in (one, other))
    left, sizes, right = torch.linalg.svd(right_one @ right_other.T, full_matrices=False)
    keep = min(rank, int((sizes > sizes.max() * 1e-12).sum()))
    roots = sizes[:keep].rsqrt()[:, None]
    maps = roots * (right[:keep] @ right_other), roots * (left[:, :keep].T @ right_one)
    a, b = (torch.nn.functional.pad(matrix, (0, 0, 0, rank - keep)) for matrix in maps)
    return a, b


def _by_head(values: Values, role: Role, shape: AttentionShape) -> Tensor:
    """(heads, channels of a head, others); keys and values once for every query head."""
    matrix = values[role].detach().cpu().double()
    rows = (matrix.T if role == "attention_output" else matrix).contiguous()
    heads = shape.key_value_heads if role in ("key", "value") else shape.heads
    return rows.reshape(heads, -1, rows.shape[1]).repeat_interleave(shape.heads // heads, 0)


def _identity(size: int) -> Tensor:
    return first(size, size)
