"""Input paths: files to samples, and samples to batches, against plain loops and the libraries that people use.

All files are generated. Times are seconds of the processor, which other programs disturb less than the clock.
"""

import io
import tempfile
import time
import wave
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import torch
from PIL import Image
from scipy.spatial import cKDTree
from timm.data import create_transform
from timm.data.random_erasing import RandomErasing
from torchvision import transforms
from transformers import ASTFeatureExtractor

from benchmarks.tables import Cell, Table
from benchmarks.timing import interleave, median_with_interval, ratio, timer
from crosspath.config.augment import ImageAugment
from crosspath.config.data import AudioData, ImageData, PointData, VideoData
from crosspath.data.decoding import decode_items
from crosspath.data.log_mel import log_mel
from crosspath.data.readers.audio import AudioReader
from crosspath.data.readers.image import ImageReader
from crosspath.data.readers.points import PointReader
from crosspath.data.readers.video import VideoReader
from crosspath.data.views.augment import augment_images
from crosspath.data.views.draws import Draws
from crosspath.data.views.frame_views import frames_view
from crosspath.tokenizers.grouping import farthest_point_sample, gather_points, nearest_neighbours

Work = Callable[[], object]
RATE_HZ, MELS, SECONDS = 16_000, 128, 5
POLICY = "rand-m9-mstd0.5-inc1"


def measure(*, short: bool) -> list[Table]:
    """One table: each path with the time of ours, and its ratio to each other way."""
    rows: list[tuple[Cell, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in (small_pictures, pictures, picture_views, picture_batches, recordings, clouds, groups, clips):
            torch.manual_seed(0)
            with part(folder) as (label, samples, ours, others):
                variants = {"ours": timer(ours, time.process_time)}
                variants |= {key: timer(work, time.process_time) for key, work in others.items()}
                times = interleave(variants, 11 if short else 41, warm=2)
            each_ms = median_with_interval([1e3 * seconds / samples for seconds in times["ours"]])
            rows += [(label, other, each_ms, ratio(times["ours"], times[other])) for other in others]
    columns = ("path", "compared with", "ours, ms a sample", "ours / other")
    notes = ("Below 1, ours is faster. Ours also checks what it reads: truncation, damage, limits, sample types.",)
    return [Table("From files to batches", columns, tuple(rows), notes)]


Part = tuple[str, int, Work, dict[str, Work]]
"""What is read, the number of samples, our way, and the others."""


@contextmanager
def small_pictures(folder: Path) -> Iterator[Part]:
    """Pictures as in CIFAR-10, in a zip."""
    path, count = folder / "small.zip", 200
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"{number % 2}/{number}.jpg", _jpeg(32, 32, number))
    reader = ImageReader(ImageData(dataset="folder", image_size=32))
    items = reader.listing(path).items

    def naive() -> list[Any]:
        with zipfile.ZipFile(path) as archive:
            files = [io.BytesIO(archive.read(str(item.inside))) for item in items]
            return [np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1) for file in files]

    yield "decode JPEG, 32 px, in a zip", count, lambda: list(decode_items(reader, items, None)), {"PIL, a loop": naive}


@contextmanager
def pictures(folder: Path) -> Iterator[Part]:
    """Pictures of a camera's proportions as files."""
    paths = []
    for number in range(8):
        paths.append(folder / f"{number}.jpg")
        paths[-1].write_bytes(_jpeg(400, 300, number))
    reader = ImageReader(ImageData(dataset="folder", image_size=224))
    bicubic = transforms.InterpolationMode.BICUBIC
    steps = transforms.Compose([transforms.Resize(224, bicubic), transforms.CenterCrop(224), transforms.PILToTensor()])

    def with_torchvision() -> list[Any]:
        return [steps(Image.open(path).convert("RGB")) for path in paths]

    others: dict[str, Work] = {"PIL and torchvision, a loop": with_torchvision}
    yield "decode JPEG, 400 x 300 to 224 px", 8, lambda: [reader.decode_file(path) for path in paths], others


@contextmanager
def picture_views(folder: Path) -> Iterator[Part]:
    """Random crops with RandAugment."""
    images = [Image.open(io.BytesIO(_jpeg(400, 300, number))).convert("RGB") for number in range(8)]
    data = ImageData(dataset="folder", image_size=224)
    section = ImageAugment(resized_crop=(0.08, 1.0), rand_augment=POLICY)
    theirs = create_transform(
        224, is_training=True, auto_augment=POLICY, interpolation="bicubic", hflip=0.0, use_prefetcher=True
    )

    def ours() -> list[Any]:
        return [frames_view([image], data, section, 0, 0, number) for number, image in enumerate(images)]

    others: dict[str, Work] = {"timm's transforms": lambda: [theirs(image) for image in images]}
    yield "random crop and RandAugment, 224 px", 8, ours, others


@contextmanager
def picture_batches(folder: Path) -> Iterator[Part]:
    """Padded crop, flip and random erasing of a batch."""
    batch_BCHW = torch.randn(16, 3, 224, 224)
    section, data = ImageAugment(crop_padding=8, flip=0.5, erasing=0.25), ImageData(dataset="folder", image_size=224)
    draws = Draws(0, 0, torch.arange(16), torch.device("cpu"))
    erase = RandomErasing(probability=0.25, mode="pixel", device="cpu")
    move = transforms.Compose(
        [transforms.RandomCrop(224, padding=8, padding_mode="reflect"), transforms.RandomHorizontalFlip()]
    )

    def theirs() -> Any:
        return erase(torch.stack([move(image) for image in batch_BCHW]))

    others: dict[str, Work] = {"torchvision and timm": theirs}
    yield "crop, flip, erase a batch, 224 px", 16, lambda: augment_images(section, data, batch_BCHW, draws), others


