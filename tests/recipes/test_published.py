"""Published recipes against a list of the published settings, and their size against arithmetic."""

from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch

from crosspath.checkpoints import save_checkpoint
from crosspath.checkpoints.start import load_weights_from
from crosspath.config import Recipe, apply_overrides, recipe_from_text, recipe_to_text
from crosspath.data.readers.part_clouds import PARTS as PARTS_OF_CATEGORIES
from crosspath.models.build import build_masked_autoencoder, build_model
from crosspath.objectives import objective_of
from crosspath.recipes import PUBLISHED_PRETRAINING, PUBLISHED_RECIPES, RECIPES, recipe_named
from crosspath.tokenizers import fixed_positions
from crosspath.training import plan

# Dotted fields and the numbers that the paper's code and scripts hold.
FINE_TUNED: dict[str, Any] = {
    "optimizer.name": "adamw",
    "optimizer.betas": (0.9, 0.999),
    "model.size": "base",
    "model.drop_path": 0.1,
}
IMAGE = {
    "data.image_size": 224,
    "data.resize": 256,
    "data.mean": (0.485, 0.456, 0.406),
    "data.std": (0.229, 0.224, 0.225),
    "model.tokenizer.patch": (16, 16),
    "data.classes": 1000,
}
AUDIO = {
    "data.sample_rate_hz": 16000,
    "data.mels": 128,
    "model.tokenizer.patch": (16, 16),
}
AUDIOSET = {
    **AUDIO,
    "data.frames": 1024,
    "data.mean": -4.2677393,
    "data.std": 4.5689974,
    "data.multi_label": True,
    "data.classes": 527,
}
AUDIO_TUNED = {
    **FINE_TUNED,
    "optimizer.lr": 1e-3,
    "optimizer.lr_per_samples": 256,
    "optimizer.weight_decay": 5e-4,
    "optimizer.layer_decay": 0.75,
    "schedule.min_lr": 1e-6,
    "augment.mixup": 10.0,
    "augment.mixup_probability": 0.5,
    "augment.mel_mask": 48,
    "augment.patch_drop": (0.2, 0.2),
    "augment.waveform": True,
    "train.label_smoothing": 0.0,
}
POINT = {
    **FINE_TUNED,
    "model.heads": 6,
    "model.qkv_bias": False,
    "model.norm_eps": 1e-5,
    "model.position_every_block": True,
    "model.pooling": "cls+max",
    "model.tokenizer.group_size": 32,
    "model.head_hidden": (256, 256),
    "model.head_dropout": 0.5,
    "optimizer.lr": 5e-4,
    "optimizer.lr_per_samples": None,
    "optimizer.weight_decay": 0.05,
    "optimizer.layer_decay": None,
    "optimizer.clip_norm": 10.0,
    "schedule.warmup_epochs": 10.0,
    "train.batch_size": 32,
    "augment.scale": (2 / 3, 3 / 2),
    "augment.shift": 0.2,
    "evaluate.batch_size": 64,
}
SCAN = {
    **POINT,
    "data.points": 2048,
    "data.normalise": False,
    "data.classes": 15,
    "model.tokenizer.groups": 128,
    "train.epochs": 300,
}
PARTS = {
    **FINE_TUNED,
    "objective": "part_segmentation",
    "data.points": 2048,
    "model.heads": 6,
    "model.qkv_bias": False,
    "model.norm_eps": 1e-5,
    "model.position_every_block": True,
    "model.tokenizer.groups": 128,
    "model.tokenizer.group_size": 32,
    "model.head_hidden": (1024, 512, 256),
    "model.head_dropout": 0.5,
    "optimizer.lr": 2e-4,
    "optimizer.weight_decay": 0.05,
    "schedule.warmup_epochs": 10.0,
    "train.batch_size": 16,
    "train.epochs": 300,
    "train.label_smoothing": 0.0,
    "augment.scale": (0.8, 1.25),
    "augment.shift": 0.1,
}
VIDEO = {
    "data.frames": 16,
    "data.image_size": 224,
    "model.tokenizer.patch": (2, 16, 16),
    "optimizer.weight_decay": 0.05,
    "optimizer.lr_per_samples": 256,
}
VIDEO_TUNED = {
    **FINE_TUNED,
    **VIDEO,
    "train.batch_size": 48,
    "train.repeats": 2,
    "train.label_smoothing": 0.1,
    "schedule.warmup_epochs": 5.0,
    "augment.mixup": 0.8,
    "augment.cutmix": 1.0,
    "augment.erasing": 0.25,
    "augment.resized_crop": (0.08, 1.0),
    "augment.rand_augment": "rand-m7-n4-mstd0.5-inc1",
    "evaluate.crops": 3,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "image/imagenet": {
        **FINE_TUNED,
        **IMAGE,
        "optimizer.lr": 5e-4,
        "optimizer.lr_per_samples": 256,
        "optimizer.weight_decay": 0.05,
        "optimizer.layer_decay": 0.65,
        "optimizer.clip_norm": None,
        "train.batch_size": 1024,
        "train.epochs": 100,
        "schedule.warmup_epochs": 5.0,
        "schedule.min_lr": 1e-6,
        "augment.mixup": 0.8,
        "augment.cutmix": 1.0,
        "augment.rand_augment": "rand-m9-mstd0.5-inc1",
        "augment.erasing": 0.25,
        "augment.flip": 0.5,
        "train.label_smoothing": 0.1,
        "model.head_init_std": 2e-5,
        "model.pooling": "mean",
    },
    "image/imagenet-probe": {
        **IMAGE,
        "optimizer.name": "lars",
        "optimizer.lr": 0.1,
        "optimizer.momentum": 0.9,
        "optimizer.trust": 0.001,
        "optimizer.weight_decay": 0.0,
        "train.batch_size": 16384,
        "train.epochs": 90,
        "train.scope": "head",
        "schedule.warmup_epochs": 10.0,
        "schedule.min_lr": 0.0,
        "model.pooling": "cls",
        "model.head_batch_norm": True,
        "model.head_init_std": 0.01,
        "augment.rand_augment": None,
        "augment.mixup": 0.0,
    },
    "audio/audioset-20k": {
        **AUDIOSET,
        **AUDIO_TUNED,
        "augment.time_mask": 192,
        "train.epochs": 60,
        "train.batch_size": 64,
        "train.evaluate_from": 15,
        "schedule.warmup_epochs": 4.0,
    },
    "audio/audioset-2m": {
        **AUDIOSET,
        **AUDIO_TUNED,
        "augment.time_mask": 192,
        "train.epochs": 30,
        "train.batch_size": 512,
        "train.sampler": "shuffle",
        "schedule.warmup_epochs": 2.0,
    },
    "audio/esc50": {**AUDIO, **AUDIO_TUNED, "data.frames": 512, "data.mean": -6.6268077, "data.std": 5.358466},
    "audio/speechcommands": {**AUDIO, **AUDIO_TUNED, "data.frames": 128, "data.mean": -6.845978, "data.std": 5.5654526},
    "point/modelnet40": {
        **POINT,
        "data.points": 1024,
        "data.stored_points": 8192,
        "data.classes": 40,
        "model.tokenizer.groups": 64,
        "train.epochs": 300,
        "augment.resample": "farthest",
    },
    "point/modelnet40-fewshot": {
        **POINT,
        "data.points": 1024,
        "model.tokenizer.groups": 64,
        "data.way": 5,
        "data.shot": 10,
        "train.epochs": 150,
    },
    "point/scanobjectnn-objbg": SCAN,
    "point/scanobjectnn-objonly": SCAN,
    "point/scanobjectnn-hardest": SCAN,
    "video/k400": {
        **VIDEO_TUNED,
        "data.classes": 400,
        "data.sampling": "dense",
        "data.frame_step": 4,
        "optimizer.lr": 7e-4,
        "optimizer.layer_decay": 0.75,
        "train.epochs": 90,
        "augment.flip": 0.5,
        "evaluate.segments": 5,
    },
    "video/ssv2": {
        **VIDEO_TUNED,
        "data.classes": 174,
        "data.sampling": "uniform",
        "optimizer.lr": 2e-3,
        "optimizer.layer_decay": 0.65,
        "train.epochs": 25,
        "augment.flip": 0.0,
        "evaluate.segments": 2,
    },
    "video/ucf101": {
        **VIDEO_TUNED,
        "data.classes": 101,
        "data.frame_step": 4,
        "optimizer.lr": 1e-3,
        "train.epochs": 50,
        "model.drop_path": 0.35,
    },
    "video/hmdb51": {
        **VIDEO_TUNED,
        "data.classes": 51,
        "data.frame_step": 2,
        "optimizer.lr": 5e-4,
        "train.epochs": 15,
        "model.drop_path": 0.35,
    },
}
SETTINGS["point/shapenetpart"] = {**PARTS, "data.classes": 16, "data.train_samples": 12137}
SETTINGS["point/partnet"] = {**PARTS, "data.category": "Chair", "data.level": 3, "data.stored_points": 10_000}
SETTINGS["image/coco"] = {
    **FINE_TUNED,
    "data.image_size": 1024,
    "data.mean": (0.485, 0.456, 0.406),
    "data.std": (0.229, 0.224, 0.225),
    "data.classes": 80,
    "model.tokenizer.patch": (16, 16),
    "detection.channels": 256,
    "detection.detections": 100,
    "optimizer.lr": 1e-4,
    "optimizer.weight_decay": 0.1,
    "optimizer.layer_decay": 0.7,
    "augment.scale_jitter": (0.1, 2.0),
    "augment.flip": 0.5,
    "train.batch_size": 64,
    "train.epochs": 100,
}
SETTINGS["image/ade20k"] = {
    **FINE_TUNED,
    "data.image_size": 512,
    "data.resize": 512,
    "data.mean": (0.485, 0.456, 0.406),
    "data.std": (0.229, 0.224, 0.225),
    "data.classes": 150,
    "model.tokenizer.patch": (16, 16),
    "optimizer.lr": 1e-4,
    "optimizer.weight_decay": 0.05,
    "optimizer.layer_decay": 0.65,
    "optimizer.lr_per_samples": None,
    "train.batch_size": 16,
    "schedule.min_lr": 0.0,
    "augment.resize_range": (0.5, 2.0),
    "augment.flip": 0.5,
    "augment.distort_colours": True,
    "segmentation.decoder": "upernet",
    "segmentation.decoder_width": 768,
    "segmentation.auxiliary_weight": 0.4,
}
PRETRAINING_SETTINGS: dict[str, dict[str, Any]] = {
    "image/imagenet": {
        "masking.ratio": 0.75,
        "masking.decoder_width": 512,
        "masking.decoder_depth": 8,
        "masking.decoder_heads": 16,
        "masking.normalise_targets": True,
        "optimizer.lr": 1.5e-4,
        "optimizer.lr_per_samples": 256,
        "optimizer.betas": (0.9, 0.95),
        "optimizer.weight_decay": 0.05,
        "train.batch_size": 4096,
        "train.epochs": 800,
        "schedule.warmup_epochs": 40.0,
        "schedule.min_lr": 0.0,
        "augment.resized_crop": (0.2, 1.0),
        "model.positions": "sincos",
    },
    "audio/audioset-2m": {
        **AUDIOSET,
        "masking.ratio": 0.8,
        "masking.decoder_width": 512,
        "masking.decoder_depth": 8,
        "masking.decoder_heads": 16,
        "optimizer.lr": 2e-4,
        "optimizer.lr_per_samples": 256,
        "optimizer.betas": (0.9, 0.95),
        "optimizer.weight_decay": 1e-4,
        "train.batch_size": 512,
        "train.epochs": 33,
        "schedule.warmup_epochs": 3.0,
        "augment.time_mask": 0,
        "augment.mixup": 0.0,
        "augment.roll": True,
    },
    "point/shapenet55": {
        "data.points": 1024,
        "data.stored_points": 8192,
        "data.classes": 55,
        "masking.ratio": 0.6,
        "masking.decoder_depth": 4,
        "masking.decoder_heads": 6,
        "model.tokenizer.groups": 64,
        "optimizer.lr": 1e-3,
        "optimizer.lr_per_samples": None,
        "optimizer.weight_decay": 0.05,
        "train.batch_size": 128,
        "train.epochs": 300,
        "schedule.warmup_epochs": 10.0,
        "augment.scale": (2 / 3, 3 / 2),
    },
    "video/k400": {
        **VIDEO,
        "masking.ratio": 0.9,
        "masking.kind": "tube",
        "masking.decoder_width": 384,
        "masking.decoder_depth": 4,
        "masking.decoder_heads": 6,
        "optimizer.lr": 1e-3,
        "optimizer.betas": (0.9, 0.95),
        "train.batch_size": 1024,
        "train.repeats": 4,
        "train.epochs": 200,
        "schedule.warmup_epochs": 20.0,
        "augment.multi_scale_crop": True,
        "augment.flip": 0.0,
    },
}
RUNS = [(name, "classification") for name in PUBLISHED_RECIPES] + [
    (name, "masked_modeling") for name in PUBLISHED_PRETRAINING
]


