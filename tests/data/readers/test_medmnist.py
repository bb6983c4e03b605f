"""MedMNIST's `.npz`: its parts, one label or several, pictures of any size, and files that are something else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosspath.catalogue.recognise import guess_section, own_recipe
from crosspath.cli.main import main
from crosspath.config.data import ImageData
from crosspath.modalities.load import load_data
from tests.errors import refused

COUNTS = {"train": 9, "val": 4, "test": 5}


def arrays(columns: int = 1, shape: tuple[int, ...] = (28, 28, 3)) -> dict[str, np.ndarray]:
    """Pictures of noise; class numbers 0 to 2, or 0 and 1 in several columns."""
    random = np.random.default_rng(0)
    result = {}
    for part, count in COUNTS.items():
        result[f"{part}_images"] = random.integers(0, 256, (count, *shape), np.uint8)
        numbers = np.arange(count) % 3 if columns == 1 else random.integers(0, 2, (count, columns))
        result[f"{part}_labels"] = numbers.reshape(count, columns).astype(np.uint8)
    return result


def write(folder: Path, values: dict[str, Any]) -> Path:
    np.savez_compressed(folder / "own.npz", **values)
    return folder / "own.npz"


def section(path: Path, **settings: Any) -> ImageData:
    return ImageData(folder=path, cache_folder=path.parent / "cache", image_size=28, **settings)


@pytest.mark.parametrize("shape", [(28, 28, 3), (28, 28)])
def test_the_three_parts_are_read_bit_by_bit(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = arrays(shape=shape)
    data = load_data(section(write(tmp_path, values)), None, seed=0)
    assert data.classes == ("0", "1", "2")
    for part, examples in (("train", data.train), ("val", data.validation), ("test", data.test)):
        pictures = values[f"{part}_images"]
        colours = pictures if len(shape) == 3 else np.repeat(pictures[..., None], 3, axis=-1)
        np.testing.assert_array_equal(examples.inputs, colours.transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(examples.labels, values[f"{part}_labels"][:, 0])


def test_its_own_recipe_is_advised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, arrays())
    assert main(["data", "show", str(path)]) == 0
    assert "recipe: image/medmnist" in capsys.readouterr().out
    recipe = own_recipe(guess_section(path))
    assert recipe is not None
    assert (recipe.name, recipe.data.image_size) == ("image/medmnist", 28)  # type: ignore[attr-defined]


def test_rows_are_read_in_any_order(tmp_path: Path) -> None:
    values = arrays()
    path = write(tmp_path, values)
    streamed = load_data(section(path, stream=True), None, seed=0).train
    rows = [8, 0, 3, 3, 7]
    np.testing.assert_array_equal(
        [np.asarray(streamed.inputs[row]) for row in rows], values["train_images"][rows].transpose(0, 3, 1, 2)
    )


def test_several_labels_need_to_be_asked_for(tmp_path: Path) -> None:
    values = arrays(columns=5)
    path = write(tmp_path, values)
    with refused(path, "data.multi_label=true", "5 columns"):
        load_data(section(path), None, seed=0)
    data = load_data(section(path, multi_label=True), None, seed=0)
    np.testing.assert_array_equal(data.train.labels, values["train_labels"])


def test_the_file_is_recognised_and_other_arrays_are_not(tmp_path: Path) -> None:
    path = write(tmp_path, arrays())
    found = guess_section(path)
    assert (found.modality, found.folder) == ("image", path)
    other = tmp_path / "features.npz"
    np.savez(other, x=np.zeros(3))
    with refused(other, "val_labels"):
        load_data(section(other), None, seed=0)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("train_images", np.zeros((9, 28, 28, 28), np.uint8), "volumes"),
        ("train_images", np.zeros((9, 28), np.uint8), "(9, 28)"),
        ("train_images", np.zeros((9, 28, 28), np.float32), "float32"),
        ("train_labels", np.zeros((8, 1), np.uint8), "train_labels"),
        ("train_labels", np.full((9, 1), -1, np.int8), "train_labels"),
        ("test_labels", np.zeros((5, 1), np.float64), "test_labels"),
        ("val_labels", np.zeros((4, 2), np.uint8), "columns"),
        ("val_labels", np.array([[None]] * 4), "damaged"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, name: str, value: np.ndarray, word: str) -> None:
    path = write(tmp_path, arrays() | {name: value})
    with refused(path, word):
        load_data(section(path), None, seed=0)


def test_a_file_that_was_cut_or_altered_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, arrays())
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with refused(path, "damaged"):
        load_data(section(path), None, seed=0)
    content[2000] ^= 0xFF  # inside the compressed pictures of the first array
    path.write_bytes(content)
    with refused(path):
        load_data(section(path), None, seed=0)
