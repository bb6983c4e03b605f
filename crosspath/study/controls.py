"""The controls of a comparison: auxiliaries with some properties of a trained one, and starts without a pathway.

`random` keeps the sizes of the auxiliary's matrices, `shuffled` their values, `spectrum` their singular values; `copy`
starts from the auxiliary itself, without a pathway; `mimetic` needs no auxiliary.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crosspath.checkpoints.sources import Auxiliary
from crosspath.checkpoints.start import Start
from crosspath.counts import quantity
from crosspath.errors import InputError
from crosspath.files import sha256_of_tensors
from crosspath.layouts import Layout
from crosspath.pathway import PathwayError, match
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.resolve_layout import resolve_layout
from crosspath.pathway.anatomy.slot import Slot, read_entries, write_entries
from crosspath.pathway.assemble import derive
from crosspath.pathway.derivation import Derivation
from crosspath.pathway.sources.auxiliary import open_auxiliary
from crosspath.pathway.sources.source import ModuleSource, State
from crosspath.training.pathways import Selection

STREAM = 0xA513
"""Separates these draws from all other uses of the same seed."""
IDENTITY, NOISE = 0.7, 0.7
"""Query times key: weights of the identity and of the noise, as published for small data."""
OUTPUT_IDENTITY, OUTPUT_NOISE = 0.4, 0.4
"""Value times output; the identity has a negative sign."""

Matrix = NDArray[np.float64]
Draw = Callable[[Matrix, np.random.Generator], Matrix]


def random_auxiliary(auxiliary: Auxiliary, seed: int, layout: Layout | str | None = None) -> Auxiliary:
    """The auxiliary's shapes without its training: every matrix redrawn uniformly around zero, as in Xavier
    initialisation, with exactly its root mean square in the auxiliary.

    Query, key and value in one fused weight are three matrices. The bias of a matrix is redrawn in the same way; norms
    and single tokens, which no pathway uses, are unchanged. Each matrix depends on `seed` and its name alone. `layout`:
    the auxiliary's, where it is not recognised automatically.
    """
    return _redraw(
        auxiliary, seed, layout, _draw_uniform, "random values (seed {seed}) of the shapes and root mean squares of"
    )


def shuffled_auxiliary(auxiliary: Auxiliary, seed: int, layout: Layout | str | None = None) -> Auxiliary:
    """The auxiliary's own values, permuted within each matrix, as `random_auxiliary` defines matrices."""
    return _redraw(auxiliary, seed, layout, _permute, "shuffled (seed {seed}) values of")


def spectrum_auxiliary(auxiliary: Auxiliary, seed: int, layout: Layout | str | None = None) -> Auxiliary:
    """Matrices with the auxiliary's singular values and random orthogonal bases; biases are permuted."""
    return _redraw(auxiliary, seed, layout, _change_bases, "singular values, in random bases (seed {seed}), of")


def copied_start(auxiliary: Auxiliary, selection: Selection) -> Start:
    """A copy of the auxiliary's weights and biases over those target weights that a pathway of this selection would
    pair with them.

    Raises
    ------
    InputError
        From `apply`, if the two models do not match.
    """

    def apply(model: nn.Module) -> list[str]:
        source = open_auxiliary(auxiliary.weights)
        try:
            report = match(model, auxiliary.weights, **selection)
        except PathwayError as error:
            raise InputError("arm copy", "an auxiliary of the target's shape", str(error), "choose another") from None
        if report.mismatches:
            raise InputError(
                "arm copy", "an auxiliary of the target's shape", str(report.mismatches[0]), "choose another"
            )
        with torch.no_grad():
            for pair in report.pairs:
                weight = model.get_parameter(pair.target.weight)
                derivation = pair.derivation or Derivation()
                entries, _ = derive(pair, derivation, source, ModuleSource(model), weight)
                write_entries(weight, pair.target, entries.weight)
                if pair.target.bias is not None and entries.bias is not None:
                    write_entries(model.get_parameter(pair.target.bias.weight), pair.target.bias, entries.bias)
        return [f"{len(report.pairs)} weights of the target are copies of those of {auxiliary.origin}"]

    return Start(origin=f"a copy of {auxiliary.origin}", sha256=auxiliary.sha256, apply=apply)


def mimetic_start(seed: int) -> Start:
    """Attention in closed form (Trockman and Kolter 2023, arXiv 2305.09828, section 3): for each head, query and key
    such that their product is 0.7·Z + 0.7·I cut to the head's rank; value and output such that theirs is
    0.4·Z - 0.4·I; Z has independent normal entries of variance 1/width.

    Raises
    ------
    InputError
        From `apply`, for a model of an unknown layout or with an unknown number of heads.
    """

    def apply(model: nn.Module) -> list[str]:
        anatomy = locate(ModuleSource(model))
        if anatomy is None or set(anatomy.heads) != set(anatomy.blocks):
            raise InputError("arm mimetic", "attention of a known layout", type(model).__name__, "remove the arm")
        with torch.no_grad():
            for block in anatomy.blocks:
                _mimetic_block(model, anatomy, block, np.random.default_rng((STREAM, seed, block)))
        return [f"attention of {quantity(len(anatomy.blocks), 'block')} starts in closed form"]

    return Start(origin=f"closed-form attention (seed {seed})", sha256="", apply=apply)