def test_every_published_recipe_has_its_list() -> None:
    assert PUBLISHED_RECIPES.keys() == SETTINGS.keys()
    assert PUBLISHED_PRETRAINING.keys() == PRETRAINING_SETTINGS.keys()


@pytest.mark.parametrize(("name", "objective"), RUNS)
def test_settings_are_the_published_ones(name: str, objective: str) -> None:
    recipe = recipe_named(name, objective)
    wanted = (SETTINGS if objective == "classification" else PRETRAINING_SETTINGS)[name]
    found = {}
    for dotted in wanted:
        value: Any = recipe
        for part in dotted.split("."):
            value = getattr(value, part)
        found[dotted] = value
    assert found == wanted
    assert recipe_from_text(recipe_to_text(recipe), name) == recipe


@pytest.mark.parametrize(("name", "objective"), RUNS)
def test_the_docstring_tells_command_cost_and_score(name: str, objective: str) -> None:
    known = PUBLISHED_RECIPES if objective == "classification" else PUBLISHED_PRETRAINING
    text = known[name].__doc__ or ""
    verb = "train" if objective == "classification" else "pretrain"
    assert f"crosspath {verb} {name}" in " ".join(text.split())
    for part in ("Cost:", "Score:", "Differs from the published"):
        assert part in text


