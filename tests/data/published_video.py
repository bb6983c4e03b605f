"""Small generated sets of videos, laid out on disk exactly as the real ones are published.

A frame's brightness tells its number, and its colours tell how far along the long side a pixel lies.
"""

from pathlib import Path

import numpy as np

STEP = 4
"""Grey levels from one frame to the next."""
LEVELS = 48


def frame(number: int, width: int, height: int, tint: int = 0) -> np.ndarray:
    """(height, width, 3): red tells the frame's number, green the place along the long side, blue is `tint`."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[..., 0] = 32 + STEP * (number % LEVELS)
    along = np.linspace(32, 224, max(width, height)).round().astype(np.uint8)
    pixels[..., 1] = along if width >= height else along[:, None]
    pixels[..., 2] = tint
    return pixels


def number_of(pixels: np.ndarray) -> int:
    """The number, below 48, of the frame of which these are pixels (..., 3)."""
    return round((float(pixels[..., 0].mean()) - 32) / STEP)


def write_video(path: Path, frames: int, width: int = 48, height: int = 32, tint: int = 0) -> None:
    """Lossless, with the colours as they are."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
        stream.options = {"crf": "0"}
        for number in range(frames):
            pixels = frame(number, width, height, tint)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def write_kinetics(
    root: Path,
    name: str = "k400",
    classes: int = 2,
    train: int = 4,
    val: int = 2,
    test: int = 0,
    frames: int = 40,
    width: int = 48,
    height: int = 32,
) -> Path:
    """Clips of each class in `videos/`, named by the lists `train.csv` and `val.csv`, and `test.csv` where `test` is
    not 0; returns the set's folder, `root/name`.
    """
    folder = root / name
    (folder / "videos").mkdir(parents=True)
    for part, count in (("train", train), ("val", val), ("test", test)):
        rows = []
        for number in range(count):
            for label in range(classes):
                path = f"videos/{part} {label}-{number}.mp4"  # real names hold blanks, too
                write_video(folder / path, frames, width, height, tint=255 * label // max(1, classes - 1))
                rows.append(f"{path} {label}\n")
        if rows:
            (folder / f"{part}.csv").write_text("".join(rows))
    return folder


def write_ssv2(
    root: Path,
    classes: int = 2,
    train: int = 4,
    val: int = 2,
    frames: int = 20,
    width: int = 48,
    height: int = 32,
) -> Path:
    """Folders of pictures of each class in `frames/`, named by `train.csv` and `val.csv`; returns the set's folder."""
    from PIL import Image

    folder = root / "ssv2"
    for part, count in (("train", train), ("val", val)):
        rows = []
        for number in range(count):
            for label in range(classes):
                path = folder / "frames" / f"{part}{label}{number}"
                path.mkdir(parents=True)
                for index in range(frames):
                    pixels = frame(index, width, height, 255 * label // max(1, classes - 1))
                    Image.fromarray(pixels).save(path / f"img_{index + 1:05d}.jpg", quality=95, subsampling=0)
                rows.append(f"frames/{path.name} {frames} {label}\n")
        (folder / f"{part}.csv").write_text("".join(rows))
    return folder
