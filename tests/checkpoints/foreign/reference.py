"""Encoders written from their published description, one line an operation: what converted models are held against."""

import torch
from torch import Tensor
from torch.nn import functional

Tensors = dict[str, Tensor]


def transformer(
    x_BND: Tensor, state: Tensors, prefix: str, heads: int, eps: float, added: Tensor | None = None
) -> Tensor:
    """Pre-norm blocks by timm's names; `added` comes in before every block."""
    indices = sorted({int(name[len(prefix) :].split(".")[0]) for name in state if name.startswith(prefix)})
    for index in indices:
        own = {name.removeprefix(f"{prefix}{index}."): tensor for name, tensor in state.items()}
        x_BND = x_BND if added is None else x_BND + added
        inner = _norm(x_BND, own, "norm1", eps)
        if "attn.q_bias" in own:
            bias = torch.cat([own["attn.q_bias"], torch.zeros_like(own["attn.q_bias"]), own["attn.v_bias"]])
        else:
            bias = own.get("attn.qkv.bias")
        rows = functional.linear(inner, own["attn.qkv.weight"], bias)
        query, key, value = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in rows.chunk(3, dim=-1))
        scores = (query @ key.transpose(-1, -2)) / query.shape[-1] ** 0.5
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        x_BND = x_BND + functional.linear(mixed, own["attn.proj.weight"], own["attn.proj.bias"])
        inner = functional.gelu(
            functional.linear(_norm(x_BND, own, "norm2", eps), own["mlp.fc1.weight"], own["mlp.fc1.bias"])
        )
        x_BND = x_BND + functional.linear(inner, own["mlp.fc2.weight"], own["mlp.fc2.bias"])
    return x_BND


def audio_mae(mels_BTF: Tensor, state: Tensors, heads: int) -> Tensor:
    """AudioMAE's encoder with every token visible: patches of (frames, mels), stored positions, a class token."""
    kernel = state["patch_embed.proj.weight"]
    patches = functional.conv2d(mels_BTF[:, None], kernel, state["patch_embed.proj.bias"], stride=kernel.shape[2:])
    x_BND = patches.flatten(2).transpose(1, 2) + state["pos_embed"][:, 1:]
    token = (state["cls_token"] + state["pos_embed"][:, :1]).expand(len(x_BND), -1, -1)
    x_BND = transformer(torch.cat([token, x_BND], dim=1), state, "blocks.", heads, 1e-6)
    return _norm(x_BND, state, "norm", 1e-6)


def point_mae(groups_BGM3: Tensor, centres_BG3: Tensor, state: Tensors, heads: int) -> Tensor:
    """Point-MAE's classifier up to its head: the small PointNet, a class token, positions before every block."""
    batch, groups, size, _ = groups_BGM3.shape
    points = groups_BGM3.reshape(batch * groups, size, 3).transpose(1, 2)
    local = _stage(points, state, "encoder.first_conv")
    whole = local.max(dim=2, keepdim=True).values.expand(-1, -1, size)
    tokens = _stage(torch.cat([whole, local], dim=1), state, "encoder.second_conv").max(dim=2).values
    x_BND = tokens.reshape(batch, groups, -1)
    hidden = functional.gelu(functional.linear(centres_BG3, state["pos_embed.0.weight"], state["pos_embed.0.bias"]))
    places = functional.linear(hidden, state["pos_embed.2.weight"], state["pos_embed.2.bias"])
    x_BND = torch.cat([state["cls_token"].expand(batch, -1, -1), x_BND], dim=1)
    places = torch.cat([state["cls_pos"].expand(batch, -1, -1), places], dim=1)
    return _norm(transformer(x_BND, state, "blocks.blocks.", heads, 1e-5, places), state, "norm", 1e-5)


def video_mae(clips_BCTHW: Tensor, state: Tensors, heads: int, positions_1ND: Tensor) -> Tensor:
    """VideoMAE's fine-tuned encoder up to its pooling, which has no norm of its own."""
    kernel = state["patch_embed.proj.weight"]
    patches = functional.conv3d(clips_BCTHW, kernel, state["patch_embed.proj.bias"], stride=kernel.shape[2:])
    return transformer(patches.flatten(2).transpose(1, 2) + positions_1ND, state, "blocks.", heads, 1e-6)


def _stage(points: Tensor, state: Tensors, name: str) -> Tensor:
    rows = functional.conv1d(points, state[f"{name}.0.weight"], state[f"{name}.0.bias"])
    statistics = state[f"{name}.1.running_mean"], state[f"{name}.1.running_var"]
    rows = functional.batch_norm(rows, *statistics, state[f"{name}.1.weight"], state[f"{name}.1.bias"])
    return functional.conv1d(rows.relu(), state[f"{name}.3.weight"], state[f"{name}.3.bias"])


def _norm(x: Tensor, state: Tensors, name: str, eps: float) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)
