"""Converts encoder blocks under timm's key names: ViT, MAE, AudioMAE, VideoMAE and Point-MAE files."""

import torch
from torch import Tensor

from crosspath.checkpoints.foreign.translation import Foreign
from crosspath.checkpoints.reparameterized import SCALE, WEIGHT
from crosspath.errors import InputError

LINEAR = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


def take_blocks(foreign: Foreign, prefix: str = "blocks.") -> tuple[dict[str, Tensor], int, int, bool]:
    """The blocks under `encoder.blocks.`, their width and depth, and whether q, k and v have a bias.

    VideoMAE's `q_bias` and `v_bias` become the fused bias with zeros for the keys, which attention ignores.

    Raises
    ------
    InputError
        For a file without blocks, with gaps between them, or with a tensor missing.
    """
    indices = foreign.indices(prefix)
    if not indices or indices != list(range(len(indices))):
        found = f"blocks {indices}" if indices else "none"
        raise InputError(foreign.where, f"blocks {prefix}0, {prefix}1 and so on", found, "copy the file again")
    width = foreign.shape(f"{prefix}0.attn.proj.weight", 2)[0]
    tensors: dict[str, Tensor] = {}
    qkv_bias = False
    for index in indices:
        theirs, ours = f"{prefix}{index}.", f"encoder.blocks.{index}."
        if foreign.has(f"{theirs}attn.q_bias"):
            bias = f"{ours}attn.qkv.bias"
            for part in ("q_bias", "v_bias"):
                foreign.expect(f"{theirs}attn.{part}", (width,))
            query = foreign.take(f"{theirs}attn.q_bias", f"{bias} (queries)")
            value = foreign.take(f"{theirs}attn.v_bias", f"{bias} (values; zeros for keys)")
            tensors[bias] = torch.cat([query, torch.zeros_like(query), value])
        for norm in ("norm1", "norm2"):
            for part in ("weight", "bias"):
                name = f"{norm}.{part}"
                tensors[ours + name] = foreign.take(theirs + name, ours + name)
        for layer in LINEAR:
            for part in ("weight", "bias", SCALE, WEIGHT):
                name = f"{layer}.{part}"
                if part == "weight" or foreign.has(theirs + name):
                    tensors[ours + name] = foreign.take(theirs + name, ours + name)
        qkv_bias = qkv_bias or f"{ours}attn.qkv.bias" in tensors
    return tensors, width, len(indices), qkv_bias


def take_norm(foreign: Foreign, name: str, becomes: str) -> dict[str, Tensor]:
    """A layer norm's weight and bias; empty where the file has none."""
    if not foreign.has(f"{name}.weight"):
        return {}
    return {f"{becomes}.{part}": foreign.take(f"{name}.{part}", f"{becomes}.{part}") for part in ("weight", "bias")}
