"""Converted files compute what independent implementations compute with the same random weights."""

import json
import pickle
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

import crosspath
from crosspath.checkpoints import auxiliary_source, load_checkpoint, load_weights_from
from crosspath.checkpoints.foreign import convert_checkpoint, inspect_checkpoint
from crosspath.config import apply_overrides
from crosspath.files import read_json
from crosspath.models import ModalityModel
from crosspath.models.build import build_model
from crosspath.pathway import merge, pathways
from crosspath.recipes import recipe_named
from crosspath.tokenizers import fixed_positions
from tests.checkpoints.foreign import published, reference
from tests.errors import refused

CLOSE = 1e-5
"""What the issue of exactness is held to; features are of order one."""


def micro_vit(**options: Any) -> VisionTransformer:
    """timm's ViT at this library's smallest size: 16 patches of 8 x 8."""
    torch.manual_seed(0)
    norm_layer = partial(nn.LayerNorm, eps=options.pop("eps", 1e-6))
    size = {"img_size": 32, "patch_size": 8, "embed_dim": 128, "depth": 6, "num_heads": 4, "num_classes": 5}
    return VisionTransformer(**size, norm_layer=norm_layer, **options).eval()  # type: ignore[arg-type]


def converted(state: dict[str, Tensor], folder: Path, *settings: str, wrapper: str | None = "model") -> ModalityModel:
    """Saved as a training script does, converted, and loaded back."""
    file = folder / "foreign.pth"
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, file)
    convert_checkpoint(file, folder / "out", settings=settings)
    model = load_checkpoint(folder / "out").model
    assert isinstance(model, ModalityModel)
    return model


def features(model: ModalityModel, batch: Tensor) -> Tensor:
    with torch.no_grad():
        return model.features(batch)