@contextmanager
def recordings(folder: Path) -> Iterator[Part]:
    """Log-mel frames of recordings of five seconds."""
    paths = [folder / f"{number}.wav" for number in range(4)]
    generator = np.random.default_rng(0)
    for path in paths:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(generator.integers(-9000, 9000, RATE_HZ * SECONDS).astype("<i2").tobytes())
    reader = AudioReader(AudioData(dataset="folder", sample_rate_hz=RATE_HZ, mels=MELS, frames=100 * SECONDS))
    extractor = ASTFeatureExtractor(max_length=100 * SECONDS, do_normalize=False)

    def read(path: Path) -> Any:
        samples, _ = soundfile.read(path, dtype="float32")
        return samples - samples.mean()

    waves = torch.from_numpy(np.stack([read(path) for path in paths]))
    others: dict[str, Work] = {
        "soundfile and AST's extractor": lambda: [extractor(read(path), sampling_rate=RATE_HZ) for path in paths],
        "soundfile and numpy": lambda: [_numpy_log_mel(read(path)) for path in paths],
        "our filter bank alone": lambda: log_mel(waves, RATE_HZ, MELS),
    }
    yield "WAV of 5 s to log-mel frames", 4, lambda: [reader.decode_file(path) for path in paths], others


@contextmanager
def clouds(folder: Path) -> Iterator[Part]:
    """Stored clouds, centred and scaled."""
    paths = [folder / f"{number}.npy" for number in range(16)]
    for number, path in enumerate(paths):
        np.save(path, np.random.default_rng(number).normal(size=(1024, 3)).astype(np.float32))
    reader = PointReader(PointData(dataset="folder", points=1024))

    def naive(path: Path) -> Any:
        points = np.load(path)
        points = points - points.mean(0)
        return points / np.linalg.norm(points, axis=1).max()

    others: dict[str, Work] = {"numpy, a loop": lambda: [naive(path) for path in paths]}
    yield "read clouds of 1,024 points", 16, lambda: [reader.decode_file(path) for path in paths], others


@contextmanager
def groups(folder: Path) -> Iterator[Part]:
    """Point-MAE's groups: 64 far-apart centres, 32 neighbours each."""
    points_BP3 = torch.randn(16, 1024, 3)

    def ours() -> Any:
        centres = gather_points(points_BP3, farthest_point_sample(points_BP3, 64))
        return nearest_neighbours(points_BP3, centres, 32)

    def with_published_loop() -> Any:
        centres = gather_points(points_BP3, _published_sample(points_BP3, 64))
        return torch.cdist(centres, points_BP3).topk(32, dim=2, largest=False).indices

    def with_scipy() -> Any:
        centres = gather_points(points_BP3, farthest_point_sample(points_BP3, 64)).numpy()
        return [cKDTree(cloud).query(own, 32) for cloud, own in zip(points_BP3.numpy(), centres, strict=True)]

    others: dict[str, Work] = {
        "the published loop in torch": with_published_loop,
        "ours and a k-d tree of scipy": with_scipy,
    }
    yield "64 groups of 32 in 1,024 points", 16, ours, others


@contextmanager
def clips(folder: Path) -> Iterator[Part]:
    """Eight frames of a film of two seconds."""
    path = folder / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(_pixels(320, 240, number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    reader = VideoReader(VideoData(dataset="folder", frames=8, image_size=112))

    def naive() -> Any:
        with av.open(str(path)) as container:
            frames = [frame.to_image() for frame in container.decode(video=0)]
        clip = [frames[place] for place in np.linspace(0, len(frames) - 1, 8).round().astype(int)]
        resized = [frame.resize((149, 112), Image.Resampling.BICUBIC).crop((18, 0, 130, 112)) for frame in clip]
        return np.stack([np.asarray(frame) for frame in resized]).transpose(3, 0, 1, 2)

    yield "8 frames of a film, 320 x 240 to 112 px", 1, lambda: reader.decode_file(path), {"PyAV, every frame": naive}


def _pixels(width: int, height: int, seed: int) -> Any:
    """Smooth colours, which compress as photographs do."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def _jpeg(width: int, height: int, seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_pixels(width, height, seed)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _numpy_log_mel(samples: Any) -> Any:
    """The same frames, written with numpy; filters as in `mel_filters`."""
    from crosspath.data.log_mel import mel_filters

    frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160]
    frames = frames - frames.mean(1, keepdims=True)
    frames = (frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)) * np.hanning(400)
    power = np.abs(np.fft.rfft(frames, 512)) ** 2
    return np.log(np.maximum(power @ mel_filters(RATE_HZ, 512, MELS).numpy(), np.finfo(np.float32).eps))


def _published_sample(points_BP3: torch.Tensor, count: int) -> torch.Tensor:
    """Farthest-point sampling as in the widespread port of PointNet++ to torch."""
    batch, points, _ = points_BP3.shape
    indices_BG = torch.zeros(batch, count, dtype=torch.long)
    nearest_BP = torch.full((batch, points), 1e10)
    last_B, rows_B = torch.zeros(batch, dtype=torch.long), torch.arange(batch)
    for step in range(count):
        indices_BG[:, step] = last_B
        centre_B13 = points_BP3[rows_B, last_B][:, None]
        nearest_BP = torch.minimum(nearest_BP, ((points_BP3 - centre_B13) ** 2).sum(-1))
        last_B = nearest_BP.max(-1).indices
    return indices_BG
