"""A small file that asks for much is refused before it is read; a limit can be set, and is named where it is met."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from PIL import Image

from crosspath.config.data import AudioData, ImageData, PointData, VideoData
from crosspath.data.items import DamageError
from crosspath.data.log_mel import samples_of
from crosspath.data.readers import audio
from crosspath.data.readers.film_stream import open_film
from crosspath.data.readers.pictures import read_picture
from crosspath.data.readers.sound_file import decode_wave
from crosspath.limits import LIMITS, PIXELS, changed_limits
from crosspath.modalities.load import load_data, read_file, reader_of
from tests.data.files import class_folders, write_clip, write_cloud, write_image, write_sound
from tests.errors import refused

MODELNET = PointData(dataset="modelnet10", points=16)


@contextmanager
def little_memory(most: int = 20_000_000) -> Iterator[None]:
    """The block takes at most this many bytes of Python's and numpy's memory."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def png(width: int, height: int) -> io.BytesIO:
    """The header of a picture of any size, and nothing else of it."""
    import zlib

    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return io.BytesIO(head + struct.pack(">I", 1000) + b"IDAT" + bytes(1000))


def modelnet(folder: Path, rows: int, points: int = 16, labels: int | None = None) -> Path:
    """The published layout, with datasets that promise rows and hold none; returns the training file."""
    root = folder / "modelnet10"
    root.mkdir(parents=True)
    (root / "shape_names.txt").write_text("chair\ndesk\n")
    for part in ("train", "test"):
        (root / f"{part}_files.txt").write_text(f"{part}.h5\n")
        with h5py.File(root / f"{part}.h5", "w") as file:
            file.create_dataset("data", (rows, points, 3), "f4", chunks=(1, 16, 3))
            file.create_dataset("label", (labels or rows,), "i8", chunks=(8,))
    return root / "train.h5"


def test_rows_that_an_h5_file_promises_are_counted_before_they_are_read(tmp_path: Path) -> None:
    assert modelnet(tmp_path, 10**9).stat().st_size < 10_000
    with little_memory(), refused("train.h5", "CROSSPATH_MAX_SAMPLES=1000000000"):
        load_data(MODELNET, tmp_path, 0)


def test_labels_are_counted_before_they_are_read(tmp_path: Path) -> None:
    modelnet(tmp_path, 8, labels=900_000_000)
    with little_memory(), refused("train.h5", "CROSSPATH_MAX_SAMPLES=900000000"):
        load_data(MODELNET, tmp_path, 0)


def test_one_row_of_an_h5_file_is_no_larger_than_a_sample(tmp_path: Path) -> None:
    modelnet(tmp_path, 8, points=10**9)
    with little_memory(), refused("train.h5", "CROSSPATH_MAX_BYTES=12000000000"):
        load_data(MODELNET, tmp_path, 0)


def test_an_h5_file_leads_to_no_other_file(tmp_path: Path) -> None:
    path = modelnet(tmp_path, 8)
    path.rename(other := tmp_path / "other.h5")
    for link in (h5py.ExternalLink(str(other), "data"), None):
        with h5py.File(path, "w") as file:
            if link is None:
                layout = h5py.VirtualLayout((8, 16, 3), "f4")
                layout[:] = h5py.VirtualSource(str(other), "data", (8, 16, 3))
                file.create_virtual_dataset("data", layout)
            else:
                file["data"] = link
            file["label"] = np.zeros(8, int)
        with refused("train.h5", "another file"):
            load_data(MODELNET, tmp_path, 0)


def test_a_picture_is_measured_before_it_is_decoded() -> None:
    for width, height in ((13_300, 13_300), (40_000, 40_000)):
        with little_memory(), pytest.raises(DamageError, match=PIXELS.variable):
            read_picture(png(width, height))


def test_a_picture_of_one_row_does_not_become_a_large_one(tmp_path: Path) -> None:
    Image.new("L", (600_000, 1)).save(tmp_path / "long.png")
    with little_memory(), refused("long.png", "CROSSPATH_MAX_PIXELS=30105600000"):
        read_file(ImageData(image_size=224), tmp_path / "long.png")


def test_a_member_of_a_zip_is_measured_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSPATH_MAX_BYTES", "100000")
    with zipfile.ZipFile(tmp_path / "pets.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"):
            archive.writestr(name, bytes(200_000))
    with refused("0.png", "CROSSPATH_MAX_BYTES=200000"):
        load_data(ImageData(folder=tmp_path / "pets.zip", cache_folder=tmp_path / "cache"), None, 0)


