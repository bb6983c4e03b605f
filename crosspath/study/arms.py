"""The arms of a comparison: what each is for, and the control whose auxiliary has never seen any data."""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.checkpoints.sources import Auxiliary
from crosspath.pathway.locate import locate
from crosspath.pathway.sources import opened, sha256_of_tensors

STREAM = 0xA513
"""Keeps these draws apart from every other use of the same seed."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One line of a comparison."""

    name: str
    meaning: str
    """One sentence for a reader who sees the table for the first time."""


NONE = Arm(
    name="none",
    meaning="The target alone, trained as usual: what every other arm is measured against.",
)
PATHWAY = Arm(
    name="pathway",
    meaning="Every linear layer of the target works with W + λ·W′, where W′ starts as the weight of the auxiliary that "
    "was trained on the other modality.",
)
RANDOM = Arm(
    name="random",
    meaning="The same pathway, but W′ starts as fresh random values of the auxiliary's shapes and root mean squares, "
    "drawn anew for each seed: what the extra parameters give without anything learned elsewhere.",
)


def random_auxiliary(auxiliary: Auxiliary, seed: int) -> Auxiliary:
    """The auxiliary's shapes with nothing that it learned: every matrix redrawn uniformly around zero, as Xavier's
    initialisation does, with exactly the root mean square it has in the auxiliary.

    Query, key and value inside one fused weight are three matrices. Biases beside a matrix are redrawn in the same
    way; norms and single tokens, which no pathway reads, stay. Each matrix depends on `seed` and its name alone.
    """
    if isinstance(auxiliary.weights, nn.Module):
        module = copy.deepcopy(auxiliary.weights)
        tensors: dict[str, Tensor] = dict(module.named_parameters())
        weights: nn.Module | dict[str, Tensor] = module
    else:
        weights = tensors = {name: tensor.clone() for name, tensor in auxiliary.weights.items()}
    _redraw(tensors, weights, seed)
    origin = f"random values (seed {seed}) of the shapes and root mean squares of {auxiliary.origin}"
    return Auxiliary(origin=origin, sha256=sha256_of_tensors(sorted(tensors.items())), weights=weights)


@torch.no_grad()
def _redraw(tensors: Mapping[str, Tensor], source: nn.Module | Mapping[str, Tensor], seed: int) -> None:
    for name, start, stop in list(_matrices(tensors, source)):
        part = tensors[name][start:stop]
        draws = np.random.default_rng((STREAM, seed, crc32(f"{name}[{start}:{stop}]".encode()))).uniform(
            -1.0, 1.0, size=tuple(part.shape)
        )
        wanted = float(part.double().square().mean().sqrt())
        found = math.sqrt(float((draws**2).mean()))
        part.copy_(torch.from_numpy(draws * (wanted / found)))


def _matrices(
    tensors: Mapping[str, Tensor], source: nn.Module | Mapping[str, Tensor]
) -> Iterator[tuple[str, int, int]]:
    """(name, first row, end) of every matrix and of the bias beside it; fused ones piece by piece."""
    anatomy = locate(opened(source))
    pieces: dict[str, list[tuple[int, int]]] = {}
    for slot in anatomy.slots.values() if anatomy is not None else ():
        for name in (slot.weight, slot.bias):
            if name is not None:
                pieces.setdefault(name, []).append((slot.start, slot.stop))
    for name, tensor in tensors.items():
        layer, _, attribute = name.rpartition(".")
        beside = tensors.get(f"{layer}.weight") if attribute == "bias" else None
        is_matrix = attribute == "weight" and tensor.ndim >= 2
        if name in pieces:
            yield from ((name, start, stop) for start, stop in pieces[name])
        elif tensor.is_floating_point() and (is_matrix or (beside is not None and beside.ndim >= 2)):
            yield name, 0, len(tensor)
