"""Detection from recipe to merged model: pathways, resumed runs, parts of batches, what is refused, and a bound."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import crosspath
from crosspath.checkpoints.load import load_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.data.generated import sets
from crosspath.data.generated.shapes import SHAPES, synthetic_shapes
from crosspath.evaluation import evaluate, predict
from crosspath.evaluation.export import export
from crosspath.modalities.batches import generated_batch
from crosspath.objectives import objective_of
from crosspath.training import train
from tests.checkpoints.small import saved_audio
from tests.cli.test_verbs import answered
from tests.data.coco import CATEGORY_IDS, write_coco
from tests.errors import refused
from tests.training.test_resume import CutAfter, CutError, same

SMALL = (
    "data.image_size=24",
    "model.tokenizer.patch=[8,8]",
    "detection.channels=8",
    "train.epochs=2",
    "train.batch_size=6",
    "train.evaluate_every=2",
    "train.log_every=1",
    "train.loggers=[]",
    "train.precision=float32",
    "optimizer.lr=0.01",
    "schedule.warmup_epochs=0",
    "pathway.scale_init=0.1",
)


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "SHAPE_PICTURES", {"train": 18, "val": 4, "test": 6})
        yield


def small(*settings: str, name: str = "image/shapes") -> Recipe:
    return apply_overrides(crosspath.recipe_named(name), (*SMALL, "data.train_samples=18", *settings))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`audio`, an auxiliary, and `run`, trained with a pathway from it."""
    folder = tmp_path_factory.mktemp("detection")
    saved_audio(folder / "audio")
    train(small(), out=folder / "run", auxiliaries={"audio": folder / "audio"}, progress=False)
    return folder


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if "loss" in line]


def test_the_encoder_carries_the_pathway_and_the_merged_model_gives_the_same_bits(folder: Path, tmp_path: Path) -> None:
    connected = load_checkpoint(folder / "run")
    names = [name for name, _ in crosspath.pathways(connected.model).weights().items()]
    assert len(names) == 24  # four matrices of six blocks
    assert all(name.startswith("encoder.blocks.") for name in names)
    crosspath.merge_checkpoint(folder / "run", tmp_path / "merged")
    merged = load_checkpoint(tmp_path / "merged")
    assert not merged.connected
    assert merged.model.state_dict().keys() == objective_of(small()).build(small(), 3).state_dict().keys()
    batch = generated_batch(small(), 3)
    with torch.no_grad():
        one, other = connected.model(batch), merged.model(batch)
    assert torch.equal(one, other)
    assert (one[..., 5] >= 0).any()
    read = evaluate(tmp_path / "merged")["metrics"]
    assert read == evaluate(folder / "run")["metrics"]
    result = json.loads((folder / "run" / "result.json").read_text())
    assert read == result["metrics"]["test"]
    assert {"box_ap", "box_ap50", "box_ap75", "box_ap_small"} <= read.keys()
    assert result["classes"] == list(SHAPES)


@pytest.mark.slow
def test_a_run_that_was_cut_off_ends_with_the_same_bits(folder: Path, tmp_path: Path) -> None:
    settings, auxiliaries = ("train.checkpoint_steps=2",), {"audio": folder / "audio"}
    with pytest.raises(CutError):
        train(small(*settings), out=tmp_path / "cut", auxiliaries=auxiliaries, progress=CutAfter(5))
    torch.manual_seed(99)
    result = train(small(*settings), out=tmp_path / "cut", auxiliaries=auxiliaries, progress=False, resume=True)
    assert result.resumed_at == (4,)
    assert same(folder / "run", tmp_path / "cut")


@pytest.mark.slow
def test_parts_of_a_batch_train_as_the_batch(folder: Path, tmp_path: Path) -> None:
    train(small("train.accumulate=3"), out=tmp_path, auxiliaries={"audio": folder / "audio"}, progress=False)
    assert losses(tmp_path) == pytest.approx(losses(folder / "run"), rel=1e-4)


