"""Converts files whose tokens lie on a grid: ViT, DeiT, MAE; AudioMAE, AST; VideoMAE.

Each function raises `InputError` for tensors that are missing or have other shapes than the format.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor

from crosspath.checkpoints.foreign.blocks import take_blocks, take_norm
from crosspath.checkpoints.foreign.translation import (
    Foreign,
    Translation,
    first_components,
    size_of,
    square,
    with_settings,
)
from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.recipes import recipe_named
from crosspath.tokenizers.positions import resize_positions

Override = Callable[[Recipe], Recipe]
"""Applies the user's own settings."""
HEADS = r"(head|head_dist|fc|classifier|mlp_head|pooler|pre_logits|cls_head\w*)\."
DECODER = r"(decoder|encoder_to_decoder|increase_dim)|mask_token$"


def image(foreign: Foreign, override: Override) -> Translation:
    """ViTs of images: timm, DeiT, MAE, M2PT's zoo. The class token's position is added to the token itself."""
    tensors, width, depth, qkv_bias = take_blocks(foreign)
    patch = foreign.shape("patch_embed.proj.weight", 4)[2:]
    special = 1 if foreign.has("cls_token") else 0
    if special and (foreign.has("dist_token") or foreign.has("distillation_token")):
        foreign.drop(r"dist(illation)?_token$", "a second class token; the encoder has one")
        special = 2
    places = foreign.shape("pos_embed", 3)[1]
    side = square(places - special)
    if side is None and square(places) is not None:
        side, special = square(places), 0
    if not side or patch[0] != patch[1]:
        raise InputError(foreign.where, "square images in square patches", f"{places} positions", "choose another")
    recipe = with_settings(
        recipe_named("image/imagenet"),
        data={"image_size": side * patch[0], **_settings(foreign, "mean", "std")},
        model=_model(foreign, width, depth, qkv_bias) | _pooling(foreign),
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = override(recipe)
    size = getattr(recipe.data, "image_size", 0) // patch[0]
    tensors |= _tokenizer(foreign, (side, side), (size, size), special)
    return _finish(foreign, recipe, tensors)


def audio_mae(foreign: Foreign, override: Override) -> Translation:
    """AudioMAE: one channel, (frames, mels) patches, its stored positions unchanged."""
    tensors, width, depth, qkv_bias = take_blocks(foreign)
    patch = foreign.shape("patch_embed.proj.weight", 4)[2:]
    plain = recipe_named("audio/audioset-20k")
    special = 1 if foreign.has("cls_token") else 0
    columns = int(foreign.settings.get("mels", getattr(plain.data, "mels", 128))) // patch[1]
    rows, remainder = divmod(foreign.shape("pos_embed", 3)[1] - special, columns)
    if remainder or rows < 1:
        found = f"{rows * columns + remainder} positions"
        raise InputError(foreign.where, f"a multiple of {columns} positions", found, "choose another file")
    recipe = with_settings(
        plain,
        data={"frames": rows * patch[0], "mels": columns * patch[1]},
        model=_model(foreign, width, depth, qkv_bias) | _pooling(foreign),
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = override(recipe)
    tensors |= _tokenizer(foreign, (rows, columns), _audio_grid(recipe, patch), special)
    return _finish(foreign, recipe, tensors)


def ast(foreign: Foreign, override: Override) -> Translation:
    """AST: (mels, frames) planes, overlapping patches and two special tokens become (frames, mels) and one token.

    This library's patches do not overlap, and its encoder has one class token: encoder and kernel are the same, but
    the model is not.
    """
    tensors, width, depth, qkv_bias = take_blocks(foreign)
    patch = foreign.shape("patch_embed.proj.weight", 4)[2:][::-1]
    special = 2 if foreign.has("dist_token") or foreign.has("distillation_token") else 1
    foreign.drop(r"dist(illation)?_token$", "a second class token; the encoder has one")
    places = foreign.shape("pos_embed", 3)[1] - special
    mels, stride = int(foreign.settings.get("mels", 128)), foreign.settings.get("stride")
    candidates = [int(stride)] if stride else [10, patch[1]]
    rows = [(mels - patch[1]) // step + 1 for step in candidates]
    height = next((row for row in rows if row > 0 and places % row == 0), None)
    if height is None or places < 1:
        raise InputError(foreign.where, f"positions in rows of {rows[0]}", f"{places} positions", "choose another file")
    width_in_patches = places // height
    step = candidates[rows.index(height)]
    frames = (width_in_patches - 1) * step + patch[0]
    recipe = with_settings(
        recipe_named("audio/audioset-20k"),
        data={"frames": -(-frames // patch[0]) * patch[0], "mels": mels},
        model=_model(foreign, width, depth, qkv_bias) | {"pooling": "cls"},
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = override(recipe)
    tensors |= _tokenizer(foreign, (height, width_in_patches), _audio_grid(recipe, patch), special, transposed=True)
    foreign.notes.append(f"patches do not overlap (the file's step is {step}); positions transposed to (frames, mels)")
    return _finish(foreign, recipe, tensors)


def video(foreign: Foreign, override: Override) -> Translation:
    """VideoMAE V1 and V2: tubelets, fixed positions unless the file has learned ones, normalisation after pooling."""
    tensors, width, depth, qkv_bias = take_blocks(foreign)
    patch = foreign.shape("patch_embed.proj.weight", 5)[2:]
    plain = recipe_named("video/k400")
    has_positions = foreign.has("pos_embed")
    side = getattr(plain.data, "image_size", 224) // patch[1]
    if "image_size" in foreign.settings:
        side = int(foreign.settings["image_size"]) // patch[1]
    frames = int(foreign.settings.get("frames", getattr(plain.data, "frames", 16))) // patch[0]
    if has_positions:
        positions = foreign.shape("pos_embed", 3)[1]
        frames, remainder = divmod(positions, side * side)
        if remainder or not frames:
            found = f"{positions} positions"
            raise InputError(foreign.where, f"positions in frames of {side} x {side}", found, "choose another file")
    recipe = with_settings(
        plain,
        data={"image_size": side * patch[1], "frames": frames * patch[0], **_settings(foreign, "mean", "std")},
        model=_model(foreign, width, depth, qkv_bias)
        | {"positions": "learned" if has_positions else "sincos", "pooling": "mean"},
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = override(recipe)
    new_side = getattr(recipe.data, "image_size", 0) // patch[1]
    new_grid = (getattr(recipe.data, "frames", 0) // patch[0], new_side, new_side)
    tensors |= _tokenizer(foreign, (frames, side, side), new_grid, 0)
    return _finish(foreign, recipe, tensors)


def _model(foreign: Foreign, width: int, depth: int, qkv_bias: bool) -> dict[str, Any]:
    """The fields of the model section that follow from the file."""
    section = {"size": size_of(foreign.where, width, depth), "positions": "learned", "qkv_bias": qkv_bias}
    return section | _settings(foreign, "heads", "norm_eps", "activation")


def _pooling(foreign: Foreign) -> dict[str, Any]:
    """What the config states; otherwise the class token, or the mean where there is none or where the file normalises
    after pooling, as fine-tuned MAE models do.
    """
    token, before, after = (foreign.has(name) for name in ("cls_token", "norm.weight", "fc_norm.weight"))
    pooling = foreign.settings.get("pooling", "cls" if token and (before or not after) else "mean")
    fc_norm = foreign.settings.get("fc_norm", pooling == "mean" and (after or not before))
    return {"pooling": pooling, "cls_token": token, "fc_norm": None if fc_norm == (pooling == "mean") else fc_norm}


def _settings(foreign: Foreign, *names: str) -> dict[str, Any]:
    return {name: foreign.settings[name] for name in names if foreign.settings.get(name) is not None}


def _audio_grid(recipe: Recipe, patch: tuple[int, ...]) -> tuple[int, int]:
    return getattr(recipe.data, "frames", 0) // patch[0], getattr(recipe.data, "mels", 0) // patch[1]


def _tokenizer(
    foreign: Foreign, grid: tuple[int, ...], target_grid: tuple[int, ...], special: int, *, transposed: bool = False
) -> dict[str, Tensor]:
    """Kernel, positions and class token; positions resized from `grid` to `target_grid`.

    `transposed`: the file has kernel and positions as (mels, frames).
    """
    kernel = foreign.take("patch_embed.proj.weight", "tokenizer.proj.weight")
    tensors = {
        "tokenizer.proj.weight": kernel.transpose(2, 3).contiguous() if transposed else kernel,
        "tokenizer.proj.bias": foreign.take("patch_embed.proj.bias", "tokenizer.proj.bias"),
    }
    width = kernel.shape[0]
    if foreign.has("cls_token"):
        foreign.expect("cls_token", (1, 1, width))
    token = foreign.take("cls_token", "encoder.cls_token") if foreign.has("cls_token") else None
    if foreign.has("pos_embed"):
        foreign.expect("pos_embed", (1, special + prod(grid), width))
        positions = foreign.take("pos_embed", "tokenizer.positions" + (" and encoder.cls_token" if special else ""))
        patches = positions[:, special:]
        if transposed:
            patches = patches.reshape(1, *grid, -1).transpose(1, 2).flatten(1, 2)
            grid = grid[::-1]
        tensors["tokenizer.positions"] = resize_positions(patches, grid, target_grid).clone()
        if grid != target_grid:
            new, old = (" x ".join(map(str, sides)) for sides in (target_grid, grid))
            foreign.notes.append(
                f"positions resized from {old} to {new} ({'linear over frames, ' * (len(grid) == 3)}bicubic)"
            )
        if token is not None and special:
            token = token + positions[:, :1]
    if token is not None:
        tensors["encoder.cls_token"] = token
    return tensors


def _finish(foreign: Foreign, recipe: Recipe, tensors: dict[str, Tensor]) -> Translation:
    """Add the last norms, drop head and decoder."""
    fresh = ["head.linear"]
    after_pooling = recipe.model.normalises_after_pooling
    theirs, ours = ("fc_norm", "head.norm") if after_pooling else ("norm", "encoder.norm")
    tensors |= take_norm(foreign, theirs, ours)
    # Where a config states the norm, a file without it is damaged.
    if foreign.settings.get("fc_norm") is not after_pooling:
        fresh += [] if f"{ours}.weight" in tensors else [ours]
        if after_pooling:
            foreign.drop(r"(norm|layernorm)\.", "the encoder's last norm: this model normalises after pooling")
        else:
            foreign.drop(r"fc_norm\.", "a norm after pooling: this model normalises before")
    foreign.drop(HEADS, "head")
    foreign.drop(DECODER, "decoder of pretraining")
    foreign.drop(r"pos_embed_\w+$|.*relative_position_index$", "a table that is computed from the sizes")
    foreign.finish()
    return Translation(recipe, tensors, first_components(fresh))