WIDTH, DEPTH = 768, 12


def body(qkv_bias: bool) -> int:
    """Parameters of ViT-B's twelve blocks."""
    linear = 3 * WIDTH * WIDTH + WIDTH * WIDTH + 2 * 4 * WIDTH * WIDTH
    biases = (3 * WIDTH if qkv_bias else 0) + WIDTH + 4 * WIDTH + WIDTH
    return DEPTH * (linear + biases + 4 * WIDTH)


def tokenizer(recipe: Recipe) -> int:
    """Parameters of the convolution on patches with its bias, or of the small PointNet and its positions."""
    if recipe.modality == "point":
        first = 3 * 128 + 128 + 2 * 128 + 128 * 256 + 256
        second = 512 * 512 + 512 + 2 * 512 + 512 * WIDTH + WIDTH
        return first + second + (3 * 128 + 128 + 128 * WIDTH + WIDTH)
    channels = 1 if recipe.modality == "audio" else 3
    return channels * prod(recipe.model.tokenizer.patch) * WIDTH + WIDTH  # type: ignore[union-attr]


TOKENS = {
    "image/imagenet": 14 * 14,
    "image/imagenet-probe": 14 * 14,
    "image/coco": 64 * 64,
    "image/ade20k": 32 * 32,
    "audio/audioset-20k": 64 * 8,
    "audio/audioset-2m": 64 * 8,
    "audio/esc50": 32 * 8,
    "audio/speechcommands": 8 * 8,
    "point/modelnet40": 64,
    "point/modelnet40-fewshot": 64,
    "point/scanobjectnn-objbg": 128,
    "point/scanobjectnn-objonly": 128,
    "point/scanobjectnn-hardest": 128,
    "point/shapenet55": 64,
    "point/shapenetpart": 128,
    "point/partnet": 128,
    "video/k400": 8 * 14 * 14,
    "video/ssv2": 8 * 14 * 14,
    "video/ucf101": 8 * 14 * 14,
    "video/hmdb51": 8 * 14 * 14,
}


