"""Recipes to models: shapes, parameter counts by formula, options that reach their part."""

import pytest
import timm
import torch
from torch import nn

from crosspath.config import Recipe, apply_overrides
from crosspath.config.augment import AudioAugment, ImageAugment, PointAugment, VideoAugment
from crosspath.config.data import AudioData, ImageData, PointData, VideoData
from crosspath.config.model import AudioPatches, ImagePatches, ModelSection, PointGroups, VideoTubelets
from crosspath.models import SIZES, ModalityModel, build_model
from crosspath.objectives import objective_of
from crosspath.recipes import recipe_named
from crosspath.tokenizers import PointTokenizer
from tests.errors import refused


def recipe_for(modality: str, **model: object) -> Recipe:
    data, tokenizer, augment = {
        "image": (ImageData(image_size=8), ImagePatches(patch=(4, 4)), ImageAugment()),
        "audio": (AudioData(frames=16, mels=8), AudioPatches(patch=(4, 4)), AudioAugment()),
        "point": (PointData(points=64), PointGroups(groups=8, group_size=6), PointAugment()),
        "video": (VideoData(frames=4, image_size=8), VideoTubelets(patch=(2, 4, 4)), VideoAugment()),
    }[modality]
    section = {"tokenizer": tokenizer, "positions": "centres" if modality == "point" else "sincos", **model}
    return Recipe(
        name=f"{modality}/test",
        modality=modality,  # type: ignore[arg-type]
        data=data,
        model=ModelSection(**section),  # type: ignore[arg-type]
        augment=augment,
    )


def image_recipe(**model: object) -> Recipe:
    recipe = recipe_for("image", tokenizer=ImagePatches(patch=(16, 16)), **model)
    return recipe.model_copy(update={"data": ImageData(image_size=224)})


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def built_on_meta(recipe: Recipe, classes: int) -> ModalityModel:
    with torch.device("meta"):
        model = build_model(recipe, classes)
    assert all(parameter.is_meta for parameter in model.parameters())
    return model


def body_parameters(width: int, depth: int) -> int:
    """Two norms, fused qkv, projection and a four-fold MLP, each with biases."""
    block = 4 * width + (3 * width * width + 3 * width) + (width * width + width) + (8 * width * width + 5 * width)
    return depth * block


def test_base_has_timms_parameters_but_the_class_tokens_position_row() -> None:
    model = built_on_meta(image_recipe(size="base", pooling="cls", positions="learned"), 1000)
    with torch.device("meta"):
        vit = timm.create_model("vit_base_patch16_224")
    assert count(vit) == 86_567_656
    # timm's position table has a row for the class token; here token and position are one vector.
    assert count(model) == count(vit) - 768 == 86_566_888


def test_parameters_by_formula_for_every_size() -> None:
    for name, size in SIZES.items():
        width, patches = size.width, 196
        body = body_parameters(width, size.depth)
        patch = 3 * 16 * 16 * width + width
        head_and_norm = (width * 1000 + 1000) + 2 * width
        assert count(built_on_meta(image_recipe(size=name), 1000)) == patch + body + head_and_norm
        learned = image_recipe(size=name, pooling="cls", positions="learned")
        assert count(built_on_meta(learned, 1000)) == patch + body + head_and_norm + (patches + 1) * width


def test_the_published_point_body() -> None:
    model = built_on_meta(
        recipe_for(
            "point",
            size="small",
            pooling="cls+max",
            position_every_block=True,
            qkv_bias=False,
            norm_eps=1e-5,
            drop_path=0.1,
            head_hidden=(256, 256),
            head_dropout=0.5,
        ),
        40,
    )
    state = model.state_dict()
    assert {name for name in state if "cls" in name} == {"encoder.cls_token", "encoder.cls_pos"}
    assert not any(name.endswith("qkv.bias") for name in state)
    assert state["head.hidden.0.weight"].shape == (256, 768)
    assert state["head.linear.weight"].shape == (40, 256)
    norms = [m for m in model.modules() if isinstance(m, nn.LayerNorm)]
    assert len(norms) == 25
    assert {norm.eps for norm in norms} == {1e-5}
    # Point-MAE's classifier, counted part by part: tokenizer, positions, tokens, body without qkv bias, norm, head.
    tokenizer = (3 * 128 + 128) + 256 + (128 * 256 + 256) + (512 * 512 + 512) + 1024 + (512 * 384 + 384)
    positions = (3 * 128 + 128) + (128 * 384 + 384)
    body = body_parameters(384, 12) - 12 * 3 * 384
    head = (768 * 256 + 256 + 512) + (256 * 256 + 256 + 512) + (256 * 40 + 40)
    assert count(model) == tokenizer + positions + 2 * 384 + body + 2 * 384 + head


def test_mean_pooling_normalises_in_the_head_and_class_pooling_in_the_encoder() -> None:
    mean = set(build_model(recipe_for("image"), 3).state_dict())
    assert "head.norm.weight" in mean
    assert not any(name.startswith(("encoder.norm.", "encoder.cls")) for name in mean)
    for pooling in ("cls", "cls+max"):
        state = set(build_model(recipe_for("image", pooling=pooling), 3).state_dict())
        assert {"encoder.norm.weight", "encoder.cls_token"} <= state
        assert not any(name.startswith("head.norm.") for name in state)


def test_options_reach_their_part() -> None:
    recipe = recipe_for("audio", drop_path=0.3, head_dropout=0.4, head_init_std=0.0, gradient_checkpointing=True)
    model = build_model(recipe, 3)
    assert model.encoder.gradient_checkpointing
    assert model.encoder.blocks[-1].drop_path == 0.3
    assert model.head.hidden.p == 0.4
    assert not model.head.linear.weight.any()
    assert isinstance(build_model(recipe_for("audio", positions="learned"), 3).tokenizer.positions, nn.Parameter)
    assert isinstance(build_model(recipe_for("point"), 3).tokenizer, PointTokenizer)


def test_the_same_random_state_builds_the_same_model() -> None:
    for modality in ("image", "audio", "point", "video"):
        states = []
        for _ in range(2):
            torch.manual_seed(7)
            states.append(build_model(recipe_for(modality), 3).state_dict())
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize(
    ("name", "objective", "settings"),
    [
        ("audio/sounds", "masked_modeling", ("model.tokenizer.stem=convolutions",)),
        ("audio/sounds", None, ("objective=segmentation", "segmentation.decoder=linear")),
        ("audio/sounds", None, ("objective=detection", "detection.detector=retinanet")),
        ("image/digits", None, ("objective=part_segmentation",)),
    ],
)
def test_tokens_that_an_objective_cannot_use_are_refused_and_the_advice_works(
    name: str, objective: str | None, settings: tuple[str, ...]
) -> None:
    base = recipe_named(name, *([objective] if objective else []))
    with torch.device("meta"):
        with refused("objective", "tokenized by", "model.tokenizer" if objective else "another recipe"):
            recipe = apply_overrides(base, settings)
            objective_of(recipe).build(recipe, 3)
        objective_of(base).build(base, 3)
