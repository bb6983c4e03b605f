"""What files beside a foreign checkpoint say and no tensor shows: how its blocks compute, and what inputs they read."""

from pathlib import Path
from typing import Any

from crosspath.checkpoints.foreign.families import HALVES, IMAGENET
from crosspath.checkpoints.foreign.foundation_inputs import PREPROCESSOR, activation_of, is_number, picture_colours
from crosspath.checkpoints.foreign.timm_family import plain_architecture, settings_of_architecture, statistics_of
from crosspath.errors import InputError
from crosspath.files import read_json

NAMES = {
    "norm_eps": "layer_norm_eps",
    "heads": "num_attention_heads",
    "frames": "num_frames",
    "mels": "num_mel_bins",
    "stride": "frequency_stride",
    "image_size": "image_size",
}
"""{here: in a `config.json` of transformers}."""


def settings_of(file: Path) -> dict[str, Any]:
    """The settings in a `config.json` of transformers or timm, and in a preprocessor's beside it.

    Raises
    ------
    InputError
        For a setting that is no number, and for what this library does not compute.
    """
    config = read_json(file)
    if "architecture" in config:
        stated = settings_of_architecture(plain_architecture(file, config, distilled=True))
        return stated | statistics_of(file, config)
    if "model_type" not in config:
        return {}
    settings = {ours: config[theirs] for ours, theirs in NAMES.items() if config.get(theirs) is not None}
    for ours, value in settings.items():
        value = value[0] if isinstance(value, list) and len(set(value)) == 1 else value
        kind = "number" if ours == "norm_eps" else "whole number"
        if not is_number(value) or value <= 0 or (kind == "whole number" and value % 1):
            raise InputError(file, f"a {kind} above 0 as `{NAMES[ours]}`", repr(value), "correct it")
        settings[ours] = value
    settings["activation"] = activation_of(file, "hidden_act", config.get("hidden_act", "gelu"))
    if "mels" in settings:
        return settings
    beside = file.parent / PREPROCESSOR
    colours = HALVES if config["model_type"] == "vit" else IMAGENET
    return settings | picture_colours(beside, read_json(beside) if beside.is_file() else {}, colours)