def test_shapenetparts_parts_and_its_models_size() -> None:
    """The published model has 99.1 million parameters."""
    recipe = recipe_named("point/shapenetpart")
    assert recipe.data.parts == tuple(tuple(numbers) for numbers in PARTS_OF_CATEGORIES.values())  # type: ignore[union-attr]
    assert plan(recipe)["tokens"] == 128
    levels = 3 * WIDTH
    propagation = (levels + 3) * 4 * WIDTH + 3 * 4 * WIDTH + 4 * WIDTH * 1024 + 3 * 1024
    head = 16 * 64 + 2 * 64 + (1024 + 2 * levels + 64) * 512 + 3 * 512 + 512 * 256 + 3 * 256 + 256 * 50 + 50
    expected = body(qkv_bias=False) + tokenizer(recipe) + 2 * WIDTH + propagation + head
    assert plan(recipe)["parameters"] == expected == 99_128_242


def test_ade20ks_length_and_its_models_size() -> None:
    planned = plan(recipe_named("image/ade20k"))
    assert abs(planned["steps"] - 160_000) < 500
    assert planned["tokens"] == 1024
    channels = 768
    norms = 2 * channels
    pyramid = 3 * (4 * WIDTH * WIDTH + WIDTH) + 2 * WIDTH
    pooled = 4 * (WIDTH * channels + norms) + 9 * (WIDTH + 4 * channels) * channels + norms
    paths = 3 * (WIDTH * channels + norms) + 3 * (9 * channels * channels + norms)
    ends = 9 * 4 * channels * channels + norms + (channels + 1) * 150
    auxiliary = 9 * WIDTH * 256 + 2 * 256 + 257 * 150
    recipe = recipe_named("image/ade20k")
    expected = body(qkv_bias=True) + tokenizer(recipe) + 1024 * WIDTH
    assert planned["parameters"] == expected + pyramid + pooled + paths + ends + auxiliary