def test_predictions_are_boxes_in_pixels_of_the_picture(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture of twice the size, with a strip below: the same boxes at twice the place."""
    picture = synthetic_shapes(1, 24, 5)[0][0].transpose(1, 2, 0)
    twice = picture.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(twice).save(tmp_path / "b.png")
    one, other = predict(folder / "run", [tmp_path / "a.png", picture])
    assert one["predictions"] == other["predictions"]
    boxes = one["predictions"]
    assert boxes
    assert all(0 <= value <= 24 for box in boxes for value in box["box"])
    assert [box["score"] for box in boxes] == sorted((box["score"] for box in boxes), reverse=True)
    assert {box["class"] for box in boxes} <= set(SHAPES)
    [large] = predict(folder / "run", [tmp_path / "b.png"], top=3)
    assert len(large["predictions"]) == min(3, len(boxes))
    for box, own in zip(large["predictions"], boxes, strict=False):
        np.testing.assert_allclose(box["box"], np.array(own["box"]) * 2, atol=2)
    said = answered(["predict", str(folder / "run"), str(tmp_path / "a.png")], capsys)
    assert said["files"][0]["predictions"] == boxes
    assert crosspath.cli.main.main(["predict", str(folder / "run"), str(tmp_path / "a.png")]) == 0
    assert "export" not in capsys.readouterr().err


def test_a_predicted_box_has_the_number_of_its_category_and_rows_behind_the_last_are_none() -> None:
    rows = torch.tensor([[1.0, 2.0, 3.0, 4.0, 0.9, 2.0], [0.0, 0.0, 5.0, 5.0, 0.5, 0.0], [0.0] * 5 + [-1.0]])
    recipe = small(f"data.category_ids={list(CATEGORY_IDS)}")
    predictions = objective_of(recipe).predictions
    assert predictions is not None
    boxes = predictions(rows, recipe, SHAPES, 100)["predictions"]
    assert [box["category_id"] for box in boxes] == [CATEGORY_IDS[2], CATEGORY_IDS[0]]
    assert [box["class"] for box in boxes] == [SHAPES[2], SHAPES[0]]
    assert boxes[0]["box"] == [1.0, 2.0, 3.0, 4.0]
    assert predictions(rows, recipe, SHAPES, 1)["predictions"] == boxes[:1]


def test_a_box_beside_the_picture_is_none() -> None:
    rows = torch.tensor([[1.0, 2.0, 30.0, 24.0, 0.9, 2.0], [0.0, 14.0, 5.0, 20.0, 0.8, 0.0]])
    to_picture = objective_of(small()).to_picture
    assert to_picture is not None
    [first, second] = to_picture(rows, small(), (48, 24)).tolist()  # the upper half of the square
    assert first[:4] == [2.0, 4.0, 48.0, 24.0]
    assert (first[5], second[5]) == (2.0, -1.0)


@pytest.mark.slow
def test_numbers_of_categories_are_mapped_and_mapped_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    write_coco(tmp_path / "coco", {"train": 14, "val": 4, "test": 4}, size=24)
    settings = ("train.epochs=6", "train.evaluate_every=6", "data.train_samples=null")
    recipe = small(*settings, name="image/boxes")
    train(recipe, out=tmp_path / "run", data=tmp_path / "coco", progress=False)
    source = load_checkpoint(tmp_path / "run")
    assert source.classes == SHAPES
    assert getattr(source.recipe.data, "category_ids", None) == CATEGORY_IDS
    [answer] = predict(source, [tmp_path / "coco" / "test" / "000000000018.png"])
    numbers = dict(zip(SHAPES, CATEGORY_IDS, strict=True))
    assert answer["predictions"]
    assert all(box["category_id"] == numbers[box["class"]] for box in answer["predictions"])


def test_what_detection_cannot_do_is_one_line(folder: Path, tmp_path: Path) -> None:
    with refused("run", "classifier", "detection", "crosspath predict"):
        export(folder / "run", tmp_path / "model.onnx")
    with refused("data"):
        crosspath.train(small(), data=(np.zeros((4, 24, 24, 3), np.uint8), [0, 1, 0, 1]), out=tmp_path / "memory")


@pytest.mark.parametrize(
    ("setting", "place"),
    [
        ("augment.crop_padding=4", "augment.crop_padding"),
        ("augment.resized_crop=[0.5,1.0]", "augment.resized_crop"),
        ("augment.rand_augment=rand-m9", "augment.rand_augment"),
        ("augment.mixup=0.8", "augment.mixup"),
        ("data.dataset=cifar10", "data.dataset=cifar10"),
        ("data.resize=30", "data.resize"),
        ("data.multi_label=true", "data.multi_label"),
        ("train.label_smoothing=0.1", "train.label_smoothing"),
        ("detection=null", "detection"),
    ],
)
def test_settings_that_leave_boxes_behind_are_refused(setting: str, place: str) -> None:
    with refused("", place):
        small(setting)


def test_boxes_of_other_objectives_are_refused() -> None:
    for setting, place in (("data.dataset=shapes", "data.dataset"), ("augment.scale_jitter=[0.5,2]", "scale_jitter")):
        with refused("", place):
            apply_overrides(crosspath.recipe_named("image/cifar10"), [setting])


@pytest.mark.slow
def test_a_pretrained_encoder_is_a_start(folder: Path, tmp_path: Path) -> None:
    settings: tuple[Any, ...] = (SMALL[0], SMALL[1], "train.epochs=1", "train.loggers=[]", "data.train_samples=18")
    few = ("masking.decoder_width=32", "masking.decoder_depth=1", "masking.decoder_heads=2")
    crosspath.pretrain("image/shapes", out=tmp_path / "start", settings=(*settings, *few), progress=False)
    result = train(small("train.epochs=1"), out=tmp_path / "run", start_from=tmp_path / "start", progress=False)
    assert any("head" in note for note in result.notes)


@pytest.mark.slow
def test_the_shipped_recipe_learns_to_find_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right boxes of one class read 0.122; a stride too far 0.015 and, at IoU 0.5, 0.144; random ones 0.010 at most."""
    monkeypatch.undo()
    monkeypatch.setattr(sets, "SHAPE_PICTURES", {"train": 400, "val": 100, "test": 100})
    result = train("image/shapes", out=tmp_path, progress=False)
    assert result.metrics["test"]["box_ap50"] > 0.6
    assert result.metrics["test"]["box_ap"] > 0.4


@pytest.mark.parametrize(("split", "name"), [("train", "training"), ("val", "test")])
def test_crowds_alone_are_nothing_to_train_on_or_to_find(
    split: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))

    def crowds(part: str, tree: dict[str, Any]) -> None:
        for entry in tree["annotations"] if part == split else ():
            entry["iscrowd"] = 1

    write_coco(tmp_path / "coco", {"train": 4, "val": 2}, 24, change=crowds)
    with refused(f"the {name} part", "crowds"):
        train(small(name="image/boxes"), data=tmp_path / "coco", out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
