"""Heads and norms as two models are compared by them: seen in modules, stated by files, kept by what is written."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import ResPostBlock
from torch import nn

import crosspath
from crosspath.checkpoints import auxiliary_source
from crosspath.checkpoints.foreign import convert_checkpoint
from crosspath.layouts.placements import PLACEMENTS
from crosspath.pathway import PathwayError
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.sources.description import Description
from crosspath.pathway.sources.norms import norm_placement
from crosspath.pathway.sources.source import ModuleSource, State, open_source
from tests.errors import refused

WIDTH = 24
BERT = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 12,
    "intermediate_size": 4 * WIDTH,
    "vocab_size": 40,
}


def vit(heads: int, **settings: Any) -> nn.Module:
    sizes = {"img_size": 16, "patch_size": 8, "depth": 2, "embed_dim": WIDTH, "num_heads": heads}
    return timm.create_model("vit_tiny_patch16_224", **sizes, **settings)


def bert_folder(path: Path, name: str = "Bert", **settings: Any) -> Path:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**{**BERT, **settings}))
    model.save_pretrained(path)
    return path


def kinds(report: crosspath.MatchReport) -> set[str]:
    return {mismatch.what for mismatch in report.mismatches}


def test_a_text_model_of_other_heads_is_noticed_in_a_folder(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "text")
    for path in (folder, folder / "model.safetensors"):
        assert kinds(crosspath.match(vit(6), path)) == {"heads", "norm"}
        assert kinds(crosspath.match(vit(12), path)) == {"norm"}
        assert crosspath.match(vit(12), path, accept={"norm"}).ok
        assert not crosspath.match(vit(12), path).unverified
    auxiliary = auxiliary_source(folder)
    assert isinstance(auxiliary.weights, State)
    assert kinds(crosspath.match(vit(6), auxiliary.weights)) == {"heads", "norm"}
    plain = dict(auxiliary.weights)
    assert "head count of block 0" in crosspath.match(vit(6), plain).unverified


def test_norms_on_both_sides_of_the_family_are_told_apart() -> None:
    plain, branch = vit(6), vit(6, block_fn=ResPostBlock)
    report = crosspath.match(plain, branch)
    assert [(m.what, m.reason.count("res-post")) for m in report.mismatches] == [("norm", 1)]
    assert crosspath.match(branch, vit(6, block_fn=ResPostBlock)).ok
    assert not crosspath.match(plain, vit(6)).unverified
    # The names are the same, so that a state dict cannot tell.
    assert crosspath.match(plain, branch.state_dict()).unverified


@pytest.mark.parametrize("name", ["RobertaPreLayerNorm", "XLMRobertaXL", "Esm"])
def test_families_with_the_names_of_bert_are_pre_norm(name: str, tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "text", name, num_attention_heads=6, pad_token_id=1)
    assert "norm" not in kinds(crosspath.match(vit(6), folder))
    state = dict(auxiliary_source(folder).weights)  # type: ignore[arg-type]
    report = crosspath.match(vit(6), state)
    assert "norm" not in kinds(report)
    assert "norm placement" not in report.unverified


def test_a_config_that_contradicts_the_weights_is_refused(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "text")
    config = json.loads((folder / "config.json").read_text())
    for change, value in (({"hidden_size": 48, "num_attention_heads": 12}, 48), ({"num_attention_heads": 7}, 7)):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        with refused("config.json", value, kind=PathwayError):
            crosspath.match(vit(6), folder)
    (folder / "config.json").write_text(json.dumps({**config, "num_attention_heads": 5, "head_dim": 5}))
    with refused("config.json", 5, kind=PathwayError):
        crosspath.match(vit(6), folder)


def test_bare_weights_keep_what_their_config_stated(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "text")
    convert_checkpoint(folder, tmp_path / "converted", bare=True)
    anatomy = locate(open_source(tmp_path / "converted"))
    assert anatomy is not None
    assert anatomy.heads == {0: 12, 1: 12}
    assert anatomy.norms == {0: "post", 1: "post"}
    assert kinds(crosspath.match(vit(6), tmp_path / "converted")) == {"heads", "norm"}
    auxiliary = auxiliary_source(tmp_path / "converted")
    assert kinds(crosspath.match(vit(6), auxiliary.weights)) == {"heads", "norm"}


def test_a_converted_model_keeps_its_heads(tmp_path: Path) -> None:
    state = timm.create_model("vit_tiny_patch16_224").state_dict()
    save_file(state, tmp_path / "vit.safetensors")
    convert_checkpoint(tmp_path / "vit.safetensors", tmp_path / "converted", settings=["model.heads=6"])
    target = timm.create_model("vit_tiny_patch16_224", num_heads=3)
    assert kinds(crosspath.match(target, tmp_path / "converted")) == {"heads"}
    assert kinds(crosspath.match(target, tmp_path / "converted" / "model.safetensors")) == {"heads"}
    assert not crosspath.match(target, tmp_path / "converted").unverified


def test_a_damaged_statement_is_refused(tmp_path: Path) -> None:
    state = vit(6).state_dict()
    for text in ("[", '{"blocks.0.": {"heads": ["many", 1]}}', '{"blocks.0.": 3}'):
        save_file(state, tmp_path / "model.safetensors", metadata={"blocks": text})
        with refused("model.safetensors", kind=PathwayError):
            crosspath.match(vit(6), tmp_path / "model.safetensors")


def test_blocks_without_norms_have_nothing_to_compare() -> None:
    layers = nn.MultiheadAttention(WIDTH, 6), nn.MultiheadAttention(WIDTH, 6)
    assert crosspath.match(*layers).unverified == ()
    anatomy = locate(ModuleSource(layers[0]))
    assert anatomy is not None
    assert anatomy.normless == {0}


def count_placements(model_type: str) -> int:
    """How many lists of blocks state a placement and show one; each pair has to be equal."""
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    if model_type not in transformers.CONFIG_MAPPING:
        return 0  # a part of another model, or a newer release
    try:
        config = transformers.CONFIG_MAPPING[model_type]()
        for setting in ("num_hidden_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers", "num_layers"):
            if isinstance(vars(config).get(setting), int):
                setattr(config, setting, 2)
        if isinstance(getattr(config, "layer_types", None), list):
            config.layer_types = config.layer_types[:2]
        with torch.device("meta"):
            model = transformers.AutoModel.from_config(config)
    except Exception:  # of the library: a part without a model, or settings that do not fit each other
        return 0
    description = Description(Path("config.json"), config.to_dict())
    count = 0
    for name, part in model.named_modules():
        if not isinstance(part, nn.ModuleList) or not len(part) or isinstance(part[0], nn.ModuleList):
            continue
        if sum(parameter.ndim > 1 for parameter in part[0].parameters()) < 4:
            continue
        norm = norm_placement(part[0])
        if norm is not None and description.norm(f"{name}.0.") is not None:
            assert description.norm(f"{name}.0.") == norm, (model_type, name)
            count += 1
    return count


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "gpt2", "llama", "olmo2", "vit"])
def test_a_type_of_model_is_what_its_blocks_are(model_type: str) -> None:
    assert count_placements(model_type)


@pytest.mark.slow
def test_every_type_of_model_is_what_its_blocks_are() -> None:
    count = sum(count_placements(model_type) > 0 for model_type in PLACEMENTS)
    assert count >= 100


def test_an_order_of_fused_rows_that_names_alone_say_is_unverified() -> None:
    # As TinyViT, whose rows come head by head under names of which others are taken for three-major.
    state = vit(6).state_dict()
    layer = nn.TransformerEncoderLayer(WIDTH, 6, 4 * WIDTH, norm_first=True, batch_first=True)
    target = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    line = "order of query, key and value in the auxiliary's block 0-1: by names alone"
    for auxiliary, options, found in (
        (state, {}, True),
        (state, {"roles": "mlp"}, False),
        (vit(6), {}, False),
    ):
        assert (line in crosspath.match(target, auxiliary, **options).unverified) is found
    assert line not in crosspath.match(vit(6), state).unverified