@pytest.mark.parametrize("name", [name for name in PUBLISHED_RECIPES if RECIPES[name]().objective == "classification"])
def test_parameters_and_tokens_of_the_full_size(name: str) -> None:
    recipe = recipe_named(name)
    classes = recipe.data.classes
    assert classes is not None
    with torch.device("meta"):
        model: Any = objective_of(recipe).build(recipe, classes)
    assert model.tokenizer.num_tokens == TOKENS[name]
    expected = body(recipe.model.qkv_bias) + tokenizer(recipe) + 2 * WIDTH
    if recipe.modality == "point":
        # Two learned vectors of the class token, and the hidden layers of the head with their normalisation.
        expected += 2 * WIDTH + (2 * WIDTH * 256 + 256 + 512) + (256 * 256 + 256 + 512) + 256 * classes + classes
    elif recipe.detection is not None:
        expected += sum(parameter.numel() for parameter in model.head.parameters())
    else:
        expected += WIDTH * classes + classes
    if recipe.model.positions == "learned":
        expected += TOKENS[name] * WIDTH
    if recipe.model.pooling == "cls":
        expected += WIDTH
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    assert plan(recipe)["parameters"] == expected


@pytest.mark.parametrize("name", PUBLISHED_PRETRAINING)
def test_a_pretraining_recipe_hides_the_published_number_of_tokens(name: str) -> None:
    recipe = recipe_named(name, "masked_modeling")
    with torch.device("meta"):
        model = build_masked_autoencoder(recipe)
    assert model.tokenizer.num_tokens == TOKENS[name]
    visible = {
        "image/imagenet": 49,
        "audio/audioset-2m": 102,
        "point/shapenet55": 64 - 38,
        "video/k400": 8 * (196 - 176),
    }[name]
    assert plan(recipe)["visible_tokens"] == visible
    decoder = sum(parameter.numel() for parameter in model.decoder.parameters())
    width, depth = recipe.masking.decoder_width, recipe.masking.decoder_depth  # type: ignore[union-attr]
    values = 32 * 3 if recipe.modality == "point" else prod(recipe.model.tokenizer.patch) * model.tokenizer.channels  # type: ignore
    block = 12 * width * width + 9 * width + 4 * width
    centres = 3 * 128 + 128 + 128 * width + width if recipe.modality == "point" else 0
    expected = depth * block + (WIDTH * width + width) + width + 2 * width + (width * values + values) + centres
    assert decoder == expected


def test_published_pretraining_starts_the_published_fine_tuning(tmp_path: Path) -> None:
    small = ["model.size=micro", "data.image_size=32"]
    before = apply_overrides(
        recipe_named("image/imagenet", "masked_modeling"),
        [*small, "masking.decoder_width=32", "masking.decoder_depth=1", "masking.decoder_heads=2"],
    )
    start = build_masked_autoencoder(before)
    save_checkpoint(start, tmp_path / "start", recipe=before, classes=())
    model = build_model(apply_overrides(recipe_named("image/imagenet"), small), 5)
    notes = load_weights_from(model, tmp_path / "start")
    assert torch.equal(model.encoder.blocks[3].attn.qkv.weight, start.encoder.blocks[3].attn.qkv.weight)
    # Learned positions begin where the fixed ones were; the class token that is averaged away here stays behind.
    assert torch.equal(model.tokenizer.positions, fixed_positions((2, 2), 128))
    assert any("encoder.cls_token" in note for note in notes)
