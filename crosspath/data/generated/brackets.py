"""Sequences of a procedural language: well-nested brackets of k kinds (k-Dyck).

Token j < k opens a bracket of kind j, token k + j closes it. B sequences, L tokens of each, D open brackets at most.

The rule, from left to right: if no bracket is open, one opens; if `max_depth` are open, or as many as there are places
left, the innermost closes; otherwise one opens with `open_probability`. The kind of each opening bracket is uniform.
The last bracket closes at the end of the sequence.
"""

import torch
from torch import Tensor

from crosspath.config.data import TextData
from crosspath.data.randomness import uniform


def bracket_sequences(section: TextData, seed: int, epoch: int, ids_B: Tensor, stream: str) -> Tensor:
    """Token numbers int64 (B, L) on the device of `ids_B`; each sequence is a function of (seed, epoch, id, stream).

    Kinds are uniform up to 2^-24.
    """
    length, deepest = section.length, section.length // 2
    limit = deepest if section.max_depth is None else min(section.max_depth, deepest)
    chance_BL = uniform(seed, epoch, ids_B, f"{stream}/opens", length)
    kind_BL = (uniform(seed, epoch, ids_B, f"{stream}/kind", length) * section.kinds).long()
    depth_B = torch.zeros(len(ids_B), dtype=torch.int64, device=ids_B.device)
    stack_BD = torch.zeros(len(ids_B), deepest, dtype=torch.int64, device=ids_B.device)
    tokens_BL = torch.empty(len(ids_B), length, dtype=torch.int64, device=ids_B.device)
    for place in range(length):
        room_B = (depth_B < limit) & (depth_B < length - place)
        opens_B = (depth_B == 0) | (room_B & (chance_BL[:, place] < section.open_probability))
        top_B1 = torch.where(opens_B, depth_B, depth_B - 1)[:, None]
        kind_B = torch.where(opens_B, kind_BL[:, place], stack_BD.gather(1, top_B1)[:, 0])
        stack_BD.scatter_(1, top_B1, kind_B[:, None])
        tokens_BL[:, place] = torch.where(opens_B, kind_B, section.kinds + kind_B)
        depth_B += torch.where(opens_B, 1, -1)
    return tokens_BL


def partners(tokens: list[int], kinds: int) -> list[int]:
    """The position of each bracket's partner in a well-nested sequence."""
    positions, open_places = [0] * len(tokens), []
    for place, token in enumerate(tokens):
        if token < kinds:
            open_places.append(place)
        else:
            positions[place] = open_places.pop()
            positions[positions[place]] = place
    return positions
