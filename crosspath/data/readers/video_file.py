"""One video, from a file (PyAV), from memory, or from a folder of images: its length, and frames by number."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crosspath.data.items import DamageError, Item, require_within
from crosspath.data.readers.film_stream import open_film, upright
from crosspath.data.readers.pictures import read_picture
from crosspath.data.readers.truncation import truncation_reason
from crosspath.data.shards.listing import read_member
from crosspath.errors import InputError
from crosspath.limits import PIXELS

SEEK_BEYOND = 96
"""From this distance in frames, seeking is faster than decoding what lies between."""
SEEKABLE = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of the containers that index every frame. In others a seek can land too late or at a wrong number."""
FRAMES_BY_COUNT = ("avi", "mpeg", "mpegts")
"""FFmpeg's names of containers of constant rate whose first time stamp may differ from the stream's start."""
SHORT_BY = 3
"""A clip may end this many frames before a requested one, which the last frame then replaces. More is damage."""
FRAME_NAME = "img_{:05d}.jpg"
"""Of the frames in a folder, numbered from 1 (the published Something-Something layout)."""


@dataclass(frozen=True)
class Video:
    """A video, or a span of one."""

    path: Path
    span: tuple[int, int] | None = None
    """The frames [start, stop); all of them when not given."""
    content: bytes | None = None
    """The bytes of a video inside a shard."""

    def length(self) -> int:
        """Number of frames of the span. Raises `DamageError` or one of FFmpeg's errors."""
        if self.span is not None:
            return max(1, self.span[1] - self.span[0])
        if self.path.is_dir():
            return sum(1 for _ in self.path.glob("img_*.jpg"))
        self._check()
        return _length(self._source())

    def rate(self) -> float:
        """Frames per second. Raises `DamageError` or one of FFmpeg's errors."""
        self._check()
        with open_film(self._source()) as (_, stream):
            return _rate(stream)

    def frames(self, indices: list[int], short: int | None) -> list[NDArray[np.uint8]]:
        """The frames (H, W, 3) with these numbers within the span, turned and mirrored as the file says.

        Numbers may repeat. Both fields of an interlaced film stay in one frame. Frames are resized (bicubic) so that
        the shorter side is `short` pixels, if given. Frame k is the one displayed at k / rate by the time stamps.
        Raises `DamageError` or one of FFmpeg's errors.
        """
        start = 0 if self.span is None else self.span[0]
        indices = [start + index for index in indices]
        if self.path.is_dir():
            images = {index: _read_image(self.path, index, short) for index in set(indices)}
            return [images[index] for index in indices]
        from av.video.reformatter import VideoReformatter

        self._check()
        pixels: dict[int, NDArray[np.uint8]] = {}
        with open_film(self._source()) as (container, stream):
            stream.thread_type = "NONE"  # several clips are decoded at once already
            reformatter = VideoReformatter()
            for index, frame in _frames_at(container, stream, sorted(set(indices))):
                pixels[index] = _to_pixels(reformatter, frame, short)
        return [pixels[index] for index in indices]

    def _source(self) -> str | BytesIO:
        return str(self.path) if self.content is None else BytesIO(self.content)

    def _check(self) -> None:
        reason = truncation_reason(self.path) if self.content is None else None
        if reason is not None:
            raise DamageError(reason)


def video_of(item: Item) -> Video:
    """The video of an item."""
    assert item.inside is None or isinstance(item.inside, tuple)
    if item.path.suffix == ".tar":
        return Video(item.path, content=read_member(item))
    return Video(item.path, item.inside)


@contextmanager
def decoder_errors_as_damage() -> Iterator[None]:
    """Turns every error of a decoder into a `DamageError`."""
    try:
        yield
    except (DamageError, InputError, ImportError):
        raise
    except MemoryError:  # the size of frames is limited, so that the header asks for nonsense
        raise DamageError("the video decoder asks for more memory than there is") from None
    except Exception as error:  # FFmpeg's errors have no common base
        raise DamageError(f"the video decoder fails ({error})".replace("\n", " ")) from None


