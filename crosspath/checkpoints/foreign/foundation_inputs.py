"""What a foundation model reads, as settings of `data` and `model.tokenizer`, and its positions for other sizes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from crosspath.config import Recipe
from crosspath.data.vocabulary import TOKENIZER, WORDS
from crosspath.data.whisper_log_mel import SAMPLE_RATE_HZ
from crosspath.errors import InputError
from crosspath.files import read_json
from crosspath.layouts.norms import ACTIVATION_NAMES
from crosspath.models.block import Activation
from crosspath.models.sizes import size_of
from crosspath.tokenizers.convolutions import STRIDE
from crosspath.tokenizers.positions import resize_positions_2d

POSITIONS = "tokenizer.positions"
PREPROCESSOR = "preprocessor_config.json"
PICTURES: Mapping[str, tuple[Any, ...]] = {"do_rescale": (True,), "rescale_factor": (1 / 255,)}
RECORDINGS: Mapping[str, tuple[Any, ...]] = {
    "sampling_rate": (SAMPLE_RATE_HZ,),
    "n_fft": (400,),
    "hop_length": (160,),
    "do_normalize": (False,),
    "dither": (0.0,),
}
"""What is done to pictures and recordings before a model reads them, by the entries of its preprocessor."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Settings by their dotted names."""

    fixed_settings: Mapping[str, Any]
    """Without them the model computes something else, or cannot be built."""
    free_settings: Mapping[str, Any] = field(default_factory=dict)
    """As the model was trained; the user's own come first."""
    multiples: Mapping[str, int] = field(default_factory=dict)
    """{setting: the number that has to divide it}."""


def require_entries(file: Path, entries: Mapping[str, Any], choices: Mapping[str, tuple[Any, ...]]) -> None:
    """Raise `InputError` for an entry of a JSON file that states something else than what this library computes."""
    for entry, values in choices.items():
        if entries.get(entry, values[0]) not in values:
            expected = f"{entry} {' or '.join(map(repr, values))}, which is what is computed"
            raise InputError(file, expected, repr(entries[entry]), "choose another model")


def activation_of(file: Path, entry: str, value: object) -> str:
    """This library's name of the nonlinearity that an entry of a `config.json` of transformers states. Raises
    `InputError` for one that its blocks do not have.
    """
    names = {theirs: ours for theirs, ours in ACTIVATION_NAMES.items() if ours in get_args(Activation)}
    if str(value) not in names:
        raise InputError(file, f"{entry} {', '.join(names)}", repr(value), "choose another model")
    return names[str(value)]


def picture_inputs(
    where: Path, config: Mapping[str, Any], preprocessor: Mapping[str, Any], colours: Mapping[str, Any]
) -> Inputs:
    """Of transformers' `config.json` and `preprocessor_config.json`. Raises `InputError` for what is no square."""
    patch: Any = config.get("patch_size")
    side = _crop(preprocessor) or config.get("image_size")
    for name, value in (("patch_size", patch), ("image_size", side)):
        if not isinstance(value, int) or value < 1:
            raise InputError(where, f"one number as `{name}`, for squares", repr(value), "choose another model")
    means = picture_colours(where.parent / PREPROCESSOR, preprocessor, colours)
    return Inputs(
        fixed_settings={"model.tokenizer.patch": (patch, patch)},
        free_settings={"data.image_size": side, "data.resize": _short_side(preprocessor)}
        | {f"data.{name}": values for name, values in means.items()},
        multiples={"data.image_size": patch},
    )


