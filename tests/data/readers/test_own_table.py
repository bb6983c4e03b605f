"""A table that is named says the labels of pictures and clouds, in whatever layout their files lie."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crosspath.config.data import AudioData, ImageData, PointData, SeriesData, VideoData
from crosspath.data.items import Listing
from crosspath.data.readers.audio import AudioReader
from crosspath.data.readers.image import ImageReader
from crosspath.data.readers.points import PointReader
from crosspath.data.readers.series import SeriesReader
from crosspath.data.readers.video import VideoReader
from tests.data.files import write_cloud, write_image, zipped
from tests.data.published_masks import write_masked, write_own_masks
from tests.errors import refused


def write_table(folder: Path, names: Sequence[str], labels: Sequence[object], name: str = "list.csv") -> None:
    rows = [f"{file},{label}" for file, label in zip(names, labels, strict=True)]
    (folder / name).write_text("\n".join(["file,label", *rows]))


def labels(listing: Listing) -> dict[str, object]:
    return {item.id: item.label for item in listing.items}


def test_a_table_goes_before_the_names_of_objects(tmp_path: Path) -> None:
    names = [f"00000{number}_Car_0.bin" for number in range(4)]
    for number, name in enumerate(names):
        np.random.default_rng(number).random((20, 4)).astype("<f4").tofile(tmp_path / name)
    write_table(tmp_path, names, ["near", "far"] * 2)
    listing = PointReader(PointData(csv="list.csv")).listing(tmp_path)
    assert listing.classes == ("far", "near")
    assert labels(listing) == dict(zip(names, [1, 0] * 2, strict=True))
    assert PointReader(PointData()).listing(tmp_path).classes == ("Car",)


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_table_goes_before_masks(tmp_path: Path, kind: str) -> None:
    names = [f"{number}.png" for number in range(4)]
    for number, name in enumerate(names):
        write_masked(tmp_path, name.removesuffix(".png"), np.full((4, 4), number, np.uint8))
    write_table(tmp_path, [f"images/{name}" for name in names], [0.5, 1.5] * 2, "labels.csv")
    section = ImageData(csv="labels.csv") if kind == "classes" else ImageData(label_kind="numbers")
    listing = ImageReader(section).listing(tmp_path)
    assert listing.classes == (("0.5", "1.5") if kind == "classes" else ("label",))
    assert sorted(labels(listing)) == [f"images/{name}" for name in names]


def test_a_table_beside_a_zip_is_refused(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        write_image(tmp_path / "set" / name / "a.png")
    archive = zipped(tmp_path / "set", tmp_path / "set.zip")
    with refused("data.csv=list.csv", "set.zip", "unpack"):
        ImageReader(ImageData(csv="list.csv")).listing(archive)
    with refused(archive, "unpack"):
        ImageReader(ImageData(label_kind="numbers")).listing(archive)


def test_a_table_that_is_not_read_is_noted(tmp_path: Path) -> None:
    write_own_masks(tmp_path / "masks")
    write_table(tmp_path / "masks", [], [])
    [note] = ImageReader(ImageData(csv="list.csv", label_kind="dense")).listing(tmp_path / "masks").notes
    assert "data.csv=list.csv is not read" in note
    for name in ("train/a", "val/a"):
        (tmp_path / "imagenet" / name).mkdir(parents=True)
        write_image(tmp_path / "imagenet" / name / "a.png")
    [note] = ImageReader(ImageData(csv="list.csv", dataset="imagenet")).listing(tmp_path).notes
    assert "labels of imagenet" in note


def test_class_folders_without_a_table_are_what_they_were(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        write_cloud(tmp_path / name / "a.npy")
    listing = PointReader(PointData()).listing(tmp_path)
    assert (listing.classes, listing.notes) == (("cat", "dog"), ())


def test_columns_of_a_table_that_is_not_there_are_noted(tmp_path: Path) -> None:
    columns = {"label_column": "kind", "split_column": "part", "label_columns": ("a", "b"), "multi_label": True}
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "a.png")
        for suffix in (".wav", ".mp4", ".npy"):
            (tmp_path / name / f"a{suffix}").write_bytes(b"")
    listings = [
        ImageReader(ImageData(dataset="folder", **columns)),  # type: ignore[arg-type]
        AudioReader(AudioData(dataset="folder", **columns)),  # type: ignore[arg-type]
        VideoReader(VideoData(dataset="folder", **columns)),  # type: ignore[arg-type]
        SeriesReader(SeriesData(**columns)),  # type: ignore[arg-type]
    ]
    for reader in listings:
        notes = reader.listing(tmp_path).notes
        for name in ("label_column=kind", "split_column=part", "label_columns=a, b"):
            assert any(f"data.{name} is not read" in note for note in notes), (reader, notes)
