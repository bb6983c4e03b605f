"""Published names and shapes at their published sizes, planned on the meta device."""

import pytest
import torch

from crosspath.checkpoints.foreign.formats import translate
from crosspath.checkpoints.foreign.translation import Foreign, Translation, unwrap
from crosspath.config import Recipe, apply_overrides
from crosspath.models.build import build_model
from tests.checkpoints.foreign import published
from tests.errors import refused


def planned(shapes: dict[str, tuple[int, ...]], *settings: str) -> tuple[Foreign, Translation]:
    foreign = unwrap("FILE", published.filled(shapes, device="meta"))

    def override(recipe: Recipe) -> Recipe:
        return apply_overrides(recipe, settings)

    translation = translate(foreign, override)
    assert translation is not None
    return foreign, translation


@pytest.mark.parametrize(
    ("shapes", "named", "recipe"),
    [
        (published.zoo(), "timm ViT", "image/imagenet"),
        (published.mae(), "MAE", "image/imagenet"),
        (published.audio_mae(), "AudioMAE", "audio/audioset-20k"),
        (published.ast(), "AST", "audio/audioset-20k"),
        (published.video_mae(), "VideoMAE", "video/k400"),
        (published.video_mae_pretraining(), "VideoMAE pretraining", "video/k400"),
        (published.point_mae(), "Point-MAE", "point/modelnet40"),
        (published.point_mae(768), "Point-MAE", "point/modelnet40"),
        (published.point_classifier(), "Point-MAE", "point/modelnet40"),
        (published.point_bert(), "Point-BERT", "point/modelnet40"),
        (published.swapped(published.zoo()), "timm ViT trained with M2PT", "image/imagenet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_published_tensor_is_used_or_dropped_and_the_rest_starts_afresh(
    shapes: dict[str, tuple[int, ...]], named: str, recipe: str
) -> None:
    foreign, translation = planned(shapes)
    assert foreign.format == named
    assert translation.recipe.name == recipe
    assert {*foreign.destinations, *foreign.leftovers} == set(shapes)
    assert not {*foreign.destinations} & {*foreign.leftovers}
    with torch.device("meta"):
        own = build_model(translation.recipe, 10).state_dict()
    plain = {name: t for name, t in translation.tensors.items() if not name.endswith(("_scale", "aux_weight"))}
    assert {name: own[name].shape for name in plain} == {name: tensor.shape for name, tensor in plain.items()}
    assert all(name.startswith(translation.fresh) for name in own if name not in plain)


def test_zoo_and_video_have_the_published_number_of_tensors() -> None:
    assert len(published.zoo()) == 152
    assert sum(torch.Size(shape).numel() for shape in published.zoo().values()) == 86_567_656
    assert len(published.video_mae()) == 162


@pytest.mark.parametrize(
    "wrapped",
    [
        {"model": ""},
        {"module": ""},
        {"state_dict": ""},
        {"base_model": "module."},
        {"model": "_orig_mod."},
        {"model": "backbone."},
        {"model": "module.encoder."},
    ],
    ids=str,
)
def test_wrappers_and_prefixes_come_off(wrapped: dict[str, str]) -> None:
    ((key, prefix),) = wrapped.items()
    shapes = {f"{key}.{prefix}{name}": shape for name, shape in published.zoo(192).items()}
    foreign, _ = planned(shapes | {"optimizer.state.0.exp_avg": (3,)} if key != "" else shapes)
    assert foreign.format == "timm ViT"
    assert foreign.leftovers["optimizer.state.0.exp_avg"] == "beside the model"
    assert foreign.destinations[f"{key}.{prefix}norm.weight"] == "encoder.norm.weight"


def test_a_norm_beside_an_encoders_own_is_no_second_model() -> None:
    """As fairseq's HuBERT and BEATs have one before the encoder and one after it: both are there, under two names."""
    plain = ("layer_norm.weight", "encoder.layer_norm.weight", "encoder.layers.0.fc1.weight")
    foreign = unwrap("FILE", published.filled(dict.fromkeys(plain, (2, 2))))
    assert foreign.full_names == {
        "layer_norm.weight": plain[0],
        "encoder.layer_norm.weight": plain[1],
        "layers.0.fc1.weight": plain[2],
    }


def test_two_models_whose_names_become_the_same_are_refused_and_chosen_by_key() -> None:
    shapes = published.zoo(192)
    for first, second in (("", "vit."), ("backbone.", "encoder."), ("", "module.")):
        both = {f"{prefix}{name}": shape for prefix in (first, second) for name, shape in shapes.items()}
        with refused("FILE", f"--key {second[:-1]}"):
            planned(both)


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "module.", "module._orig_mod."])
def test_a_wrapper_around_some_blocks_alone_comes_off(wrapper: str) -> None:
    shapes = published.zoo(192)
    foreign, _ = planned({f"{wrapper if 'blocks.11.' in name else ''}{name}": shape for name, shape in shapes.items()})
    assert foreign.format == "timm ViT"
    assert foreign.leftovers == planned(shapes)[0].leftovers
    assert foreign.destinations[f"{wrapper}blocks.11.norm1.weight"] == "encoder.blocks.11.norm1.weight"


def test_positions_follow_the_settings() -> None:
    foreign, translation = planned(published.mae(192), "data.image_size=384")
    assert translation.tensors["tokenizer.positions"].shape == (1, 576, 192)
    assert foreign.notes == ["positions resized from 14 x 14 to 24 x 24 (bicubic)"]
    shapes = published.video_mae(192) | {"pos_embed": (1, 1568, 192)}
    foreign, translation = planned(shapes, "data.frames=32")
    assert translation.tensors["tokenizer.positions"].shape == (1, 3136, 192)
    assert "linear over frames" in foreign.notes[0]


def test_unknown_tensors_are_an_error_that_names_them() -> None:
    shapes = published.zoo(192) | {"blocks.0.ls1.gamma": (192,)}
    with refused("FILE", "blocks.0.ls1.gamma"):
        planned(shapes)


def test_missing_tensors_and_blocks_are_errors() -> None:
    shapes = published.zoo(192)
    del shapes["blocks.3.attn.proj.bias"]
    _, translation = planned(shapes)
    with torch.device("meta"):
        own = build_model(translation.recipe, 10).state_dict()
    assert "encoder.blocks.3.attn.proj.bias" in own
    assert "encoder.blocks.3.attn.proj.bias" not in translation.tensors
    shapes = published.zoo(192)
    del shapes["blocks.3.norm1.bias"]
    with refused("FILE", "blocks.3.norm1.bias"):
        planned(shapes)
    gap = {name: shape for name, shape in published.zoo(192).items() if not name.startswith("blocks.3.")}
    with refused("FILE", "blocks"):
        planned(gap)


def test_another_width_is_named_with_those_that_are_known() -> None:
    with refused("FILE", "192", "12"):
        planned(published.zoo(100))


def test_an_unknown_format_is_none() -> None:
    assert translate(unwrap("FILE", published.filled({"fc.weight": (2, 2)})), lambda recipe: recipe) is None
