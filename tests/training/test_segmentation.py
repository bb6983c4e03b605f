"""Segmentation from end to end: runs, pathways, merging, resuming, and a bound that broken code does not reach."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import crosspath
from crosspath.checkpoints import load_checkpoint
from crosspath.data.generated.scenes import CLASSES, scene
from crosspath.data.generated.sets import SEED
from crosspath.errors import InputError
from crosspath.modalities.load import load_data
from crosspath.objectives.segmentation import picture_logits
from crosspath.recipes import recipe_named
from tests.data.published_masks import write_own_masks
from tests.errors import refused

QUICK: dict[str, Any] = {
    "train.epochs": 1,
    "train.batch_size": 32,
    "train.checkpoint_steps": 4,
    "train.loggers": [],
    "train.workers": 0,
    "model.width": 64,
    "model.depth": 4,
    "model.heads": 2,
}


@pytest.fixture(scope="module")
def auxiliary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of digits with the quick runs' body."""
    folder = tmp_path_factory.mktemp("auxiliary") / "digits"
    settings = {**QUICK, "train.batch_size": 256, "data.labels_per_class": 20, "evaluate.test": False}
    crosspath.train("image/digits", out=folder, settings=settings, progress=False)
    return folder


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory, auxiliary: Path) -> Path:
    """A quick run with a pathway, the states of which are kept."""
    folder = tmp_path_factory.mktemp("connected") / "run"
    crosspath.train("image/scenes", out=folder, auxiliaries={"digits": auxiliary}, settings=QUICK, progress=False)
    return folder


def test_a_run_gives_the_metrics_of_pixels_and_the_names_of_classes(connected: Path) -> None:
    result = json.loads((connected / "result.json").read_text())
    test = result["metrics"]["test"]
    assert {"miou", "pixel_accuracy", "loss"} <= test.keys()
    assert result["classes"] == list(CLASSES)
    ious = {name: value for name, value in test.items() if name.startswith("iou/")}
    assert {name.partition("/")[2] for name in ious} <= set(CLASSES)
    assert test["miou"] == pytest.approx(np.mean(list(ious.values())))
    assert result["scales"]
    evaluated = crosspath.evaluate(connected)
    assert evaluated["metrics"] == pytest.approx(test, rel=1e-5)


def test_merging_keeps_logits_to_the_bit(connected: Path, tmp_path: Path) -> None:
    before = load_checkpoint(connected)
    assert before.connected
    receipt = crosspath.merge_checkpoint(connected, tmp_path / "merged", verify=True)
    assert all(entry["bitwise"] for entry in receipt["certificate"]["outputs"].values())
    assert receipt["certificate"]["samples"] == 2
    assert crosspath.verify(tmp_path / "merged")["outputs"] is not None
    assert "image-segmentation" in (tmp_path / "merged" / "README.md").read_text()
    after = load_checkpoint(tmp_path / "merged")
    assert not after.connected
    picture = torch.rand(3, 50, 40) * 2 - 1
    with torch.no_grad():
        logits = [picture_logits(source.model, source.recipe, picture) for source in (before, after)]
    assert torch.equal(*logits)
    assert crosspath.evaluate(tmp_path / "merged")["metrics"] == crosspath.evaluate(connected)["metrics"]


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bits(connected: Path, auxiliary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(connected, folder)
    for name in ("result.json", "model.safetensors", "pathway.safetensors", "pathway.json", "manifest.json"):
        (folder / name).unlink()
    last = max((folder / "checkpoints").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(last)
    crosspath.train(
        "image/scenes", out=folder, auxiliaries={"digits": auxiliary}, settings=QUICK, progress=False, resume=True
    )
    for name in ("model.safetensors", "pathway.safetensors"):
        before, after = load_file(connected / name), load_file(folder / name)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)


def test_ades_layout_and_streaming_give_what_the_arrays_give(tmp_path: Path) -> None:
    """The generated pictures as files, every second with a palette: samples, views and metrics are the same."""
    data = load_data(recipe_named("image/scenes").data, None, 0)
    root = tmp_path / "set"
    for part, folder in (("train", "train"), ("validation", "val"), ("test", "test")):
        for name in getattr(data, part).ids[:8]:
            number = int(name.rpartition("-")[2])
            picture = scene(number, SEED)
            for place, content in (("images", picture[:3].transpose(1, 2, 0)), ("annotations", picture[3])):
                path = root / place / folder / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(content)).save(path)
    (root / "classes.txt").write_text("\n".join(CLASSES))
    settings = {**QUICK, "data.image_size": 32}
    result = crosspath.train("image/masks", data=root, out=tmp_path / "run", settings=settings, progress=False)
    assert result.samples == {"train": 8, "validation": 8, "test": 8}
    files = load_data(load_checkpoint(tmp_path / "run").recipe.data, None, 0)
    assert np.array_equal(files.test.inputs[np.arange(8)], _cut(data.test.inputs[np.arange(8)]))


