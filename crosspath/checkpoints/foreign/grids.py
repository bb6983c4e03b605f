"""Files whose tokens lie on a grid: ViT, DeiT and MAE images, AudioMAE and AST spectrograms, VideoMAE clips."""

from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor

from crosspath.checkpoints.foreign.blocks import take_blocks, take_norm
from crosspath.checkpoints.foreign.translation import Foreign, Translation, first_of, size_named, square, with_settings
from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.recipes import recipe_named
from crosspath.tokenizers.positions import resize_positions

Overridden = Callable[[Recipe], Recipe]
"""Applies the user's own settings."""
HEADS = r"(head|head_dist|fc|classifier|mlp_head|pooler|pre_logits|cls_head\w*)\."
DECODER = r"(decoder|encoder_to_decoder|increase_dim)|mask_token$"


def image(foreign: Foreign, overridden: Overridden) -> Translation:
    """ViT-like images: timm, DeiT, MAE, the published zoo. The class token's position is added to the token itself."""
    tensors, width, depth, biased = take_blocks(foreign)
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
        data={"image_size": side * patch[0], **_known(foreign, "mean", "std")},
        model=_model(foreign, width, depth, biased) | _pooling(foreign),
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = overridden(recipe)
    size = getattr(recipe.data, "image_size", 0) // patch[0]
    tensors |= _tokenizer(foreign, (side, side), (size, size), special)
    return _finished(foreign, recipe, tensors)


