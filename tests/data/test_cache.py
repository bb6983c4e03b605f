"""Decoded once, whole or not at all, never in the data folder, and read again without a media reader."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.data.cache import cache_root
from crosspath.data.examples import DataSet
from crosspath.data.readers.image import ImageReader
from crosspath.modalities.load import load_data
from tests.data.files import (
    class_folders,
    cut_in_half,
    listing_of,
    write_clip,
    write_cloud,
    write_image,
    write_sound,
)
from tests.errors import refused


@pytest.fixture
def section(tmp_path: Path) -> ImageData:
    folder = class_folders(tmp_path / "pets", write_image, ".png")
    return ImageData(image_size=8, folder=folder, cache_folder=tmp_path / "cache")


def refuse_to_decode(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(self: ImageReader, path: Path) -> Any:
        raise error

    monkeypatch.setattr(ImageReader, "decode_file", fail)


def folder_of(section: Data) -> Path:
    assert section.folder is not None
    return section.folder


def cache_of(section: Data) -> Path:
    assert section.cache_folder is not None
    return section.cache_folder


def entries(section: Data) -> list[Path]:
    return sorted(path for path in cache_of(section).iterdir() if path.is_dir())


def same(first: DataSet, second: DataSet) -> bool:
    return first.fingerprint == second.fingerprint and all(
        np.array_equal(getattr(first, part).inputs[:], getattr(second, part).inputs[:])
        for part in ("train", "validation", "test")
    )


def test_the_second_reading_decodes_nothing(section: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[tuple[int, int]] = []
    first = load_data(section, None, 0, lambda done, total: messages.append((done, total)))
    assert messages[-1] == (12, 12)
    refuse_to_decode(monkeypatch, AssertionError("decoded"))
    second = load_data(section, None, 1, lambda *_: pytest.fail("progress without decoding"))
    assert same(first, second)
    assert second.notes == ()


def test_samples_are_mapped_not_loaded(section: ImageData) -> None:
    data = load_data(section, None, 0)
    assert isinstance(data.train.inputs.array, np.memmap)
    assert data.train.inputs.shape == (len(data.train), 3, 8, 8)
    assert data.train.inputs[0].shape == (3, 8, 8)
    assert data.train.inputs[[1, 0]].shape == (2, 3, 8, 8)


def touch(folder: Path) -> None:
    os.utime(folder / "cat" / "0.png", (1, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: write_image(folder / "cat" / "0.png", 200),
        touch,
        lambda folder: write_image(folder / "cat" / "new.png", 1),
        lambda folder: (folder / "cat" / "0.png").unlink(),
        lambda folder: (folder / "cat" / "0.png").rename(folder / "dog" / "x.png"),
    ],
)
def test_a_changed_folder_is_decoded_again(section: ImageData, change: Callable[[Path], None]) -> None:
    first = load_data(section, None, 0)
    before = entries(section)
    change(folder_of(section))
    second = load_data(section, None, 0)
    assert len(entries(section)) == len(before) + 1
    # Only where pixels, names or classes changed are the results other ones.
    assert (second.fingerprint == first.fingerprint) == (change is touch)


def test_another_size_is_another_entry(section: ImageData) -> None:
    load_data(section, None, 0)
    other = load_data(section.model_copy(update={"image_size": 4}), None, 0)
    assert other.train.inputs.shape[1:] == (3, 4, 4)
    assert len(entries(section)) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("lost")])
def test_an_interrupted_decoding_leaves_nothing(
    section: ImageData, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    refuse_to_decode(monkeypatch, error)
    with pytest.raises(type(error)):
        load_data(section, None, 0)
    assert listing_of(cache_of(section)) == []
    monkeypatch.undo()
    assert len(load_data(section, None, 0).train)


@pytest.mark.parametrize("name", ["manifest.json", "inputs.npy"])
@pytest.mark.parametrize("content", [b"", b"x", b"{}", b"[]", None, b'{"format_version": 1, "key": 3}'])
def test_a_damaged_entry_is_rebuilt(section: ImageData, name: str, content: bytes | None) -> None:
    first = load_data(section, None, 0).train.inputs[:].copy()
    (entry,) = entries(section)
    if content is None:
        (entry / name).unlink()
    else:
        (entry / name).write_bytes(content)
    np.testing.assert_array_equal(load_data(section, None, 0).train.inputs[:], first)
    assert entries(section) == [entry]


def test_half_an_entry_is_rebuilt(section: ImageData) -> None:
    samples = load_data(section, None, 0).train.inputs[:]
    (entry,) = entries(section)
    for name in ("inputs.npy", "manifest.json"):
        cut_in_half(entry / name)
        np.testing.assert_array_equal(load_data(section, None, 0).train.inputs[:], samples)
    manifest = json.loads((entry / "manifest.json").read_text())
    manifest["labels"].pop()
    (entry / "manifest.json").write_text(json.dumps(manifest))
    np.testing.assert_array_equal(load_data(section, None, 0).train.inputs[:], samples)


def flip(path: Path, *places: int) -> None:
    content = bytearray(path.read_bytes())
    for place in places:
        content[place] ^= 1
    path.write_bytes(content)


def reverse_labels(entry: Path) -> None:
    manifest = json.loads((entry / "manifest.json").read_text())
    manifest["labels"].reverse()
    (entry / "manifest.json").write_text(json.dumps(manifest))


def swap_sides(entry: Path) -> None:
    """The same bytes, read as samples of another shape."""
    content = (entry / "inputs.npy").read_bytes()
    (entry / "inputs.npy").write_bytes(content.replace(b"3, 8, 8)", b"8, 8, 3)"))


@pytest.mark.parametrize(
    "damage", [lambda entry: flip(entry / "inputs.npy", -1, -200, -2000), reverse_labels, swap_sides]
)
def test_an_entry_that_is_whole_but_not_what_was_written_is_rebuilt_with_a_note(
    section: ImageData, damage: Callable[[Path], None]
) -> None:
    first = load_data(section, None, 0)
    samples = first.train.inputs[:].copy()
    (entry,) = entries(section)
    damage(entry)
    second = load_data(section, None, 0)
    np.testing.assert_array_equal(second.train.inputs[:], samples)
    assert second.fingerprint == first.fingerprint
    assert entry.name in second.notes[0]
    assert load_data(section, None, 0).notes == ()


def test_samples_are_checked_once_in_a_process(section: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    load_data(section, None, 0)
    digests: list[str] = []
    original = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: digests.append(kind) or original(file, kind))
    load_data(section, None, 0)
    assert digests == []


def test_a_damaged_cache_without_the_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.data.readers.test_audio import esc_folder

    section = AudioData(dataset="esc10", frames=8, mels=8, cache_folder=tmp_path / "cache")
    load_data(section, esc_folder(tmp_path / "data"), 0)
    (entry,) = entries(section)
    flip(entry / "inputs.npy", -1)
    monkeypatch.delenv("CROSSPATH_DATA", raising=False)
    monkeypatch.setattr("crosspath.modalities.load.data_root", lambda named: named or tmp_path / "nowhere")
    with refused(entry.name):
        load_data(section, None, 0)


def test_writers_at_the_same_time_agree(section: ImageData) -> None:
    all_decoded = threading.Barrier(3, timeout=20)
    actual: list[DataSet] = []

    def meet(done: int, total: int) -> None:
        all_decoded.wait()

    def write() -> None:
        actual.append(load_data(section, None, 0, meet))

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(actual) == 3
    assert same(actual[0], actual[1])
    assert same(actual[0], actual[2])
    assert len(entries(section)) == 1
    assert not [path for path in cache_of(section).iterdir() if path.name.endswith(".tmp")]


def test_the_data_folder_is_never_touched(section: ImageData) -> None:
    before = listing_of(folder_of(section))
    load_data(section, None, 0)
    assert listing_of(folder_of(section)) == before


def test_a_prepared_cache_stands_in_where_no_data_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.data.readers.test_audio import esc_folder

    section = AudioData(dataset="esc10", frames=8, mels=8, cache_folder=tmp_path / "cache")
    root = esc_folder(tmp_path / "data")
    first = load_data(section, root, 0)
    (root / "esc10").rename(root / "gone")
    monkeypatch.delenv("CROSSPATH_DATA", raising=False)
    monkeypatch.setattr("crosspath.modalities.load.data_root", lambda named: named or tmp_path / "nowhere")
    second = load_data(section, None, 0)
    assert same(first, second)
    assert second.notes == (f"{tmp_path / 'nowhere'} is absent: read from the prepared cache",)
    with refused("esc10", "folder"):
        load_data(section.model_copy(update={"mels": 4}), None, 0)
    # Other folds are another set.
    with refused("esc10", "folder"):
        load_data(section.model_copy(update={"test_fold": 2}), None, 0)


def test_a_data_folder_that_was_named_and_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    from tests.data.readers.test_audio import esc_folder

    section = AudioData(dataset="esc10", frames=8, mels=8, cache_folder=tmp_path / "cache")
    root = esc_folder(tmp_path / "data")
    load_data(section, root, 0)
    (root / "esc10").rename(root / "gone")
    with refused("esc10", "folder"):
        load_data(section, root, 0)


def test_another_folder_of_the_same_name_is_no_stand_in(section: ImageData, tmp_path: Path) -> None:
    load_data(section, None, 0)
    with refused("pets", "nothing there", "--data"):
        load_data(section.model_copy(update={"folder": tmp_path / "elsewhere" / "pets"}), None, 0)


def test_the_cache_folder_is_the_named_one_else_the_environments_else_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_root(tmp_path / "a") == tmp_path / "a"
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "b"))
    assert cache_root(None) == tmp_path / "b"
    monkeypatch.delenv("CROSSPATH_CACHE")
    assert cache_root(None).name == "crosspath"


def test_a_cache_folder_that_cannot_be_written_is_named(section: ImageData, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with refused("cache", "--set", "data.cache_folder=DIR", "CROSSPATH_CACHE"):
        load_data(section.model_copy(update={"cache_folder": tmp_path / "file" / "cache"}), None, 0)


def test_a_prepared_cache_needs_no_media_reader(tmp_path: Path) -> None:
    sections: list[Data] = [
        ImageData(image_size=8, folder=class_folders(tmp_path / "images", write_image, ".png")),
        AudioData(frames=8, mels=8, folder=class_folders(tmp_path / "sounds", write_sound, ".wav")),
        PointData(points=8, folder=class_folders(tmp_path / "clouds", write_cloud, ".npy")),
        VideoData(
            frames=2,
            image_size=8,
            folder=class_folders(tmp_path / "clips", lambda path, seed: write_clip(path, [seed, 0]), ".mp4"),
        ),
    ]
    for section in sections:
        load_data(section, None, 0)
    described = [section.model_dump(mode="json") for section in sections]
    code = (
        "import json, sys\n"
        "from pydantic import TypeAdapter\n"
        "from crosspath.config.data import Data\n"
        "from crosspath.modalities.load import load_data\n"
        "readers = ('av', 'soundfile', 'soxr', 'h5py', 'trimesh', 'PIL')\n"
        "sys.modules.update(dict.fromkeys(readers))\n"
        "for section in json.loads(sys.argv[1]):\n"
        "    data = load_data(TypeAdapter(Data).validate_python(section), None, 0)\n"
        "    print(len(data.train), data.train.inputs[:].shape)\n"
        "print([name for name in readers if sys.modules[name] is not None])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, json.dumps(described)], capture_output=True, text=True, check=False
    )
    assert ended.stdout.splitlines() == [
        "8 (8, 3, 8, 8)",
        "8 (8, 8, 8)",
        "8 (8, 8, 3)",
        "8 (8, 3, 2, 8, 8)",
        "[]",
    ], ended.stderr
