"""Predictions for files: class names, probabilities that agree with the model, and one line for any other file."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crosspath.checkpoints import save_checkpoint
from crosspath.evaluation import predict
from crosspath.evaluation.prediction_files import free_name
from crosspath.models.build import build_masked_autoencoder
from crosspath.objectives import objective_of
from crosspath.recipes import recipe_named
from tests.checkpoints.small import IMAGE_CLASSES, fresh, image_recipe, saved_image
from tests.errors import refused
from tests.models.test_masked_autoencoder import masked_recipe


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two files whose content is made up where they are read."""
    paths = [tmp_path / "one.png", tmp_path / "two.JPG"]
    for path in paths:
        path.touch()

    def read(section: object, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
        return np.full((3, 8, 8), 40 if path.name == "one.png" else 200, dtype=np.uint8), ()

    monkeypatch.setattr(import_module("crosspath.evaluation.predict"), "read_whole", read)
    return paths


def test_probabilities_agree_with_the_model(tmp_path: Path, files: list[Path]) -> None:
    saved_image(tmp_path / "run")
    found = predict(tmp_path / "run", files)
    assert [entry["file"] for entry in found] == [str(path) for path in files]
    model = fresh(image_recipe(), 3)
    for entry, value in zip(found, (40, 200), strict=True):
        image = torch.full((1, 3, 8, 8), (value / 255 - 0.5) / 0.5)
        with torch.no_grad():
            expected = dict(zip(IMAGE_CLASSES, model(image)[0].double().softmax(dim=-1).tolist(), strict=True))
        guesses = entry["predictions"]
        assert {guess["class"]: guess["probability"] for guess in guesses} == pytest.approx(expected, abs=1e-6)
        probabilities = [guess["probability"] for guess in guesses]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1.0)


def test_only_the_best_are_given(tmp_path: Path, files: list[Path]) -> None:
    saved_image(tmp_path / "run")
    assert [len(entry["predictions"]) for entry in predict(tmp_path / "run", files, top=2)] == [2, 2]


def test_a_folder_holds_what_is_returned_and_nothing_after_an_error(tmp_path: Path, files: list[Path]) -> None:
    saved_image(tmp_path / "run")
    entries = predict(tmp_path / "run", files, out=tmp_path / "new")
    content = json.loads((tmp_path / "new" / "predictions.json").read_text())
    assert content == {"classes": list(IMAGE_CLASSES), "files": entries}
    assert entries == predict(tmp_path / "run", files)
    before = (tmp_path / "new" / "predictions.json").read_bytes()
    with refused(str(tmp_path / "new"), "--out"):
        predict(tmp_path / "missing", files, out=tmp_path / "new")
    assert (tmp_path / "new" / "predictions.json").read_bytes() == before
    with refused("none.png"):
        predict(tmp_path / "run", [*files, tmp_path / "none.png"], out=tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_every_pixel_of_a_picture_gets_a_class(tmp_path: Path, photo: Path) -> None:
    recipe, names = recipe_named("image/scenes"), ("ground", "stripes", "checks", "dots", "grain")
    torch.manual_seed(0)
    save_checkpoint(objective_of(recipe).build(recipe, 5), tmp_path / "run", recipe=recipe, classes=names)
    (entry,) = predict(tmp_path / "run", [photo], out=tmp_path / "new")
    assert entry["written"] == ["photo.mask.png", "photo.png"]
    mask = np.asarray(Image.open(tmp_path / "new" / "photo.mask.png"))
    assert mask.shape == (40, 64)
    shares = {guess["class"]: guess["share"] for guess in entry["predictions"]}
    assert shares == {names[label]: (mask == label).mean() for label in np.unique(mask)}
    assert Image.open(tmp_path / "new" / "photo.png").width > 400
    (in_memory,) = predict(tmp_path / "run", [Image.open(photo)])
    assert in_memory["predictions"] == entry["predictions"]
    (largest,) = predict(tmp_path / "run", [photo], top=1)
    assert largest["predictions"] == entry["predictions"][:1]


def test_a_detector_draws_its_boxes(tmp_path: Path, photo: Path) -> None:
    recipe = recipe_named("image/shapes")
    torch.manual_seed(0)
    save_checkpoint(objective_of(recipe).build(recipe, 3), tmp_path / "run", recipe=recipe, classes=IMAGE_CLASSES)
    (entry,) = predict(tmp_path / "run", [photo], out=tmp_path / "new")
    assert entry["written"] == ["photo.png"]
    for guess in entry["predictions"]:
        x0, y0, x1, y1 = guess["box"]
        assert 0 <= x0 <= x1 <= 64
        assert 0 <= y0 <= y1 <= 40


def test_files_of_one_name_get_numbers() -> None:
    names: set[str] = set()
    files = ["a/cat.png", "b/cat.jpg", "cat-2.png", "b/CAT.png"]
    assert [free_name(file, names, (".png",)) for file in files] == ["cat", "cat-2", "cat-2-2", "CAT-3"]


def test_no_file_overwrites_what_another_one_wrote(tmp_path: Path, photo: Path) -> None:
    """The picture of `photo.mask.png` would be called like the mask of `photo.png`."""
    names: set[str] = set()
    suffixes = (".png", ".mask.png")
    assert [free_name(file, names, suffixes) for file in ("a.png", "a.mask.png")] == ["a", "a.mask-2"]
    names.clear()
    assert [free_name(file, names, suffixes) for file in ("a.mask.png", "a.png")] == ["a.mask", "a-2"]


def test_the_folder_of_a_killed_call_is_new_again(tmp_path: Path, files: list[Path]) -> None:
    saved_image(tmp_path / "run")
    out = tmp_path / "new"
    (out / ".writing-half").mkdir(parents=True)
    (out / ".writing-half" / "one.png").touch()
    (out / ".lock").touch()
    predict(tmp_path / "run", files, out=out)
    assert [path.name for path in out.iterdir()] == ["predictions.json"]
    with refused("new", "files"):
        predict(tmp_path / "run", files, out=out)


def test_missing_and_foreign_files_are_told(tmp_path: Path, files: list[Path]) -> None:
    saved_image(tmp_path / "run")
    with refused("none.png", "none", "image"):
        predict(tmp_path / "run", [tmp_path / "none.png"])
    (tmp_path / "sound.wav").touch()
    with refused("sound.wav", "'.wav'"):
        predict(tmp_path / "run", [tmp_path / "sound.wav"])


def test_a_category_is_for_models_that_ask_for_one(tmp_path: Path, files: list[Path]) -> None:
    saved_image(tmp_path / "image")
    with refused("--category", "chair"):
        predict(tmp_path / "image", files, category="chair")


def test_a_masked_autoencoder_has_no_classes_to_predict(tmp_path: Path, files: list[Path]) -> None:
    recipe = masked_recipe("image")
    save_checkpoint(build_masked_autoencoder(recipe), tmp_path / "run", recipe=recipe, classes=())
    with refused("run", "classifier") as raised:
        predict(tmp_path / "run", files)
    assert "\n" not in str(raised.value)
    assert "crosspath train RECIPE --from CHECKPOINT" in str(raised.value)