def audio_mae(foreign: Foreign, overridden: Overridden) -> Translation:
    """AudioMAE: one channel, (frames, mels) patches, its stored positions kept as they are."""
    tensors, width, depth, biased = take_blocks(foreign)
    patch = foreign.shape("patch_embed.proj.weight", 4)[2:]
    plain = recipe_named("audio/audioset-20k")
    special = 1 if foreign.has("cls_token") else 0
    columns = int(foreign.known.get("mels", getattr(plain.data, "mels", 128))) // patch[1]
    rows, left = divmod(foreign.shape("pos_embed", 3)[1] - special, columns)
    if left or rows < 1:
        found = f"{rows * columns + left} positions"
        raise InputError(foreign.where, f"a multiple of {columns} positions", found, "choose another file")
    recipe = with_settings(
        plain,
        data={"frames": rows * patch[0], "mels": columns * patch[1]},
        model=_model(foreign, width, depth, biased) | _pooling(foreign),
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = overridden(recipe)
    tensors |= _tokenizer(foreign, (rows, columns), _audio_grid(recipe, patch), special)
    return _finished(foreign, recipe, tensors)


def ast(foreign: Foreign, overridden: Overridden) -> Translation:
    """AST: (mels, frames) planes, overlapping patches and two special tokens, turned to (frames, mels), one token.

    The tokens of this library do not overlap, and its encoder has one class token: encoder and kernel are the file's,
    the model as a whole is not.
    """
    tensors, width, depth, biased = take_blocks(foreign)
    patch = foreign.shape("patch_embed.proj.weight", 4)[2:][::-1]
    special = 2 if foreign.has("dist_token") or foreign.has("distillation_token") else 1
    foreign.drop(r"dist(illation)?_token$", "a second class token; the encoder has one")
    places = foreign.shape("pos_embed", 3)[1] - special
    mels, stride = int(foreign.known.get("mels", 128)), foreign.known.get("stride")
    candidates = [int(stride)] if stride else [10, patch[1]]
    rows = [(mels - patch[1]) // step + 1 for step in candidates]
    high = next((row for row in rows if row > 0 and places % row == 0), None)
    if high is None or places < 1:
        raise InputError(foreign.where, f"positions in rows of {rows[0]}", f"{places} positions", "choose another file")
    wide = places // high
    step = candidates[rows.index(high)]
    frames = (wide - 1) * step + patch[0]
    recipe = with_settings(
        recipe_named("audio/audioset-20k"),
        data={"frames": -(-frames // patch[0]) * patch[0], "mels": mels},
        model=_model(foreign, width, depth, biased) | {"pooling": "cls"},
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = overridden(recipe)
    tensors |= _tokenizer(foreign, (high, wide), _audio_grid(recipe, patch), special, turned=True)
    foreign.notes.append(f"tokens do not overlap here (a step of {step} there); positions turned to (frames, mels)")
    return _finished(foreign, recipe, tensors)


def video(foreign: Foreign, overridden: Overridden) -> Translation:
    """VideoMAE V1 and V2: tubelets, fixed positions unless the file stores some, normalisation after pooling."""
    tensors, width, depth, biased = take_blocks(foreign)
    patch = foreign.shape("patch_embed.proj.weight", 5)[2:]
    plain = recipe_named("video/k400")
    stored = foreign.has("pos_embed")
    side = getattr(plain.data, "image_size", 224) // patch[1]
    if "image_size" in foreign.known:
        side = int(foreign.known["image_size"]) // patch[1]
    frames = int(foreign.known.get("frames", getattr(plain.data, "frames", 16))) // patch[0]
    if stored:
        frames, left = divmod(foreign.shape("pos_embed", 3)[1], side * side)
        if left or not frames:
            found = f"{foreign.shape('pos_embed')[1]} positions"
            raise InputError(foreign.where, f"positions in frames of {side} x {side}", found, "choose another file")
    recipe = with_settings(
        plain,
        data={"image_size": side * patch[1], "frames": frames * patch[0]},
        model=_model(foreign, width, depth, biased)
        | {"positions": "learned" if stored else "sincos", "pooling": "mean"},
    )
    recipe = with_settings(recipe, model={"tokenizer": recipe.model.tokenizer.model_copy(update={"patch": patch})})
    recipe = overridden(recipe)
    now = getattr(recipe.data, "image_size", 0) // patch[1]
    tensors |= _tokenizer(foreign, (frames, side, side), (getattr(recipe.data, "frames", 0) // patch[0], now, now), 0)
    return _finished(foreign, recipe, tensors)


def _model(foreign: Foreign, width: int, depth: int, biased: bool) -> dict[str, Any]:
    """The fields of the model section that a file decides."""
    section = {"size": size_named(foreign.where, width, depth), "positions": "learned", "qkv_bias": biased}
    return section | _known(foreign, "heads", "norm_eps")


def _pooling(foreign: Foreign) -> dict[str, Any]:
    """By the class token; over the patches where the file normalises after pooling, as fine-tuned MAE models do."""
    token = foreign.has("cls_token")
    over_patches = foreign.has("fc_norm.weight") and not foreign.has("norm.weight")
    return {"pooling": "cls" if token and not over_patches else "mean", "cls_token": token}


def _known(foreign: Foreign, *names: str) -> dict[str, Any]:
    return {name: foreign.known[name] for name in names if foreign.known.get(name) is not None}


def _audio_grid(recipe: Recipe, patch: tuple[int, ...]) -> tuple[int, int]:
    return getattr(recipe.data, "frames", 0) // patch[0], getattr(recipe.data, "mels", 0) // patch[1]


def _tokenizer(
    foreign: Foreign, grid: tuple[int, ...], wanted: tuple[int, ...], special: int, *, turned: bool = False
) -> dict[str, Tensor]:
    """Kernel, positions and class token. `turned`: kernel and positions lie (mels, frames) in the file."""
    kernel = foreign.take("patch_embed.proj.weight", "tokenizer.proj.weight")
    found = {
        "tokenizer.proj.weight": kernel.transpose(2, 3).contiguous() if turned else kernel,
        "tokenizer.proj.bias": foreign.take("patch_embed.proj.bias", "tokenizer.proj.bias"),
    }
    width = kernel.shape[0]
    if foreign.has("cls_token"):
        foreign.expect("cls_token", (1, 1, width))
    token = foreign.take("cls_token", "encoder.cls_token") if foreign.has("cls_token") else None
    if foreign.has("pos_embed"):
        foreign.expect("pos_embed", (1, special + prod(grid), width))
        stored = foreign.take("pos_embed", "tokenizer.positions" + (" and encoder.cls_token" if special else ""))
        places = stored[:, special:]
        if turned:
            places = places.reshape(1, *grid, -1).transpose(1, 2).flatten(1, 2)
            grid = grid[::-1]
        found["tokenizer.positions"] = resize_positions(places, grid, wanted).clone()
        if grid != wanted:
            now, then = (" x ".join(map(str, sides)) for sides in (wanted, grid))
            foreign.notes.append(
                f"positions resized from {then} to {now} ({'linear over frames, ' * (len(grid) == 3)}bicubic)"
            )
        if token is not None and special:
            token = token + stored[:, :1]
    if token is not None:
        found["encoder.cls_token"] = token
    return found


def _finished(foreign: Foreign, recipe: Recipe, tensors: dict[str, Tensor]) -> Translation:
    """With the last norms, without head and decoder."""
    fresh = ["head.linear"]
    if recipe.model.pooling == "mean":
        tensors |= take_norm(foreign, "fc_norm", "head.norm")
        fresh += [] if "head.norm.weight" in tensors else ["head.norm"]
        foreign.drop(r"(norm|layernorm)\.", "the encoder's last norm: this model normalises after pooling")
    else:
        tensors |= take_norm(foreign, "norm", "encoder.norm")
        fresh += [] if "encoder.norm.weight" in tensors else ["encoder.norm"]
        foreign.drop(r"fc_norm\.", "a norm after pooling: this model normalises before")
    foreign.drop(HEADS, "head")
    foreign.drop(DECODER, "decoder of pretraining")
    foreign.drop(r"pos_embed_\w+$|.*relative_position_index$", "a table that follows from the sizes")
    foreign.finish()
    return Translation(recipe, tensors, first_of(fresh))
