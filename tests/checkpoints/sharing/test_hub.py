"""Sharing through the hub's own methods, offline: what is written, what comes back, and what strangers can read."""

import copy
import json
import shutil
import warnings
from fnmatch import fnmatch
from inspect import signature
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from torch import nn

from crosspath import ModalityModel, load_checkpoint, load_pretrained
from crosspath.checkpoints import auxiliary_source, merge_checkpoint, save_checkpoint
from crosspath.checkpoints.equality import compare_outputs
from crosspath.files import read_tensors
from crosspath.modalities.batches import generated_batch
from crosspath.models import build_masked_autoencoder
from crosspath.pathway import connect, merge, pathways
from crosspath.pathway.sources.parameters import has_pathways
from crosspath.recipes import recipe_named
from tests.checkpoints.small import IMAGE_CLASSES, fresh, image_recipe, saved_audio, saved_connected, saved_image
from tests.errors import refused

BATCH = generated_batch(image_recipe(), 5, seed=3)


def equal(first: nn.Module, second: nn.Module) -> bool:
    with torch.no_grad():
        return compare_outputs(first(BATCH), second(BATCH)).bitwise


def text_of(folder: Path) -> str:
    """Everything readable in a folder, the metadata of its tensors included."""
    texts = [file.read_text() for file in folder.iterdir() if file.suffix != ".safetensors"]
    metadata = [json.dumps(read_tensors(file)[1]) for file in folder.glob("*.safetensors")]
    return "\n".join(texts + metadata)


def test_a_plain_model_comes_back_as_it_was(tmp_path: Path) -> None:
    model = saved_image(tmp_path / "image")
    loaded = load_checkpoint(tmp_path / "image").model
    assert isinstance(loaded, ModalityModel)
    loaded.save_pretrained(tmp_path / "shared")
    back = ModalityModel.from_pretrained(tmp_path / "shared")
    assert equal(back, model)
    assert not back.training
    assert back.about is not None
    assert back.about.classes == IMAGE_CLASSES
    assert back.about.recipe == image_recipe()
    config = json.loads((tmp_path / "shared" / "config.json").read_text())
    assert config["classes"] == list(IMAGE_CLASSES)
    assert config["recipe"]["name"] == "image/cifar10"
    assert load_checkpoint(tmp_path / "shared").classes == IMAGE_CLASSES
    assert ModelCard.load(tmp_path / "shared" / "README.md").data.library_name == "crosspath"


def test_pathways_stay_connected_on_the_way_there_and_back(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = saved_connected(tmp_path / "image", tmp_path / "audio")
    loaded = ModalityModel.from_pretrained(tmp_path / "image")  # a run's folder serves as well
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "crosspath")  # that of other libraries leaves pathways behind
        loaded.save_pretrained(tmp_path / "shared")
    shutil.rmtree(tmp_path / "audio")
    back = ModalityModel.from_pretrained(tmp_path / "shared")
    assert equal(back, model)
    assert pathways(back).names == ("audio",)
    expected = {name: value.tolist() for name, value in pathways(model).scales().items()}
    assert {name: value.tolist() for name, value in pathways(back).scales().items()} == expected
    card = (tmp_path / "shared" / "README.md").read_text()
    assert "with pathways" in card
    assert "+0.110000" in card
    tensors, _ = read_tensors(tmp_path / "shared" / "model.safetensors")
    assert set(tensors) == set(fresh(image_recipe(), 3).state_dict())