@pytest.mark.parametrize("name", ["long.wav", "long.flac", "long.mp3"])
def test_a_long_recording_is_refused_by_its_seconds(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSPATH_MAX_SECONDS", "5")
    soundfile.write(tmp_path / name, np.sin(np.arange(8 * 8000) / 9) / 2, 8000)
    with pytest.raises(DamageError, match="CROSSPATH_MAX_SECONDS="):
        decode_wave(tmp_path / name)
    monkeypatch.setenv("CROSSPATH_MAX_SECONDS", "9")
    wave, _ = decode_wave(tmp_path / name)
    assert len(wave) >= 8 * 8000


def test_a_stream_is_counted_while_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by FFmpeg, whose headers may state any length."""
    import av

    monkeypatch.setenv("CROSSPATH_MAX_SECONDS", "5")
    with av.open(str(tmp_path / "long.mka"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        for start in range(0, 8 * 8000, 1024):
            samples = np.sin(np.arange(start, start + 1024) / 9)[None].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(DamageError, match="CROSSPATH_MAX_SECONDS="):
        decode_wave(tmp_path / "long.mka")


def test_hours_of_silence_in_a_small_file_are_not_decoded(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "hours.flac", "w", 8_000, 1) as file:
        for _ in range(2 * 3600 // 60):
            file.write(np.zeros(8_000 * 60, np.int16))
    assert (tmp_path / "hours.flac").stat().st_size < 500_000
    with little_memory(), refused("hours.flac", "CROSSPATH_MAX_SECONDS=7200"):
        read_file(AudioData(frames=8, mels=8), tmp_path / "hours.flac")


def test_a_long_recording_has_the_frames_of_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    section = AudioData(frames=8, mels=8)
    reader = reader_of(section)
    assert isinstance(reader, audio.AudioReader)
    wave = np.random.default_rng(0).standard_normal(16000 * 30).astype(np.float32) / 9
    assert len(wave) > audio.LONG * samples_of(8, 16000)
    with little_memory():
        cut = reader.frames_of(wave)
    monkeypatch.setattr(audio, "LONG", 1 << 40)
    np.testing.assert_allclose(cut, reader.frames_of(wave), rtol=1e-5)


def test_a_film_of_large_frames_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "film.mp4", [10, 200, 90])
    read_file(VideoData(frames=2, image_size=8), tmp_path / "film.mp4")
    with open_film(str(tmp_path / "film.mp4")) as (_, stream):
        pixels = stream.width * stream.height
    monkeypatch.setenv("CROSSPATH_MAX_PIXELS", str(pixels - 1))
    with refused("film.mp4", f"CROSSPATH_MAX_PIXELS={pixels}"):
        read_file(VideoData(frames=2, image_size=8), tmp_path / "film.mp4")


@pytest.mark.parametrize("name", ["cloud.npy", "cloud.xyz", "cloud.pcd", "mesh.off"])
def test_a_file_of_many_bytes_is_measured_before_it_is_read(tmp_path: Path, name: str) -> None:
    """As a hole: the disk holds none of them."""
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 40)
    with little_memory(), refused(name, f"CROSSPATH_MAX_BYTES={1 << 40}"):
        read_file(PointData(points=8), tmp_path / name)


def test_a_table_of_many_bytes_is_measured_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "table.csv").open("wb") as file:
        file.truncate(1 << 40)
    with little_memory(), refused("table.csv", "CROSSPATH_MAX_BYTES"):
        load_data(AudioData(folder=tmp_path, csv="table.csv"), None, 0)


def test_another_limit_makes_another_cache_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a lower limit left out must come back."""
    folder = class_folders(tmp_path / "pets", write_image, ".png")
    Image.new("RGB", (100, 100)).save(folder / "cat" / "large.png")
    section = ImageData(image_size=8, folder=folder, cache_folder=tmp_path / "cache", skip_damaged=True)
    monkeypatch.setenv("CROSSPATH_MAX_PIXELS", "9999")
    assert [file.path.name for file in load_data(section, None, 0).damaged_files] == ["large.png"]
    monkeypatch.setenv("CROSSPATH_MAX_PIXELS", "10000")
    assert load_data(section, None, 0).damaged_files == ()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1e9", "9" * 30])
def test_a_limit_is_a_whole_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert changed_limits() == {}
    monkeypatch.setenv(PIXELS.variable, text)
    with refused(PIXELS.variable):
        read_picture(png(8, 8))


def test_limits_are_far_above_what_the_other_tests_write(tmp_path: Path) -> None:
    writers: list[tuple[Callable[[Path, int], None], str]] = [
        (write_image, "a.png"),
        (write_sound, "a.wav"),
        (write_cloud, "a.npy"),
    ]
    for write, name in writers:
        write(tmp_path / name, 1)
        assert (tmp_path / name).stat().st_size < min(limit.default for limit in LIMITS if limit.unit == "bytes") / 100


def test_the_variables_are_in_the_pages() -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
    assert all(f"`{limit.variable}`" in page for limit in LIMITS)