def _cut(samples: np.ndarray) -> np.ndarray:
    inside = samples[:, 3] != 254
    return samples[:, :, : int(inside.any(axis=(0, 2)).sum()), : int(inside.any(axis=(0, 1)).sum())]


@pytest.mark.slow
def test_pretraining_of_the_pictures_is_a_start(tmp_path: Path) -> None:
    shared = {name: value for name, value in QUICK.items() if name.startswith(("model.", "train."))}
    crosspath.pretrain("image/scenes", out=tmp_path / "start", settings=shared, progress=False)
    started = crosspath.train(
        "image/scenes",
        start_from=tmp_path / "start",
        out=tmp_path / "run",
        progress=False,
        settings={**QUICK, "evaluate.test": False},
    )
    assert any("no head" in note or "head" in note for note in started.notes)


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DINOv2 as transformers saves it, for pictures of 16 pixels."""
    import transformers

    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=24, num_hidden_layers=4, num_attention_heads=3, mlp_ratio=2, image_size=16, patch_size=4,
        layerscale_value=0.5,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("dinov2")
    transformers.Dinov2Model(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("decoder", [pytest.param("linear", marks=pytest.mark.slow), "upernet"])
def test_a_foundation_models_blocks_are_read_at_the_recipes_window(dinov2: Path, tmp_path: Path, decoder: str) -> None:
    """Of 16 pixels it was trained on; windows have 32, so its positions are interpolated as its own library does."""
    import transformers

    settings = {name: value for name, value in QUICK.items() if not name.startswith("model.")}
    more: dict[str, Any] = {"segmentation.decoder": decoder, "train.scope": "head"}
    if decoder == "upernet":
        more["segmentation.decoder_width"] = 16
    result = crosspath.train(
        "image/scenes", out=tmp_path / "run", start_from=dinov2, settings={**settings, **more}, progress=False
    )
    assert any("DINOv2" in note for note in result.notes)
    source = load_checkpoint(tmp_path / "run")
    assert source.recipe.data.image_size == 32  # type: ignore[attr-defined]
    theirs = transformers.Dinov2Model.from_pretrained(dinov2).eval()
    pictures = torch.rand(2, 3, 32, 32)
    model: Any = source.model
    with torch.no_grad():
        expected = theirs(pixel_values=pictures, output_hidden_states=True)
        levels = model.encoder.levels(model.tokenizer(pictures), model.blocks)
    states = [expected.last_hidden_state] if decoder == "linear" else [expected.hidden_states[n] for n in (1, 2, 3, 4)]
    for level, state in zip(levels, states, strict=True):
        torch.testing.assert_close(level, state[:, 1:], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_timm_model_that_normalises_behind_its_pooling_is_a_start(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(0)
    arguments = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 4, "num_heads": 3, "global_pool": "avg"}
    made = timm.create_model("vit_tiny_patch16_224", num_classes=0, **arguments)
    folder = tmp_path / "timm"
    timm.models.save_for_hf(made, folder, model_args=arguments, safe_serialization=True)
    settings = {name: value for name, value in QUICK.items() if not name.startswith("model.")}
    result = crosspath.train(
        "image/scenes", out=tmp_path / "run", start_from=folder, settings={**settings, "evaluate.test": False},
        progress=False,
    )  # fmt: skip
    assert any("encoder.norm" in note for note in result.notes)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"augment.mixup": 0.5}, "augment.mixup"),
        ({"augment.rand_augment": "rand-m9-mstd0.5-inc1"}, "rand_augment"),
        ({"augment.resized_crop": [0.5, 1.0]}, "resized_crop"),
        ({"segmentation": None}, "segmentation"),
        ({"data.way": 2, "data.shot": 2}, "data.way"),
    ],
)
def test_settings_that_would_part_pictures_and_masks_are_refused(
    settings: dict[str, Any], where: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        crosspath.train("image/scenes", out=tmp_path / "run", settings={**QUICK, **settings}, progress=False)
    assert where in str(error.value)
    assert not (tmp_path / "run").exists()


def test_masks_need_streaming_and_other_tasks_no_masks(tmp_path: Path) -> None:
    write_own_masks(tmp_path / "set")
    with refused("recipe", "data.stream=true"):
        crosspath.train("image/masks", data=tmp_path / "set", settings={"data.stream": False}, progress=False)
    with refused("recipe", "segmentation"):
        crosspath.train("image/digits", settings={"augment.distort_colours": True}, progress=False)


@pytest.mark.slow
def test_a_short_run_reaches_a_bound_that_broken_code_does_not(tmp_path: Path) -> None:
    """What the best constant answer gets, the ground everywhere, stands beside it."""
    settings = {"train.evaluate_every": 15, "train.loggers": []}
    result = crosspath.train("image/scenes", out=tmp_path / "run", settings=settings, progress=False)
    masks = load_data(recipe_named("image/scenes").data, None, 0).test.inputs[np.arange(60)][:, 3]
    ground = (masks == 0).sum() / (masks < len(CLASSES)).sum() / len(CLASSES)
    assert ground < 0.2
    assert result.metrics["test"]["miou"] > 0.7