def _mimetic_block(model: nn.Module, anatomy: Anatomy, block: int, rng: np.random.Generator) -> None:
    query, key, value, output = (anatomy.slots[block, role] for role in ("query", "key", "value", "attention_output"))
    heads, width = anatomy.heads[block], query.shape[1]
    rank = query.shape[0] // heads

    def product(noise: float, identity: float) -> tuple[Matrix, Matrix, Matrix]:
        matrix = noise * rng.normal(size=(width, width)) / math.sqrt(width) + identity * np.eye(width)
        left, values, right = np.linalg.svd(matrix)
        return left, np.sqrt(values), right

    for head in range(heads):
        left, roots, right = product(NOISE, IDENTITY)
        # As published: the division of attention scores by sqrt(rank) needs no compensation.
        rows = slice(head * rank, (head + 1) * rank)
        _write(model, query, (left[:, :rank] * roots[:rank]).T, rows)
        _write(model, key, right[:rank] * roots[:rank, None], rows)
    left, roots, right = product(OUTPUT_NOISE, -OUTPUT_IDENTITY)
    _write(model, value, (left * roots).T, slice(None))
    _write(model, output, (roots[:, None] * right).T, slice(None))


def _write(model: nn.Module, slot: Slot, values: Matrix, rows: slice) -> None:
    parameter = model.get_parameter(slot.weight)
    entries = read_entries(parameter, slot).clone()
    entries[rows] = torch.from_numpy(np.ascontiguousarray(values)).to(entries)
    write_entries(parameter, slot, entries)


def _draw_uniform(matrix: Matrix, rng: np.random.Generator) -> Matrix:
    draws = rng.uniform(-1.0, 1.0, size=matrix.shape)
    return draws * (math.sqrt((matrix**2).mean()) / math.sqrt((draws**2).mean()))


def _permute(matrix: Matrix, rng: np.random.Generator) -> Matrix:
    return rng.permutation(matrix.reshape(-1)).reshape(matrix.shape)


def _change_bases(matrix: Matrix, rng: np.random.Generator) -> Matrix:
    if matrix.ndim < 2:
        return _permute(matrix, rng)
    flat = matrix.reshape(len(matrix), -1)
    values = np.linalg.svd(flat, compute_uv=False)
    left, right = (_draw_orthonormal(size, len(values), rng) for size in flat.shape)
    return ((left * values) @ right.T).reshape(matrix.shape)


def _draw_orthonormal(rows: int, columns: int, rng: np.random.Generator) -> Matrix:
    """Drawn uniformly: without the signs of R's diagonal, some bases would be more likely (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(rows, columns)))
    return np.asarray(q * np.sign(np.diag(r)))


def _redraw(auxiliary: Auxiliary, seed: int, layout: Layout | str | None, draw: Draw, description: str) -> Auxiliary:
    if isinstance(auxiliary.weights, nn.Module):
        module = copy.deepcopy(auxiliary.weights)
        tensors: dict[str, Tensor] = dict(module.named_parameters())
        weights: nn.Module | dict[str, Tensor] = module
    else:
        own = auxiliary.weights.description if isinstance(auxiliary.weights, State) else None
        weights = tensors = State({name: tensor.clone() for name, tensor in auxiliary.weights.items()}, own)
    with torch.no_grad():
        for slot in list(_matrices(tensors, weights, layout)):
            part = read_entries(tensors[slot.weight], slot)
            rng = np.random.default_rng((STREAM, seed, crc32(str(slot).encode())))
            write_entries(tensors[slot.weight], slot, torch.from_numpy(draw(part.double().cpu().numpy(), rng)))
    origin = f"{description.format(seed=seed)} {auxiliary.origin}"
    return Auxiliary(origin=origin, sha256=sha256_of_tensors(sorted(tensors.items())), weights=weights)


def _matrices(
    tensors: Mapping[str, Tensor], source: nn.Module | Mapping[str, Tensor], layout: Layout | str | None
) -> Iterator[Slot]:
    """Every matrix and its bias; those of a fused weight one by one."""
    anatomy = locate(open_auxiliary(source), resolve_layout(layout, "auxiliary_layout"))
    pieces: dict[str, list[Slot]] = {}
    for slot in anatomy.slots.values() if anatomy is not None else ():
        for piece in (slot, slot.bias):
            if piece is not None:
                pieces.setdefault(piece.weight, []).append(piece)
    for name, tensor in tensors.items():
        layer, _, attribute = name.rpartition(".")
        layer_weight = tensors.get(f"{layer}.weight") if attribute == "bias" else None
        is_matrix = attribute == "weight" and tensor.ndim >= 2
        if name in pieces:
            yield from pieces[name]
        elif tensor.is_floating_point() and (is_matrix or (layer_weight is not None and layer_weight.ndim >= 2)):
            yield Slot(name, 0, len(tensor), tuple(tensor.shape))