def centre_square(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The centre square (size, size, 3) of a frame (H, W, 3)."""
    top, left = (frame.shape[0] - size) // 2, (frame.shape[1] - size) // 2
    return frame[top : top + size, left : left + size]


def _frames_at(container: Any, stream: Any, indices: list[int]) -> Iterator[tuple[int, Any]]:
    """(index, frame) for each of the ascending `indices`."""
    rate, origin = _rate(stream), stream.start_time or 0
    pending = list(indices)
    position, current, seekable = -1, None, container.format.name == SEEKABLE
    # The last seek's target. Each is sought once: its key frame may lie before frames that were decoded already.
    target: int | None = None
    decoder = container.decode(stream)
    while pending:
        for frame in decoder:
            seekable = seekable and frame.pts is not None
            by_count = frame.pts is None or container.format.name in FRAMES_BY_COUNT
            position = position + 1 if by_count else _index(frame.pts, stream, rate, origin)
            previous = frame if current is None else current
            while pending and position > pending[0]:
                yield pending.pop(0), previous
            current = frame
            while pending and position == pending[0]:
                yield pending.pop(0), current
            if pending and seekable and pending[0] != target and pending[0] - position > SEEK_BEYOND:
                target, current = pending[0], None
                container.seek(int(target / rate / stream.time_base) + origin, stream=stream, backward=True)
                decoder = container.decode(stream)
                break
            if not pending:
                return
        else:
            if current is None:
                raise DamageError("it contains no frames")
            if pending[-1] - position > SHORT_BY:
                raise DamageError(f"it ends at frame {position}, before frame {pending[-1]}")
            yield from ((index, current) for index in pending)
            return


def _length(source: str | BytesIO) -> int:
    """Number of frames at the video's rate, by the time stamps of its packets, without decoding."""
    with open_film(source) as (container, stream):
        # Packet by packet: all of them together are the film's own size.
        count = stamp_count = 0
        last: int | None = None
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                count += 1
                if packet.pts is not None:
                    stamp_count += 1
                    last = packet.pts if last is None else max(last, packet.pts)
        if not count:
            raise DamageError("it contains no frames")
        if count == 1 and container.format.name == "gif" and (frames := _gif_frames(source)) > 1:
            raise DamageError(
                f"its {frames} frames have no delays, so that they are read as one: save it with a duration"
            )
        if last is None or stamp_count < count or container.format.name in FRAMES_BY_COUNT:
            return count
        return max(1, _index(last, stream, _rate(stream), stream.start_time or 0) + 1)


def _gif_frames(source: str | BytesIO) -> int:
    """Frames of a GIF, also where it states no delays: FFmpeg then takes all for one packet."""
    if isinstance(source, BytesIO):
        source.seek(0)
    with Image.open(source) as image:
        return int(getattr(image, "n_frames", 1))


def _rate(stream: Any) -> float:
    """Frames per second; 25 if the file states none."""
    return float(stream.average_rate or stream.guessed_rate or 25)


def _index(stamp: int, stream: Any, rate: float, origin: int) -> int:
    return round(float((stamp - origin) * stream.time_base) * rate)


def _to_pixels(reformatter: Any, frame: Any, short: int | None) -> NDArray[np.uint8]:
    size = (frame.width, frame.height) if short is None else _resized_shape(frame.width, frame.height, short)
    image = reformatter.reformat(
        frame, width=size[0], height=size[1], format="rgb24", interpolation="BICUBIC", threads=1
    )
    pixels: NDArray[np.uint8] = image.to_ndarray()
    return upright(pixels, frame)


def _resized_shape(width: int, height: int, short: int) -> tuple[int, int]:
    scale = short / min(width, height)
    width, height = max(short, round(width * scale)), max(short, round(height * scale))
    require_within(PIXELS, width * height)
    return width, height


def _read_image(folder: Path, index: int, short: int | None) -> NDArray[np.uint8]:
    from PIL import Image

    path = folder / FRAME_NAME.format(index + 1)
    try:
        with path.open("rb") as file:
            image = read_picture(file)
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None
    if short is not None:
        image = image.resize(_resized_shape(image.width, image.height, short), Image.Resampling.BICUBIC)
    return np.asarray(image)