def test_a_frozen_auxiliary_of_this_machine_travels_by_its_values(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio", train_auxiliary=False)
    description = json.loads((tmp_path / "image" / "pathway.json").read_text())
    assert description["auxiliaries"]["audio"]["stored"] is False
    model = ModalityModel.from_pretrained(tmp_path / "image")
    before = pathways(model).origins
    model.save_pretrained(tmp_path / "shared")
    assert pathways(model).origins == before
    shutil.rmtree(tmp_path / "audio")
    back = ModalityModel.from_pretrained(tmp_path / "shared")
    assert equal(back, model)
    assert not any(value.requires_grad for value in pathways(back).auxiliaries().values())


def test_a_frozen_auxiliary_from_the_hub_stays_a_reference(tmp_path: Path) -> None:
    source = saved_audio(tmp_path / "audio")
    model = fresh(image_recipe(), 3)
    connect(model, {"audio": source}, scale_init=0.1, train_auxiliary=False)
    origin = {"origin": "hf:someone/audio", "sha256": "1"}
    save_checkpoint(
        model, tmp_path / "image", recipe=image_recipe(), classes=IMAGE_CLASSES, auxiliaries={"audio": origin}
    )
    options: Any = {"auxiliaries": {"audio": tmp_path / "audio"}}
    ModalityModel.from_pretrained(tmp_path / "image", **options).save_pretrained(tmp_path / "shared")
    assert (tmp_path / "shared" / "pathway.safetensors").stat().st_size < 10_000
    assert equal(ModalityModel.from_pretrained(tmp_path / "shared", **options), model)


def test_strangers_read_no_place_of_this_machine(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = fresh(image_recipe(), 3)
    connect(model, {"audio": tmp_path / "audio" / "model.safetensors"}, scale_init=0.1, train_auxiliary=False)
    recipe = image_recipe(
        "data.dataset=folder", f"data.folder={tmp_path}/pictures", f"data.cache_folder={tmp_path}/cache"
    )
    record = auxiliary_source(tmp_path / "audio").record()
    save_checkpoint(model, tmp_path / "image", recipe=recipe, classes=IMAGE_CLASSES, auxiliaries={"audio": record})
    ModalityModel.from_pretrained(tmp_path / "image").save_pretrained(tmp_path / "shared")
    assert str(tmp_path) in text_of(tmp_path / "image")
    assert str(tmp_path) not in text_of(tmp_path / "shared")
    assert record["sha256"] in (tmp_path / "shared" / "README.md").read_text()


class StandInApi:
    """The hub, as a folder."""

    root: Path

    def __init__(self, token: object = None) -> None:
        self.token = token

    def create_repo(self, repo_id: str, **options: object) -> Any:
        (self.root / repo_id).mkdir(parents=True, exist_ok=True)
        return type("Made", (), {"repo_id": repo_id})

    def upload_folder(self, *, repo_id: str, folder_path: Path, **options: object) -> str:
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)
        return f"https://hub/{repo_id}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads go and downloads come from."""
    root = tmp_path / "hub"
    monkeypatch.setattr(StandInApi, "root", root, raising=False)
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", StandInApi)

    def snapshot(repository: str, *, allow_patterns: list[str], **options: object) -> str:
        here = tmp_path / "downloaded"
        for file in (root / repository).iterdir():
            if any(fnmatch(file.name, pattern) for pattern in allow_patterns):
                here.mkdir(exist_ok=True)
                shutil.copy(file, here)
        return str(here)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return root


@pytest.mark.parametrize("connected", [False, True])
def test_a_pushed_model_is_loaded_by_its_name(hub: Path, tmp_path: Path, connected: bool) -> None:
    saved_audio(tmp_path / "audio")
    if connected:
        model = saved_connected(tmp_path / "image", tmp_path / "audio", train_auxiliary=False)
    else:
        model = saved_image(tmp_path / "image")
    assert ModalityModel.from_pretrained(tmp_path / "image").push_to_hub("me/image") == "https://hub/me/image"
    assert (hub / "me/image" / "README.md").is_file()
    (hub / "me/image" / "pytorch_model.bin").write_bytes(b"\x80\x04nothing that is ever fetched")
    shutil.rmtree(tmp_path / "audio")
    assert equal(ModalityModel.from_pretrained("me/image"), model)
    fetched = {file.name for file in (tmp_path / "downloaded").iterdir()}
    assert "pytorch_model.bin" not in fetched
    assert "model.safetensors" in fetched


def test_a_name_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    with refused("nobody/nothing", "OWNER/NAME"):
        ModalityModel.from_pretrained("nobody/nothing", local_files_only=True, cache_dir=tmp_path)
    with refused("no/such/folder/at all"):
        ModalityModel.from_pretrained("no/such/folder/at all")


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    saved_image(tmp_path / "image")
    (tmp_path / "image" / "config.json").write_text('{"architectures": ["ViTModel"]}')
    with refused("config.json", "recipe"):
        ModalityModel.from_pretrained(tmp_path / "image")


def test_the_config_alone_says_the_recipe(tmp_path: Path) -> None:
    ModalityModel.from_pretrained(_saved(tmp_path)).save_pretrained(tmp_path / "shared")
    for name in ("recipe.yaml", "manifest.json"):
        (tmp_path / "shared" / name).unlink()
    file = tmp_path / "shared" / "model.safetensors"
    tensors, _ = read_tensors(file)
    from safetensors.torch import save_file

    save_file(tensors, file)
    assert equal(ModalityModel.from_pretrained(tmp_path / "shared"), ModalityModel.from_pretrained(tmp_path / "image"))


def _saved(tmp_path: Path) -> Path:
    saved_image(tmp_path / "image")
    return tmp_path / "image"


def test_a_pretrained_autoencoder_is_no_classifier(tmp_path: Path) -> None:
    recipe = recipe_named("image/digits", "masked_modeling")
    save_checkpoint(build_masked_autoencoder(recipe), tmp_path / "mae", recipe=recipe, classes=())
    with refused("mae", "MaskedAutoencoder"):
        ModalityModel.from_pretrained(tmp_path / "mae")


def test_a_model_that_does_not_say_what_it_is_or_says_wrong_is_not_saved(tmp_path: Path) -> None:
    model = fresh(image_recipe(), 3)
    bare = ModalityModel(model.tokenizer, model.encoder, model.head)
    with refused("model.about", "found none"):
        bare.save_pretrained(tmp_path / "shared")
    wider = copy.deepcopy(model)
    wider.head.linear = nn.Linear(128, 7)
    with refused("model.about", "recipe"):
        wider.save_pretrained(tmp_path / "shared")
    model.save_pretrained(tmp_path / "shared")
    back = ModalityModel.from_pretrained(tmp_path / "shared")
    assert back.about is not None
    assert back.about.classes == ("0", "1", "2")  # nobody has named them


def test_a_model_that_is_saved_again_once_merged_leaves_no_pathways_beside_it(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    model = ModalityModel.from_pretrained(tmp_path / "image")
    model.save_pretrained(tmp_path / "shared")
    merge(model)
    model.save_pretrained(tmp_path / "shared")
    assert not list((tmp_path / "shared").glob("pathway.*"))
    assert not has_pathways(ModalityModel.from_pretrained(tmp_path / "shared"))


def test_a_merged_model_that_is_shared_again_keeps_its_story(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    merge_checkpoint(tmp_path / "image", tmp_path / "plain")
    merged = ModalityModel.from_pretrained(tmp_path / "plain")
    merged.save_pretrained(tmp_path / "shared")
    first, second = ((tmp_path / folder / "README.md").read_text() for folder in ("plain", "shared"))
    assert first == second
    assert ModalityModel.from_pretrained(tmp_path / "shared").about == merged.about

    with torch.no_grad():
        merged.head.linear.bias.add_(1.0)
    merged.save_pretrained(tmp_path / "trained-on")
    card = (tmp_path / "trained-on" / "README.md").read_text()
    assert "bitwise equal" not in card
    assert "| audio |" in card  # what it owes to the auxiliary remains


def test_a_card_that_stands_there_is_kept_and_may_be_edited(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    saved_connected(tmp_path / "image", tmp_path / "audio")
    merge_checkpoint(tmp_path / "image", tmp_path / "plain")
    (tmp_path / "plain" / "README.md").write_text("# Mine\n")
    model = ModalityModel.from_pretrained(tmp_path / "plain")
    model.save_pretrained(tmp_path / "plain")
    assert (tmp_path / "plain" / "README.md").read_text() == "# Mine\n"
    assert load_checkpoint(tmp_path / "plain").classes == IMAGE_CLASSES


def test_both_ways_to_load_take_the_same_keywords() -> None:
    first, second = (
        {
            name: (entry.default, entry.annotation)
            for name, entry in signature(function).parameters.items()
            if entry.kind.name == "KEYWORD_ONLY"
        }
        for function in (load_pretrained, ModalityModel.from_pretrained)
    )
    assert first == second
