"""Files are read by suffix, in any case; the common ones are among them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.modalities.load import load_data, read_file
from tests.data.files import class_folders, wave, write_clip
from tests.data.readers.test_pcd import write_pcd


def write_picture(path: Path, seed: int) -> None:
    from PIL import Image

    formats = {".jfif": "JPEG", ".jpe": "JPEG", ".avif": "AVIF", ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".pgm": "PPM"}
    levels = np.full((40, 40, 3), 20 * seed % 256, np.uint8)
    Image.fromarray(levels).convert("L" if path.suffix.lower() == ".pgm" else "RGB").save(
        path, formats[path.suffix.lower()]
    )


def write_recording(path: Path, seed: int) -> None:
    import soundfile

    formats = {".au": "AU", ".oga": "OGG", ".caf": "CAF", ".w64": "W64"}
    soundfile.write(path, wave(0.3, seed=seed), 16000, format=formats[path.suffix.lower()])


def write_film(path: Path, seed: int) -> None:
    """Under a name that the writer knows, then renamed."""
    formats = {".m4v": ".mp4", ".3gp": ".mp4", ".ts": ".ts", ".wmv": ".mkv"}
    plain = path.with_name(f"{path.stem}{formats[path.suffix.lower()]}")
    write_clip(plain, [10 * seed % 200 + 20] * 6)
    plain.rename(path)


def write_scan(path: Path, seed: int) -> None:
    write_pcd(path, np.random.default_rng(seed).standard_normal((30, 3)), "binary")


READ: list[tuple[Data, Callable[[Path, int], None], str]] = [
    *((ImageData(image_size=16), write_picture, end) for end in (".jfif", ".AVIF", ".jp2", ".jpe", ".j2k", ".PGM")),
    *((AudioData(frames=16, mels=16), write_recording, end) for end in (".au", ".AU", ".oga", ".caf", ".w64")),
    *((VideoData(image_size=16, frames=2), write_film, end) for end in (".m4v", ".TS", ".3gp", ".wmv")),
    *((PointData(points=16), write_scan, end) for end in (".pcd", ".PCD")),
]


@pytest.mark.parametrize(
    ("section", "write", "suffix"), READ, ids=[f"{section.modality}{suffix}" for section, _, suffix in READ]
)
def test_a_class_in_a_common_format_is_read(
    section: Data, write: Callable[[Path, int], None], suffix: str, tmp_path: Path
) -> None:
    class_folders(tmp_path / "own", write, suffix, per_class=4)
    section = section.model_copy(update={"folder": tmp_path / "own", "cache_folder": tmp_path / "cache"})
    data = load_data(section, None, 0)
    assert sum(map(len, (data.train, data.validation, data.test))) == 8
    assert data.damaged_files == ()
    values = read_file(section, tmp_path / "own" / "cat" / f"0{suffix}")
    assert values.shape == data.train.inputs.shape[1:]
    assert np.isfinite(values).all()


def test_a_picture_in_an_unusual_format_keeps_its_colours(tmp_path: Path) -> None:
    for suffix in (".jfif", ".avif", ".jp2"):
        write_picture(tmp_path / f"a{suffix}", 5)
        pixels = read_file(ImageData(image_size=16), tmp_path / f"a{suffix}")
        np.testing.assert_allclose(pixels, 100, atol=3)
