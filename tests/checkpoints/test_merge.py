"""Merging on files: plain keys, bitwise outputs, a receipt and a card."""

import json
from pathlib import Path

import pytest
import torch

from crosspath.checkpoints import (
    auxiliary_source,
    checkpoint_status,
    load_checkpoint,
    merge_checkpoint,
    save_checkpoint,
)
from crosspath.checkpoints.equality import compare_outputs
from crosspath.cli.main import main
from crosspath.config.pathway import PathwaySection
from crosspath.files import read_tensors, sha256_of_file
from crosspath.modalities.batches import generated_batch
from crosspath.pathway import connect
from tests.checkpoints.small import IMAGE_CLASSES, fresh, image_recipe, saved_audio, saved_connected
from tests.errors import refused


def test_a_merged_checkpoint_is_a_plain_one_with_equal_outputs(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    connected = saved_connected(tmp_path / "image", tmp_path / "audio")
    receipt = merge_checkpoint(tmp_path / "image", tmp_path / "plain")

    merged = load_checkpoint(tmp_path / "plain")
    assert not merged.connected
    assert merged.classes == IMAGE_CLASSES
    assert merged.recipe.pathway == PathwaySection()
    batch = generated_batch(image_recipe(), 5, seed=3)
    assert compare_outputs(merged.model(batch), connected(batch)).bitwise

    tensors, metadata = read_tensors(tmp_path / "plain" / "model.safetensors")
    plain = fresh(image_recipe(), 3)
    assert {name: value.shape for name, value in tensors.items()} == {
        name: value.shape for name, value in plain.state_dict().items()
    }
    assert metadata["connected"] == "false"
    own = read_tensors(tmp_path / "image" / "model.safetensors")[0]
    changed = {name for name in tensors if not torch.equal(tensors[name], own[name])}
    assert changed == {name for name in own if ".blocks." in name and name.endswith("weight") and own[name].ndim == 2}

    assert receipt["equality"] == {
        "samples": 8,
        "bitwise": True,
        "max_difference": {"float32": 0.0, "bfloat16": 0.0},
    }
    assert json.loads((tmp_path / "plain" / "merge.json").read_text()) == receipt
    assert receipt["auxiliaries"]["audio"]["sha256"] == sha256_of_file(tmp_path / "audio" / "model.safetensors")
    assert receipt["merge"]["scales"]["encoder.blocks.0.attn.qkv.weight"]["audio"] == pytest.approx([0.1])

    card = (tmp_path / "plain" / "README.md").read_text()
    for text in ("image/cifar10", "bitwise equal", receipt["auxiliaries"]["audio"]["sha256"], "scale_init: 0.1", "cat"):
        assert text in card


def test_a_plain_checkpoint_is_not_merged(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    with refused("audio", "checkpoint", "pathways"):
        merge_checkpoint(tmp_path / "audio", tmp_path / "plain")
    assert not (tmp_path / "plain").exists()


def test_an_existing_folder_is_not_written_to(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    with refused("audio"):
        merge_checkpoint(tmp_path / "image", tmp_path / "audio")


def test_status_reads_the_saved_scales(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    rows = list(checkpoint_status(tmp_path / "image"))
    assert len(rows) == 6 * 4
    assert rows[0].scale == pytest.approx([0.1])
    assert {row.auxiliary for row in rows} == {"audio"}
    with refused("audio", "checkpoint", "pathways"):
        checkpoint_status(tmp_path / "audio")


def test_a_bias_of_zeros_has_no_relative_change(tmp_path: Path) -> None:
    auxiliary = saved_audio(tmp_path / "audio")
    with torch.no_grad():
        for name, parameter in auxiliary.named_parameters():
            if name.endswith("bias"):
                parameter.fill_(0.5)
    model = fresh(image_recipe(), 3)
    connect(model, {"audio": auxiliary}, scale_init=0.1, bias=True)
    save_checkpoint(model, tmp_path / "image", recipe=image_recipe(), classes=IMAGE_CLASSES)
    receipt = merge_checkpoint(tmp_path / "image", tmp_path / "plain")
    assert receipt["merge"]["change"]["encoder.blocks.0.attn.qkv.bias"] is None
    assert receipt["merge"]["change"]["encoder.blocks.0.attn.qkv.weight"] > 0
    assert main(["status", str(tmp_path / "image"), "--json"]) == 0


def test_what_is_published_names_no_place_on_the_machine(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    source = auxiliary_source(tmp_path / "audio")
    assert source.record()["recipe"] == "audio/fsdd"
    random = {"origin": f"random values of the shapes of {tmp_path}/of mine/audio", "sha256": "1"}
    for name, record in (("known", source.record()), ("random", random)):
        model = fresh(image_recipe(), 3)
        connect(model, {"audio": tmp_path / "audio" / "model.safetensors"}, scale_init=0.1)
        save_checkpoint(
            model,
            tmp_path / name,
            recipe=image_recipe(
                "data.dataset=folder", f"data.folder={tmp_path}/pictures", f"data.cache_folder={tmp_path}/cache"
            ),
            classes=IMAGE_CLASSES,
            auxiliaries={"audio": record},
        )
        merge_checkpoint(tmp_path / name, tmp_path / f"{name}-plain")
        for file in ("README.md", "merge.json"):
            assert str(tmp_path) not in (tmp_path / f"{name}-plain" / file).read_text()
    assert f"| audio | audio/fsdd | {source.sha256} |" in (tmp_path / "known-plain" / "README.md").read_text()
    text = "| audio | random values of the shapes of audio | 1 |"
    assert text in (tmp_path / "random-plain" / "README.md").read_text()
    # The recipe beside the card is for this machine: it evaluates without naming the data again.
    assert load_checkpoint(tmp_path / "known-plain").recipe.data.folder == tmp_path / "pictures"
