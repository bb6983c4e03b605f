"""What the files beside the weights state: heads, key and value heads, norms; and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from crosspath.errors import PathwayError
from crosspath.layouts.timm_names import heads_of_architecture, norm_of_architecture
from crosspath.pathway.sources.heads import Heads, heads_of
from crosspath.pathway.sources.norms import norm_placement
from crosspath.pathway.sources.source import open_source
from tests.errors import refused


def folder_of(path: Path, config: Mapping[str, Any], name: str = "config.json") -> Path:
    path.mkdir(exist_ok=True)
    save_file({"a": torch.ones(1)}, path / "model.safetensors")
    (path / name).write_text(json.dumps(config), encoding="utf-8")
    return path


CLIP = {
    "model_type": "clip",
    "text_config": {"model_type": "clip_text_model", "num_attention_heads": 8, "hidden_size": 512},
    "vision_config": {"model_type": "clip_vision_model", "num_attention_heads": 12, "hidden_size": 768},
}
SPEECH = {"d_model": 384, "encoder_attention_heads": 6, "decoder_attention_heads": 12}
OPEN_CLIP = {
    "model_cfg": {
        "vision_cfg": {"layers": 12, "width": 768, "head_width": 64},
        "text_cfg": {"width": 512, "heads": 8, "layers": 12},
    }
}
HEADS: list[tuple[dict[str, Any], str, Heads | None]] = [
    ({"model_type": "bert", "num_attention_heads": 12, "hidden_size": 768}, "encoder.layer.3.", Heads(12, 12)),
    ({"num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096}, "layers.0.", Heads(32, 8)),
    ({"n_head": 12, "n_embd": 768}, "transformer.h.0.", Heads(12, 12)),
    ({"num_attention_heads": 71, "multi_query": True, "hidden_size": 4544}, "h.0.", Heads(71, 1)),
    ({"num_heads": 6, "d_kv": 64, "d_model": 512}, "encoder.block.0.", Heads(6, 6)),
    ({"num_heads": [3, 6], "hidden_size": 192}, "encoder.layers.1.blocks.0.", Heads(6, 6)),
    ({"num_query_heads": [12, 16], "num_kv_heads": [3, 4], "head_dim": 64}, "layers.1.", Heads(16, 4)),
    (CLIP, "text_model.encoder.layers.0.", Heads(8, 8)),
    (CLIP, "vision_model.encoder.layers.0.", Heads(12, 12)),
    (CLIP, "layers.0.", None),
    ({"backbone_config": {"num_heads": 4}, "text_config": {"n_head": 8}}, "text_backbone.layer.0.", Heads(8, 8)),
    ({"num_heads": 2, "backbone_config": {"num_heads": 4, "model_type": "swin"}}, "swin.layers.0.", Heads(4, 4)),
    (SPEECH, "model.encoder.layers.0.", Heads(6, 6)),
    (SPEECH, "model.decoder.layers.0.", Heads(12, 12)),
    (SPEECH, "layers.0.", None),
    ({**SPEECH, "decoder_attention_heads": 6}, "layers.0.", Heads(6, 6)),
    ({"attn_config": {"kv_n_heads": 2}, "n_heads": 4, "d_model": 32}, "blocks.0.", Heads(4, 2)),
    ({"architecture": "vit_small_patch16_224.augreg", "num_classes": 10}, "blocks.0.", Heads(6, 6)),
    ({"architecture": "vit_small_patch16_224", "model_args": {"num_heads": 12}}, "blocks.0.", Heads(12, 12)),
    ({"architecture": "vit_small_patch16_224", "model_args": {"embed_dim": 96}}, "blocks.0.", None),
    ({"architecture": "swinv2_base_window8_256"}, "layers.2.blocks.0.", Heads(16, 16)),
    ({"model_type": "unheard_of"}, "layers.0.", None),
    (OPEN_CLIP, "visual.transformer.resblocks.0.", Heads(12, 12)),
    (OPEN_CLIP, "transformer.resblocks.0.", Heads(8, 8)),
]


@pytest.mark.parametrize(("config", "block", "heads"), HEADS)
def test_heads(config: dict[str, Any], block: str, heads: Heads | None, tmp_path: Path) -> None:
    source = open_source(folder_of(tmp_path / "theirs", config))
    for name, expected in (("num_heads", heads and heads.query), ("num_key_value_heads", heads and heads.key_value)):
        assert source.attribute(f"{block}attention.{name}") == expected
    assert source.attribute(f"{block}attention.dropout") is None


@pytest.mark.parametrize(
    ("config", "norm"),
    [
        ({"model_type": "opt", "do_layer_norm_before": True}, "pre"),
        ({"model_type": "opt", "do_layer_norm_before": False}, "post"),
        ({"model_type": "wav2vec2", "do_stable_layer_norm": True}, "pre"),
        ({"architecture": "vit_relpos_base_patch16_rpn_224"}, "res-post"),
        ({"architecture": "vit_base_patch16_224"}, "pre"),
        ({"architecture": "vit_base_patch16_224", "model_args": {"use_post_norm": True}}, None),
        ({"architecture": "coatnet_0"}, None),
        ({"model_type": "unheard_of"}, None),
    ],
)
def test_norms(config: dict[str, Any], norm: str | None, tmp_path: Path) -> None:
    assert open_source(folder_of(tmp_path / "theirs", config)).norm("layers.0.") == norm


@pytest.mark.parametrize(
    ("config", "values"),
    [
        ({"num_attention_heads": "many"}, ("many",)),
        ({"num_attention_heads": -12}, (-12,)),
        ({"num_attention_heads": True}, ("True",)),
        ({"num_attention_heads": 12, "num_key_value_heads": 5, "hidden_size": 768}, (12, 5)),
    ],
)
def test_a_damaged_config_is_refused_by_its_name(
    config: dict[str, Any], values: tuple[object, ...], tmp_path: Path
) -> None:
    source = open_source(folder_of(tmp_path / "theirs", config))
    with refused("config.json", *values, kind=PathwayError):
        source.attribute("layers.0.num_heads")


@pytest.mark.parametrize("model", [None, [], {"vision_cfg": {"head_width": 0}}, {"vision_cfg": {"head_width": "wide"}}])
def test_a_damaged_config_of_open_clip_is_refused_by_its_name(model: object, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "theirs", {"model_cfg": model}, "open_clip_config.json")
    with refused("open_clip_config.json", kind=PathwayError):
        open_source(folder)


def test_weights_of_open_clip_are_described_by_its_own_config_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "theirs", CLIP)
    (folder / "model.safetensors").rename(folder / "open_clip_model.safetensors")
    path = "transformer.resblocks.0.attn.num_heads"
    assert open_source(folder).attribute(path) is None
    (folder / "open_clip_config.json").write_text(json.dumps(OPEN_CLIP), encoding="utf-8")
    assert open_source(folder).attribute(path) == 8


def test_a_config_that_is_no_json_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "theirs", {})
    (folder / "config.json").write_text("{", encoding="utf-8")
    with refused("config.json", kind=PathwayError):
        open_source(folder)


def test_only_the_folders_own_file_is_described_by_its_config(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "theirs", {"num_attention_heads": 4})
    (folder / "guest.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert open_source(folder / "model.safetensors").attribute("layers.0.num_heads") == 4
    assert open_source(folder / "guest.safetensors").attribute("layers.0.num_heads") is None


def parts_of(folder: Path, parts: list[dict[str, Tensor]]) -> dict[str, str]:
    """Files `model-00000.safetensors` and so on; returns the map of their index."""
    folder.mkdir()
    for number, tensors in enumerate(parts):
        save_file(tensors, folder / f"model-{number:05d}.safetensors")
    return {name: f"model-{number:05d}.safetensors" for number, tensors in enumerate(parts) for name in tensors}


def test_weights_in_several_files_are_read_whole(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    names = parts_of(folder, [{"b": torch.ones(2)}, {"a": torch.zeros(3, 1)}])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    (folder / "config.json").write_text('{"num_attention_heads": 4}', encoding="utf-8")
    for path in (folder, folder / "model.safetensors.index.json"):
        source = open_source(path)
        assert source.shapes() == {"b": (2,), "a": (3, 1)}
        assert torch.equal(source.tensor("b"), torch.ones(2))
        assert source.kind("a") == "F32"
        assert source.attribute("layers.0.num_heads") == 4


@pytest.mark.parametrize(
    ("names", "value"),
    [
        ({"a": "model-00001.safetensors"}, "model-00001.safetensors"),
        ({"a": "../model.safetensors"}, "model.safetensors"),
        ({"c": "model-00000.safetensors"}, "model-00000.safetensors"),
        (["a"], "none"),
        ({"a": "model-00000.safetensors"}, "b"),
    ],
)
def test_an_index_that_does_not_fit_its_files_is_refused(names: object, value: str, tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors")
    parts_of(tmp_path / "theirs", [{"a": torch.ones(1), "b": torch.ones(1)}])
    index = tmp_path / "theirs" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    with refused("model.safetensors.index.json", value, kind=PathwayError):
        open_source(tmp_path / "theirs")


def check_architecture(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    stages = getattr(model, "layers", None) if name.startswith("swin") else None
    stages = getattr(model, "stages", stages) if name.startswith("swinv2_cr") else stages
    blocks = [model.blocks[0]] if stages is None else [stage.blocks[0] for stage in stages]
    expected, norm = heads_of_architecture(name), norm_of_architecture(name)
    if expected is not None:
        attention = next(path for path, module in blocks[0].named_modules() if hasattr(module, "num_heads"))
        heads = [heads_of(block, attention) for block in blocks]
        counts = expected if isinstance(expected, tuple) else (expected,)
        assert heads == [Heads(count, count) for count in counts], name
    if norm is not None:
        assert norm_placement(blocks[0]) == norm, name


def test_names_of_timm_state_what_its_models_have() -> None:
    for name in ("vit_tiny_patch16_224", "deit3_base_patch16_224", "vit_relpos_small_patch16_rpn_224"):
        assert heads_of_architecture(name) is not None
        assert norm_of_architecture(name) is not None
        check_architecture(name)


@pytest.mark.slow
def test_every_name_of_timm_states_what_its_model_has() -> None:
    names = [
        n for n in timm.list_models() if heads_of_architecture(n) is not None or norm_of_architecture(n) is not None
    ]
    assert len(names) > 250
    for name in names:
        check_architecture(name)
