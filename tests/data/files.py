"""Small files of every modality, and whole data sets of them, written by the tests that read them."""

import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np


def write_image(path: Path, level: int = 128, size: tuple[int, int] = (40, 30)) -> None:
    """A flat grey picture with some grain; `size` is width and height."""
    from PIL import Image

    noise = np.random.default_rng(level).integers(0, 20, (size[1], size[0], 3))
    Image.fromarray((noise + level).clip(0, 255).astype(np.uint8)).save(path)


def wave(seconds: float = 0.5, rate: int = 16000, seed: int = 0) -> np.ndarray:
    """A tone in noise, (samples,) in [-1, 1]."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return 0.3 * np.sin(2 * np.pi * (300 + 100 * seed) * time) + 0.05 * noise


def write_sound(path: Path, seed: int = 0, rate: int = 16000, seconds: float = 0.5) -> None:
    """In the format of its suffix."""
    import soundfile

    soundfile.write(path, wave(seconds, rate, seed), rate)


def write_cloud(path: Path, seed: int = 0, count: int = 50) -> None:
    """A .npy of random points."""
    np.save(path, np.random.default_rng(seed).standard_normal((count, 3)))


def write_clip(
    path: Path,
    levels: Iterable[int],
    *,
    rate: int = 25,
    key_frames_every: int = 250,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    size: int = 32,
) -> None:
    """Frames of flat brightness, lossless with libx264; with `levels` of pairs, the left and the right half."""
    import av

    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = key_frames_every
        stream.options = {"crf": "0"} if codec == "libx264" else {"qscale": "2"}
        for level in levels:
            pixels = np.empty((size, size, 3), np.uint8)
            pixels[:, : size // 2], pixels[:, size // 2 :] = level if isinstance(level, tuple) else (level, level)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def class_folders(
    root: Path,
    write: Callable[[Path, int], None],
    suffix: str,
    classes: Sequence[str] = ("cat", "dog"),
    per_class: int = 6,
) -> Path:
    """`root/<class>/<number><suffix>`, every file with a seed of its own."""
    for place, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            write(root / name / f"{number}{suffix}", 10 * place + number)
    return root


def zipped(folder: Path, target: Path, inside: str = "") -> Path:
    """A zip of everything below `folder`, with `inside` put before every name."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, inside + path.relative_to(folder).as_posix())
    return target


def cut_in_half(path: Path, share: float = 0.5) -> None:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def listing_of(folder: Path) -> list[tuple[str, int, int]]:
    """Every path below a folder with size and time, to show that nothing was touched."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))]