def distance(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def test_timm_vit_has_the_features_of_timm(tmp_path: Path) -> None:
    theirs = micro_vit()
    images = torch.randn(2, 3, 32, 32)
    ours = converted(theirs.state_dict(), tmp_path)
    with torch.no_grad():
        assert distance(features(ours, images), theirs.forward_features(images)) < CLOSE


def test_a_fine_tuned_mae_pools_over_its_patches(tmp_path: Path) -> None:
    """As published fine-tuning leaves it: a class token, no last norm, and one after the mean over patches."""
    theirs = micro_vit(global_pool="avg", class_token=True)
    nn.init.normal_(theirs.fc_norm.weight)
    assert "norm.weight" not in theirs.state_dict()
    ours = converted(theirs.state_dict(), tmp_path)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        raw = theirs.forward_features(images)
        assert distance(features(ours, images), raw) < CLOSE
        pooled = ours.head.norm(ours.head.pool(features(ours, images), ours.encoder.has_cls))
        assert distance(pooled, theirs.forward_head(raw, pre_logits=True)) < CLOSE
    receipt = read_json(tmp_path / "out" / "conversion.json")
    assert receipt["used"]["model.fc_norm.weight"] == "head.norm.weight"
    assert receipt["fresh"] == ["head.linear"]


def test_mae_with_its_decoder_has_the_features_of_timm(tmp_path: Path) -> None:
    theirs = micro_vit()
    state = {name: tensor for name, tensor in theirs.state_dict().items() if not name.startswith("head")}
    decoder = {name: torch.zeros(shape) for name, shape in published.mae(128, 6).items() if name.startswith("decoder")}
    ours = converted(state | decoder | {"mask_token": torch.zeros(1, 1, 512)}, tmp_path)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert distance(features(ours, images), theirs.forward_features(images)) < CLOSE
    receipt = read_json(tmp_path / "out" / "conversion.json")
    assert receipt["format"] == "MAE"
    assert receipt["dropped"]["model.decoder_pred.bias"] == "decoder of pretraining"


def test_a_resized_image_has_the_features_of_timm_resized(tmp_path: Path) -> None:
    theirs = micro_vit()
    ours = converted(theirs.state_dict(), tmp_path, "data.image_size=48")
    grid = theirs.pos_embed.detach()[:, 1:].reshape(1, 4, 4, -1).permute(0, 3, 1, 2)  # type: ignore[union-attr]
    resized = nn.functional.interpolate(grid, size=(6, 6), mode="bicubic", align_corners=False)
    theirs.set_input_size(img_size=(48, 48))
    with torch.no_grad():
        theirs.pos_embed[:, 1:] = resized.flatten(2).transpose(1, 2)  # type: ignore[index]
        images = torch.randn(2, 3, 48, 48)
        assert distance(features(ours, images), theirs.forward_features(images)) < CLOSE


def test_audio_mae_has_the_features_of_its_description_and_keeps_its_positions(tmp_path: Path) -> None:
    state = published.filled(published.audio_mae(128, 6))
    ours = converted(state, tmp_path)
    assert torch.equal(ours.tokenizer.positions, state["pos_embed"][:, 1:])
    mels = torch.randn(2, 1024, 128)
    assert distance(features(ours, mels), reference.audio_mae(mels, state, heads=4)) < CLOSE


def test_point_mae_has_the_features_of_its_description(tmp_path: Path) -> None:
    state = published.filled(published.point_classifier(128, 6))
    state |= {name: tensor.abs() + 0.5 for name, tensor in state.items() if name.endswith("running_var")}
    state |= {name: torch.tensor(7) for name in state if name.endswith("num_batches_tracked")}
    file = tmp_path / "ckpt-best.pth"
    torch.save({"base_model": {f"module.{name}": tensor for name, tensor in state.items()}, "epoch": 1}, file)
    convert_checkpoint(file, tmp_path / "out", settings=["model.heads=4", "data.points=256"])
    ours = load_checkpoint(tmp_path / "out").model
    assert isinstance(ours, ModalityModel)
    clouds = torch.randn(2, 256, 3)
    groups, centres = ours.tokenizer.group(clouds)  # type: ignore[operator]
    assert distance(features(ours, clouds), reference.point_mae(groups, centres, state, heads=4)) < CLOSE


def test_video_mae_has_the_features_of_its_description(tmp_path: Path) -> None:
    state = published.filled(published.video_mae(128, 6))
    file = tmp_path / "checkpoint-best.pth"
    torch.save({"module": state}, file)
    # A smaller clip: its fixed positions follow from the sizes.
    convert_checkpoint(file, tmp_path / "out", settings=["data.frames=4", "data.image_size=32"])
    ours = load_checkpoint(tmp_path / "out").model
    assert isinstance(ours, ModalityModel)
    clips = torch.randn(2, 3, 4, 32, 32)
    places = fixed_positions((2, 2, 2), 128)
    assert distance(features(ours, clips), reference.video_mae(clips, state, 4, places)) < CLOSE
    assert torch.equal(ours.head.norm.weight, state["fc_norm.weight"])


def test_video_mae_pretraining_becomes_a_start(tmp_path: Path) -> None:
    state = published.filled(published.video_mae_pretraining(128, 6))
    ours = converted(state, tmp_path, "data.frames=4", "data.image_size=32")
    body = {name.removeprefix("encoder."): tensor for name, tensor in state.items() if name.startswith("encoder.")}
    clips = torch.randn(1, 3, 4, 32, 32)
    expected = reference.video_mae(clips, body, 4, fixed_positions((2, 2, 2), 128))
    assert distance(features(ours, clips), expected) < CLOSE


SMALL = {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 512}


@pytest.mark.parametrize("kind", ["vit", "vit_mae"])
def test_a_transformers_image_folder_has_its_features(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    if kind == "vit":
        config = transformers.ViTConfig(image_size=32, patch_size=8, **SMALL)
        theirs = transformers.ViTForImageClassification(config).eval()
        body = theirs.vit
    else:
        config = transformers.ViTMAEConfig(image_size=32, patch_size=8, mask_ratio=0.0, **SMALL)
        theirs = transformers.ViTMAEForPreTraining(config).eval()
        body = theirs.vit
    theirs.save_pretrained(tmp_path / "theirs")
    report = inspect_checkpoint(tmp_path / "theirs")
    assert {*report["used"], *report["dropped"]} == {*report["tensors"]}
    convert_checkpoint(tmp_path / "theirs", tmp_path / "out")
    ours = load_checkpoint(tmp_path / "out").model
    assert isinstance(ours, ModalityModel)
    images = torch.randn(2, 3, 32, 32)
    noise = {"noise": torch.arange(16.0).expand(2, -1)} if kind == "vit_mae" else {}
    with torch.no_grad():
        expected = body(pixel_values=images, **noise).last_hidden_state
    assert distance(features(ours, images), expected) < CLOSE


def test_a_transformers_video_folder_has_its_features(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(image_size=32, patch_size=16, num_frames=4, num_labels=3, **SMALL)
    theirs = transformers.VideoMAEForVideoClassification(config).eval()
    for name, parameter in theirs.named_parameters():
        if name.endswith(("q_bias", "v_bias")):  # zero at the start
            nn.init.normal_(parameter)
    theirs.save_pretrained(tmp_path / "theirs")
    convert_checkpoint(tmp_path / "theirs", tmp_path / "out")
    ours = load_checkpoint(tmp_path / "out").model
    assert isinstance(ours, ModalityModel)
    clips = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        expected = theirs.videomae(clips.transpose(1, 2)).last_hidden_state
    assert distance(features(ours, clips), expected) < CLOSE


def test_a_transformers_ast_folder_has_its_encoder_and_its_kernel(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    strides = {"time_stride": 16, "frequency_stride": 16}
    config = transformers.ASTConfig(max_length=64, num_mel_bins=32, patch_size=16, **strides, **SMALL)
    theirs = transformers.ASTForAudioClassification(config).eval()
    for parameter in (theirs.audio_spectrogram_transformer.embeddings.position_embeddings,):
        nn.init.normal_(parameter)
    theirs.save_pretrained(tmp_path / "theirs")
    convert_checkpoint(tmp_path / "theirs", tmp_path / "out")
    ours = load_checkpoint(tmp_path / "out").model
    assert isinstance(ours, ModalityModel)
    body = theirs.audio_spectrogram_transformer
    mels = torch.randn(2, 64, 32)
    with torch.no_grad():
        embedded = body.embeddings(mels)
        expected = body(mels).last_hidden_state
        x_BND = embedded
        for block in ours.encoder.blocks:
            x_BND = block(x_BND)
        assert distance(ours.encoder.norm(x_BND), expected) < CLOSE
        # Their tokens run over mel bins first: (2 mels, 4 frames) there, (4 frames, 2 mels) here.
        tokens, positions, _ = ours.tokenizer(mels)
        turned = embedded[:, 2:].reshape(2, 2, 4, -1).transpose(1, 2).flatten(1, 2)
        assert distance(tokens + positions, turned) < CLOSE


def test_a_timm_folder_brings_its_normalisation(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    save_file(micro_vit().state_dict(), tmp_path / "theirs" / "model.safetensors")
    describe_micro_vit(tmp_path / "theirs")
    convert_checkpoint(tmp_path / "theirs", tmp_path / "out")
    assert load_checkpoint(tmp_path / "out").recipe.data.mean == (0.5, 0.5, 0.5)  # type: ignore[union-attr]


def describe_micro_vit(folder: Path, architecture: str = "vit_tiny_patch16_224", **arguments: Any) -> None:
    """The `config.json` that timm writes beside `micro_vit`."""
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 128, "depth": 6, "num_heads": 4}
    statistics = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    config = {"architecture": architecture, "model_args": sizes | arguments, "pretrained_cfg": statistics}
    (folder / "config.json").write_text(json.dumps(config))


POOLS: dict[str, dict[str, Any]] = {
    "mean over patches": {"global_pool": "avg", "fc_norm": False},
    "mean of a model without a class token": {"global_pool": "avg", "fc_norm": False, "class_token": False},
    "class token, then a norm": {"fc_norm": True},
    "mean, then a norm": {"global_pool": "avg"},
}


@pytest.mark.parametrize("arguments", POOLS.values(), ids=POOLS)
def test_a_timm_folder_is_pooled_as_timm_pools_it(arguments: dict[str, Any], tmp_path: Path) -> None:
    theirs = micro_vit(**arguments)
    for norm in (theirs.norm, theirs.fc_norm):
        for parameter in norm.parameters():
            nn.init.normal_(parameter)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    describe_micro_vit(tmp_path, **arguments)
    assert convert_checkpoint(tmp_path, tmp_path / "out")["fresh"] == ["head.linear"]
    ours = load_checkpoint(tmp_path / "out").model
    assert isinstance(ours, ModalityModel)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        pooled = ours.head.norm(ours.head.pool(features(ours, images), ours.encoder.has_cls))
        assert distance(pooled, theirs.forward_head(theirs.forward_features(images), pre_logits=True)) < CLOSE


def test_a_mean_without_a_norm_of_its_own_keeps_the_last_norm(tmp_path: Path) -> None:
    """Nothing beside the file says how it pools; without a class token it is the mean."""
    theirs = micro_vit(global_pool="avg", fc_norm=False, class_token=False)
    nn.init.normal_(theirs.norm.weight)
    ours = converted(theirs.state_dict(), tmp_path)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert distance(features(ours, images), theirs.forward_features(images)) < CLOSE


def test_a_timm_folder_that_contradicts_its_norm_is_refused(tmp_path: Path) -> None:
    save_file(micro_vit().state_dict(), tmp_path / "model.safetensors")
    describe_micro_vit(tmp_path, global_pool="avg")
    with refused("model.safetensors", "norm.weight"):
        convert_checkpoint(tmp_path, tmp_path / "out")
    # Nor is it a start, which the command that `inspect` names would be.
    assert inspect_checkpoint(tmp_path)["problem"]
    with refused("model.safetensors", "fc_norm.weight", "config.json"):
        crosspath.train("image/digits", start_from=tmp_path, out=tmp_path / "run", progress=False)


def test_what_no_tensor_shows_is_kept_or_refused(tmp_path: Path) -> None:
    save_file(micro_vit().state_dict(), tmp_path / "model.safetensors")
    describe_micro_vit(tmp_path, act_layer="gelu_tanh")
    convert_checkpoint(tmp_path, tmp_path / "tanh")
    assert load_checkpoint(tmp_path / "tanh").recipe.model.activation == "gelu_tanh"
    describe_micro_vit(tmp_path, "vit_base_patch16_rpn_224", class_token=True)
    with refused("config.json", "vit_base_patch16_rpn_224: ResPostBlock"):
        convert_checkpoint(tmp_path, tmp_path / "refused")
    assert "ResPostBlock" in inspect_checkpoint(tmp_path)["problem"]
    # A guest in the folder, and weights that no model is built of, are none of the config's.
    save_file(micro_vit().state_dict(), tmp_path / "guest.safetensors")
    convert_checkpoint(tmp_path / "guest.safetensors", tmp_path / "guest")
    convert_checkpoint(tmp_path, tmp_path / "bare", bare=True)


def test_what_a_preprocessor_states_is_kept_or_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(image_size=32, patch_size=8, hidden_act="gelu_new", **SMALL)
    transformers.ViTModel(config).save_pretrained(tmp_path)
    convert_checkpoint(tmp_path, tmp_path / "halves")
    recipe = load_checkpoint(tmp_path / "halves").recipe
    assert recipe.model.activation == "gelu_tanh"
    assert recipe.data.mean == (0.5, 0.5, 0.5)  # type: ignore[union-attr]
    beside = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(beside))
    convert_checkpoint(tmp_path, tmp_path / "stated")
    assert load_checkpoint(tmp_path / "stated").recipe.data.mean == (0.1, 0.2, 0.3)  # type: ignore[union-attr]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(beside | {"do_rescale": False}))
    with refused("preprocessor_config.json", "do_rescale"):
        convert_checkpoint(tmp_path, tmp_path / "refused")


BESIDE: dict[str, dict[str, Any]] = {
    "config.json": {"num_attention_heads": 2.5, "layer_norm_eps": float("inf")},
    "preprocessor_config.json": {"image_std": [0.0, 0.5, 0.5], "image_mean": ["a", "a", "a"]},
}


def test_settings_beside_a_file_that_no_model_can_have_are_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(image_size=32, patch_size=8, **SMALL)
    transformers.ViTModel(config).save_pretrained(tmp_path)
    plain = (tmp_path / "config.json").read_text(encoding="utf-8")
    for name, entries in BESIDE.items():
        for entry, value in entries.items():
            stated = json.loads(plain) if name == "config.json" else {}
            (tmp_path / name).write_text(
                json.dumps(stated | {entry: value}).replace("Infinity", "1e400"), encoding="utf-8"
            )
            with refused(name, entry):
                convert_checkpoint(tmp_path, tmp_path / "out")
        (tmp_path / "config.json").write_text(plain, encoding="utf-8")


def trained_with_m2pt() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A state dict with swapped layers, and the plain one that it computes with."""
    plain = micro_vit().state_dict()
    generator = torch.Generator().manual_seed(1)
    state, sums = dict(plain), dict(plain)
    for name, tensor in plain.items():
        if name.startswith("blocks.") and name.endswith(("qkv.weight", "proj.weight", "fc1.weight", "fc2.weight")):
            layer = name.removesuffix(".weight")
            auxiliary = torch.randn(tensor.shape, generator=generator) * 0.05
            scale = torch.randn(1, generator=generator)
            state |= {f"{layer}.cross_modal_scale": scale, f"{layer}.aux_weight": auxiliary}
            sums[name] = tensor + scale * auxiliary
    return state, sums


@pytest.mark.parametrize("folded", [False, True])
def test_a_checkpoint_trained_with_m2pt_keeps_its_pathway_or_merges_it(folded: bool, tmp_path: Path) -> None:
    state, sums = trained_with_m2pt()
    file = tmp_path / "checkpoint-99.pth"
    torch.save({"model": state}, file)
    receipt = convert_checkpoint(file, tmp_path / "out", merge=folded)
    assert receipt["pathways"] == ("merged" if folded else "kept")
    checkpoint = load_checkpoint(tmp_path / "out")
    assert checkpoint.connected is not folded
    if not folded:
        assert pathways(checkpoint.model).origins["auxiliary"].description == "checkpoint-99.pth"
    theirs = micro_vit()
    theirs.load_state_dict(sums)
    images = torch.randn(2, 3, 32, 32)
    assert isinstance(checkpoint.model, ModalityModel)
    with torch.no_grad():
        assert distance(features(checkpoint.model, images), theirs.forward_features(images)) < CLOSE
    if not folded:
        merge(checkpoint.model)
        with torch.no_grad():
            assert distance(features(checkpoint.model, images), theirs.forward_features(images)) < CLOSE


def test_merge_without_pathways_is_refused(tmp_path: Path) -> None:
    torch.save(micro_vit().state_dict(), tmp_path / "a.pth")
    with refused("--merge"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "out", merge=True)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_a_converted_file_starts_a_target_and_serves_as_an_auxiliary(tmp_path: Path) -> None:
    converted(micro_vit().state_dict(), tmp_path)
    source = auxiliary_source(tmp_path / "out")
    assert source.recipe == "image/imagenet"
    small = ("model.size=micro", "data.image_size=32", "model.tokenizer.patch=[8, 8]")
    target = build_model(apply_overrides(recipe_named("image/imagenet"), small), 7)
    notes = load_weights_from(target, tmp_path / "out")
    assert any("encoder.norm, encoder.cls_token" in note for note in notes)
    state = micro_vit().state_dict()
    assert torch.equal(target.encoder.blocks[3].attn.qkv.weight, state["blocks.3.attn.qkv.weight"])  # type: ignore[union-attr]


def test_weights_of_a_known_layout_become_an_auxiliary(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(vocab_size=30, **SMALL)
    theirs = transformers.BertModel(config)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    receipt = convert_checkpoint(tmp_path / "pytorch_model.bin", tmp_path / "out")
    assert receipt["recipe"] is None
    weights = auxiliary_source(tmp_path / "out").weights
    assert isinstance(weights, dict)
    assert torch.equal(weights["pooler.dense.weight"], theirs.state_dict()["pooler.dense.weight"])


@pytest.mark.parametrize("part", ["attn.qkv.weight_scale", "attn.qkv.lora_A.weight"])
@pytest.mark.parametrize("bare", [False, True])
def test_what_no_auxiliary_can_be_is_refused_at_once(part: str, bare: bool, tmp_path: Path) -> None:
    state = micro_vit().state_dict() | {f"blocks.0.{part}": torch.ones(1)}
    save_file(state, tmp_path / "model.safetensors")
    with refused("model.safetensors", f"blocks.0.{part}") as raised:
        convert_checkpoint(tmp_path, tmp_path / "out", bare=bare)
    assert "--bare" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_two_models_in_one_file_are_noted_with_how_to_choose_one(tmp_path: Path) -> None:
    state = micro_vit().state_dict()
    both = {
        f"{model}.backbone.{name}": tensor.clone() for model in ("student", "teacher") for name, tensor in state.items()
    }
    save_file(both, tmp_path / "model.safetensors")
    note = convert_checkpoint(tmp_path, tmp_path / "both")["notes"][-1]
    assert "student.backbone.blocks" in note
    assert "--key" in note
    assert convert_checkpoint(tmp_path, tmp_path / "one", key="teacher")["format"] == "timm ViT"


def test_another_entry_is_named_by_its_key(tmp_path: Path) -> None:
    first, second = micro_vit().state_dict(), {name: t + 1 for name, t in micro_vit().state_dict().items()}
    torch.save({"model": first, "model_ema": second}, tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "out", key="model_ema")
    own = load_checkpoint(tmp_path / "out").model.state_dict()
    assert torch.equal(own["encoder.norm.weight"], second["norm.weight"])
    with refused("--key ema", "model_ema"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "other", key="ema")


def test_a_namespace_is_refused_and_read_in_a_process_of_its_own_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint-99.pth"
    torch.save({"model": micro_vit().state_dict(), "args": Namespace(lr=0.1)}, file)
    with refused("checkpoint-99.pth", "argparse.Namespace", "--unsafe-pickle"):
        convert_checkpoint(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert convert_checkpoint(file, tmp_path / "out", unsafe=True)["format"] == "timm ViT"


def test_a_pickled_module_is_read_in_a_process_of_its_own_when_asked(tmp_path: Path) -> None:
    model = timm.create_model("vit_tiny_patch16_224", num_classes=2)
    torch.save(model, tmp_path / "module.pth")
    assert convert_checkpoint(tmp_path / "module.pth", tmp_path / "out", unsafe=True)["format"] == "timm ViT"


def test_a_bare_pickle_is_read_in_a_process_of_its_own_when_asked(tmp_path: Path) -> None:
    """Python's `pickle.dump` of tensors: each holds bytes that torch would unpickle."""
    state = micro_vit().state_dict()
    with (tmp_path / "a.pkl").open("wb") as file:
        pickle.dump({"model": state}, file)
    with refused("a.pkl", "pickle"):
        convert_checkpoint(tmp_path / "a.pkl", tmp_path / "out")
    convert_checkpoint(tmp_path / "a.pkl", tmp_path / "out", unsafe=True)
    own = load_checkpoint(tmp_path / "out").model.state_dict()
    assert torch.equal(own["encoder.norm.weight"], state["norm.weight"])


def test_this_librarys_own_checkpoint_is_refused(tmp_path: Path) -> None:
    converted(micro_vit().state_dict(), tmp_path)
    with refused("out", "checkpoint"):
        convert_checkpoint(tmp_path / "out", tmp_path / "again")
    with refused("model.safetensors"):
        convert_checkpoint(tmp_path / "out" / "model.safetensors", tmp_path / "again")


def test_a_missing_tensor_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    state = micro_vit().state_dict()
    del state["blocks.3.attn.proj.bias"]
    torch.save(state, tmp_path / "a.pth")
    with refused("a.pth", "encoder.blocks.3.attn.proj.bias"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "out")
    assert not (tmp_path / "out").exists()
