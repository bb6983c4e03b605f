"""Checkpoints load as the model that was saved; everything else is an error of one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from crosspath.checkpoints import auxiliary_source, load_checkpoint, load_weights_from, save_checkpoint
from crosspath.errors import InputError
from crosspath.files import read_tensors, write_tensors
from crosspath.modalities.batches import generated_batch
from crosspath.pathway import PathwayError, connect, merge
from tests.checkpoints.small import (
    AUDIO_CLASSES,
    IMAGE_CLASSES,
    audio_recipe,
    fresh,
    image_recipe,
    saved_audio,
    saved_connected,
)
from tests.errors import refused


def test_a_plain_model_comes_back_from_folder_and_file(tmp_path: Path) -> None:
    model = saved_audio(tmp_path / "audio")
    batch = generated_batch(audio_recipe(), 3)
    (tmp_path / "moved.safetensors").write_bytes((tmp_path / "audio" / "model.safetensors").read_bytes())
    for path in (tmp_path / "audio", tmp_path / "audio" / "model.safetensors", tmp_path / "moved.safetensors"):
        checkpoint = load_checkpoint(path)
        assert (checkpoint.recipe, checkpoint.classes, checkpoint.connected) == (audio_recipe(), AUDIO_CLASSES, False)
        assert not checkpoint.model.training
        assert torch.equal(checkpoint.model(batch), model(batch))


def test_what_is_loaded_in_inference_mode_can_train(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "connected", tmp_path / "audio")
    with torch.inference_mode():
        model = load_checkpoint(tmp_path / "connected").model
    assert not any(parameter.is_inference() for parameter in model.parameters())


@pytest.mark.parametrize("name", ["model.safetensors", "pathway.safetensors"])
def test_the_manifest_counts_for_the_file_as_for_its_folder(tmp_path: Path, name: str) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    content = bytearray((tmp_path / "image" / name).read_bytes())
    content[-1] ^= 1
    (tmp_path / "image" / name).write_bytes(content)
    for path in (tmp_path / "image", tmp_path / "image" / "model.safetensors"):
        with refused(name, "manifest.json"):
            load_checkpoint(path)


def test_a_plain_file_that_differs_from_its_manifest_is_refused(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    file = tmp_path / "audio" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with refused("model.safetensors", "manifest.json"):
        load_checkpoint(file)
    with refused("model.safetensors", "manifest.json"):
        auxiliary_source(file)
    with refused("model.safetensors", "manifest.json"):
        connect(fresh(image_recipe(), len(IMAGE_CLASSES)), {"audio": file})
    (tmp_path / "audio" / "manifest.json").write_text('{"name": "of something else"}')
    load_checkpoint(file)


def test_a_connected_model_comes_back_with_its_pathways(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = saved_connected(tmp_path / "image", tmp_path / "audio")
    batch = generated_batch(image_recipe(), 3)
    for path in (tmp_path / "image", tmp_path / "image" / "model.safetensors"):
        checkpoint = load_checkpoint(path)
        assert checkpoint.connected
        assert checkpoint.classes == IMAGE_CLASSES
        assert checkpoint.recipe.pathway.scale_init == 0.1
        assert torch.equal(checkpoint.model(batch), model(batch))
    plain = fresh(image_recipe(), 3)
    assert not torch.equal(plain(batch), model(batch))


def test_a_frozen_auxiliary_is_saved_by_reference_and_read_again(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = saved_connected(tmp_path / "image", tmp_path / "audio", train_auxiliary=False)
    assert (tmp_path / "image" / "pathway.safetensors").stat().st_size < 20_000
    batch = generated_batch(image_recipe(), 3)
    assert torch.equal(load_checkpoint(tmp_path / "image").model(batch), model(batch))
    (tmp_path / "audio").rename(tmp_path / "gone")
    with refused("image", "--auxiliary", "audio=CHECKPOINT"):
        load_checkpoint(tmp_path / "image")
    moved = load_checkpoint(tmp_path / "image", auxiliaries={"audio": tmp_path / "gone"})
    assert torch.equal(moved.model(batch), model(batch))
    saved_audio(tmp_path / "audio", seed=2)
    with refused("image", "sha256", kind=PathwayError):
        load_checkpoint(tmp_path / "image")


def test_a_stored_auxiliary_needs_no_other_file_and_takes_none(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = saved_connected(tmp_path / "image", tmp_path / "audio")
    (tmp_path / "audio").rename(tmp_path / "moved")
    batch = generated_batch(image_recipe(), 3)
    assert torch.equal(load_checkpoint(tmp_path / "image").model(batch), model(batch))
    with pytest.raises(InputError, match=f"--auxiliary for {tmp_path / 'image'}"):
        load_checkpoint(tmp_path / "image", auxiliaries={"audio": tmp_path / "moved"})


def test_half_of_a_connected_checkpoint_is_refused(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    (tmp_path / "alone.safetensors").write_bytes((tmp_path / "image" / "model.safetensors").read_bytes())
    with refused("alone.safetensors", "pathways"):
        load_checkpoint(tmp_path / "alone.safetensors")
    with refused("alone.safetensors", "pathways"):
        load_weights_from(fresh(image_recipe(), 3), tmp_path / "alone.safetensors")
    with refused("alone.safetensors", "pathways"):
        auxiliary_source(tmp_path / "alone.safetensors")


def test_a_live_connected_state_dict_is_refused(tmp_path: Path) -> None:
    model = fresh(image_recipe(), 3)
    connect(model, fresh(audio_recipe(), 2))
    write_tensors(tmp_path / "x.safetensors", model.state_dict(), {})
    with refused("x.safetensors", "pathways"):
        load_checkpoint(tmp_path / "x.safetensors", recipe=image_recipe())
    with pytest.raises(RuntimeError, match="Unexpected key"):
        fresh(image_recipe(), 3).load_state_dict(model.state_dict())


def test_a_file_without_a_recipe_needs_one(tmp_path: Path) -> None:
    model = fresh(image_recipe(), 3)
    save_file(model.state_dict(), tmp_path / "x.safetensors")
    with refused("x.safetensors", "--recipe"):
        load_checkpoint(tmp_path / "x.safetensors")
    checkpoint = load_checkpoint(tmp_path / "x.safetensors", recipe=image_recipe())
    assert checkpoint.classes == ("0", "1", "2")
    batch = generated_batch(image_recipe(), 2)
    assert torch.equal(checkpoint.model(batch), model(batch))


def test_weights_without_classes_or_a_head_are_refused(tmp_path: Path) -> None:
    tensors = {name: value for name, value in fresh(image_recipe(), 3).state_dict().items() if "head" not in name}
    write_tensors(tmp_path / "x.safetensors", tensors, {})
    with pytest.raises(InputError, match="classification head"):
        load_checkpoint(tmp_path / "x.safetensors", recipe=image_recipe())


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    with refused("model.safetensors", "(128, 1, 16, 16)", "tokenizer.proj.weight") as error:
        load_checkpoint(tmp_path / "audio", recipe=audio_recipe("model.tokenizer.patch=[8, 16]"))
    assert "\n" not in str(error.value)
    with refused("model.safetensors", "encoder.blocks.0.norm1.weight", "128", "192"):
        load_checkpoint(tmp_path / "audio", recipe=audio_recipe("model.size=tiny"))


def test_loading_leaves_the_random_state_alone(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    state = torch.get_rng_state()
    load_checkpoint(tmp_path / "audio")
    assert torch.equal(torch.get_rng_state(), state)


def test_missing_unfinished_and_pickled_checkpoints_are_told(tmp_path: Path) -> None:
    with refused("nothing", "folder"):
        load_checkpoint(tmp_path / "nothing")
    (tmp_path / "run").mkdir()
    with refused("run", "found none"):
        load_checkpoint(tmp_path / "run")
    (tmp_path / "run" / "log.jsonl").touch()
    with refused("run", "unfinished"):
        load_checkpoint(tmp_path / "run")
    torch.save({"a": torch.ones(1)}, tmp_path / "run" / "pytorch_model.bin")
    with refused("pytorch_model.bin", "pickle"):
        load_checkpoint(tmp_path / "run")
    with refused("pytorch_model.bin", "pickle"):
        auxiliary_source(tmp_path / "run" / "pytorch_model.bin")


def test_a_changed_file_is_seen_through_the_manifest(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    path = tmp_path / "audio" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with refused("model.safetensors", "manifest.json"):
        load_checkpoint(tmp_path / "audio")


def test_metadata_of_a_connected_file_says_so(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    with safe_open(tmp_path / "image" / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
    assert metadata["connected"] == "true"
    assert json.loads(metadata["classes"]) == list(IMAGE_CLASSES)
    assert json.loads(metadata["auxiliaries"])["audio"]["origin"] == str(tmp_path / "audio")


def test_starting_from_a_checkpoint_takes_every_weight(tmp_path: Path) -> None:
    source = saved_audio(tmp_path / "audio")
    model = fresh(audio_recipe(), 2, seed=5)
    assert load_weights_from(model, tmp_path / "audio") == []
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in source.state_dict().items())


def test_a_head_of_another_shape_is_dropped_and_said(tmp_path: Path) -> None:
    source = saved_audio(tmp_path / "audio")
    model = fresh(audio_recipe(), 7, seed=5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (note,) = load_weights_from(model, tmp_path / "audio")
    assert "head has another shape" in note
    for name, value in model.state_dict().items():
        expected = before[name] if name.startswith("head.") else source.state_dict()[name]
        assert torch.equal(value, expected), name


def test_starting_from_a_connected_checkpoint_takes_the_merged_weights(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    connected = saved_connected(tmp_path / "image", tmp_path / "audio")
    model = fresh(image_recipe(), 3, seed=9)
    assert load_weights_from(model, tmp_path / "image") == []
    batch = generated_batch(image_recipe(), 2)
    assert torch.equal(model(batch), connected(batch))


def test_starting_from_another_model_is_an_error_that_changes_nothing(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    for recipe in (image_recipe(), audio_recipe("model.size=tiny")):
        model = fresh(recipe, 2)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with refused("audio", "shapes"):
            load_weights_from(model, tmp_path / "audio")
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_an_auxiliary_with_pathways_of_its_own_is_merged_in_memory(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = saved_connected(tmp_path / "image", tmp_path / "audio")
    source = auxiliary_source(tmp_path / "image").weights
    assert isinstance(source, torch.nn.Module)
    merge(model)
    assert list(source.state_dict()) == list(model.state_dict())
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.state_dict().items())
    assert (tmp_path / "image" / "pathway.json").exists()


def test_a_bare_file_is_an_auxiliary_too(tmp_path: Path) -> None:
    save_file(fresh(audio_recipe(), 2).state_dict(), tmp_path / "x.safetensors")
    source = auxiliary_source(tmp_path / "x.safetensors")
    assert isinstance(source.weights, dict)
    connect(fresh(image_recipe(), 3), {"audio": source.weights})


def test_saving_again_replaces_everything(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio", seed=1)
    model = saved_audio(tmp_path / "audio", seed=2)
    batch = generated_batch(audio_recipe(), 2)
    assert torch.equal(load_checkpoint(tmp_path / "audio").model(batch), model(batch))
    assert sorted(file.name for file in (tmp_path / "audio").iterdir()) == [
        "manifest.json",
        "model.safetensors",
        "recipe.yaml",
    ]


def test_buffers_are_saved_with_the_parameters(tmp_path: Path) -> None:
    from crosspath.recipes import recipe_named

    recipe = recipe_named("point/modelnet10")
    model = fresh(recipe, 2).train()
    model(generated_batch(recipe, 2))
    save_checkpoint(model, tmp_path, recipe=recipe, classes=("a", "b"))
    tensors, _ = read_tensors(tmp_path / "model.safetensors")
    assert sorted(tensors) == sorted(model.state_dict())
    running = next(name for name in tensors if name.endswith("running_mean"))
    assert torch.equal(tensors[running], model.state_dict()[running])
    assert tensors[running].abs().sum() > 0


@pytest.mark.parametrize(("name", "value"), [("classes", "not json"), ("classes", "5"), ("auxiliaries", "xx")])
def test_foreign_metadata_is_named(tmp_path: Path, name: str, value: str) -> None:
    saved_audio(tmp_path / "audio")
    tensors, metadata = read_tensors(tmp_path / "audio" / "model.safetensors")
    write_tensors(tmp_path / "alone.safetensors", tensors, metadata | {name: value})
    with pytest.raises(InputError, match=f"metadata `{name}`: expected a JSON"):
        load_checkpoint(tmp_path / "alone.safetensors")