def picture_colours(where: Path, preprocessor: Mapping[str, Any], colours: Mapping[str, Any]) -> dict[str, Any]:
    """{`mean` and `std`: of each colour}, as the model was trained. Raises `InputError`, also for pictures of
    another scale.
    """
    require_entries(where, preprocessor, PICTURES)
    if preprocessor.get("do_normalize", True) is False:
        return {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    result = {}
    for ours, theirs in (("mean", "image_mean"), ("std", "image_std")):
        result[ours] = three_numbers(where, theirs, preprocessor.get(theirs) or colours[ours])
    return result


def three_numbers(file: Path, entry: str, values: object) -> tuple[float, ...]:
    """The mean or, in an entry with `std` in its name, deviation of each colour. Raises `InputError`."""
    least = 0 if "std" in entry else -math.inf
    numbers = values if isinstance(values, list | tuple) else ()
    if len(numbers) != 3 or not all(is_number(value) and value > least for value in numbers):
        expected = f"three numbers{' above 0' if least == 0 else ''} as `{entry}`"
        raise InputError(file, expected, repr(values), "copy the file again")
    return tuple(numbers)


def is_number(value: object) -> bool:
    """Whether a value of a JSON file is a finite number; Python counts True as 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _crop(preprocessor: Mapping[str, Any]) -> int | None:
    """The side of the square that the model reads, where it is stated."""
    size = preprocessor.get("crop_size" if preprocessor.get("do_center_crop") else "size")
    if isinstance(size, Mapping):
        size = size.get("height") if size.get("height") == size.get("width") else None
    return size if isinstance(size, int) else None


def _short_side(preprocessor: Mapping[str, Any]) -> int | None:
    size = preprocessor.get("size") if preprocessor.get("do_center_crop") else None
    size = size.get("shortest_edge") if isinstance(size, Mapping) else size
    return size if isinstance(size, int) else None


def whisper_inputs(where: Path, config: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> Inputs:
    """Of Whisper's `config.json`: log-mel frames as `WhisperFeatureExtractor` makes them, not scaled further."""
    mels, places = (config.get(name) for name in ("num_mel_bins", "max_source_positions"))
    if not isinstance(mels, int) or not isinstance(places, int):
        expected = "numbers as `num_mel_bins` and `max_source_positions`"
        raise InputError(where, expected, f"{mels!r} and {places!r}", "copy its config.json again")
    require_entries(where.parent / PREPROCESSOR, preprocessor, {**RECORDINGS, "feature_size": (mels,)})
    settings = {
        "data.sample_rate_hz": SAMPLE_RATE_HZ,
        "data.mels": mels,
        "data.spectrogram": "whisper",
        "data.mean": 0.0,
        "data.std": 0.5,
        "model.tokenizer.stem": "convolutions",
    }
    return Inputs(fixed_settings=settings, free_settings={"data.frames": STRIDE * places})


def picture_weights(
    where: object, tensors: Mapping[str, Tensor], recipe: Recipe, *, antialias: bool
) -> dict[str, Tensor]:
    """With positions for the recipe's image size; those of the class token and of registers are added to these."""
    weights = dict(tensors)
    table_1ND = _take_table(where, weights, "positions", recipe)[None]
    first = [name for name in ("encoder.cls_token", "encoder.reg_token") if name in weights]
    for name in first:
        weights[name] = _take_table(where, weights, name, recipe)[None]
    counts = [weights[name].shape[1] for name in first]
    places = table_1ND.shape[1]
    # Not all models have positions for all of these tokens.
    tokens = next((n for n in range(len(first), -1, -1) if _is_square(places - sum(counts[:n]))), None)
    if tokens is None:
        raise InputError(where, "positions of a square of patches", str(places), "copy the file again")
    parts = torch.split(table_1ND, [*counts[:tokens], places - sum(counts[:tokens])], dim=1)
    for name, positions_1RD in zip(first, parts[:-1], strict=False):
        weights[name] = weights[name] + positions_1RD
    side = math.isqrt(parts[-1].shape[1])
    new = recipe.data.model_dump()["image_size"] // recipe.model.tokenizer.model_dump()["patch"][0]
    weights[POSITIONS] = resize_positions_2d(parts[-1], (side, side), (new, new), antialias=antialias).clone()
    # Patches have no bias where a norm with one follows them: CLIP's, and those of timm's pre_norm.
    if recipe.model.embedding_norm:
        weights.setdefault("tokenizer.proj.bias", parts[-1].new_zeros(parts[-1].shape[-1]))
    return weights


def _take_table(where: object, weights: dict[str, Tensor], name: str, recipe: Recipe) -> Tensor:
    """Remove positions or tokens and return them (N, D). Raises `InputError` where there are none of the width."""
    width, table = size_of(recipe.model).width, weights.pop(name, None)
    if table is None or not table.numel() or table.shape[-1:] != (width,):
        found = "none" if table is None else f"shape {tuple(table.shape)}"
        raise InputError(where, f"{name} of {width} channels", found, "copy the files again")
    return table.reshape(-1, width)


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count


def whisper_weights(where: object, tensors: Mapping[str, Tensor], recipe: Recipe) -> dict[str, Tensor]:
    """With the first positions, as many as the recipe's frames need. Raises `InputError` for more than there are."""
    weights = dict(tensors)
    table_ND, frames = _take_table(where, weights, "positions", recipe), recipe.data.model_dump()["frames"]
    if -(-frames // STRIDE) > len(table_ND):
        most = STRIDE * len(table_ND)
        raise InputError("data.frames", f"at most {most}, as {where} has positions", str(frames), "set fewer")
    weights[POSITIONS] = table_ND[None, : -(-frames // STRIDE)].clone()
    return weights


def text_inputs(where: Path, config: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> Inputs:
    """Of a folder with a tokenizer of transformers, and the length that sentence-transformers states, if it does."""
    rows, lengths = config.get("vocab_size"), where.parent / "sentence_bert_config.json"
    if not isinstance(rows, int):
        raise InputError(where, "a number as `vocab_size`", repr(rows), "copy its config.json again")
    length = read_json(lengths).get("max_seq_length") if lengths.is_file() else None
    free_settings: dict[str, Any] = {"data.length": length // 2 * 2} if isinstance(length, int) else {}
    if any((where.parent / name).is_file() for name in (TOKENIZER, WORDS)):
        free_settings["data.tokenizer"] = str(where.parent.resolve())
    return Inputs(
        fixed_settings={"data.vocabulary_size": rows, "model.tokenizer.token_type": True}, free_settings=free_settings
    )


def text_weights(where: object, tensors: Mapping[str, Tensor], recipe: Recipe, *, first: int) -> dict[str, Tensor]:
    """With the first positions, as many as the recipe's texts need, and the first token type, which single texts have.

    Raises `InputError` for longer texts than there are positions for, and for a recipe without a tokenizer.
    """
    data, weights = recipe.data.model_dump(), dict(tensors)
    if data["tokenizer"] is None:
        todo = "set data.tokenizer=FOLDER, where its tokenizer.json or vocab.txt lies"
        raise InputError("data.tokenizer", f"the tokenizer of {where}", "none beside its weights", todo)
    table_ND = _take_table(where, weights, "positions", recipe)[first:]
    if data["length"] > len(table_ND):
        most = len(table_ND) // 2 * 2
        found, todo = str(data["length"]), f"set data.length={most}"
        raise InputError("data.length", f"at most {most}, as {where} has positions", found, todo)
    weights[POSITIONS] = table_ND[None, : data["length"]].clone()
    weights["tokenizer.token_type"] = _take_table(where, weights, "segments", recipe)[None, :1].clone()
    return weights
