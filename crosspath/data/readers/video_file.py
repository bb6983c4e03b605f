"""One video: its length, and its frames by number, from a file (PyAV), from memory, or from a folder of pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError, Item
from crosspath.data.readers.truncation import truncation_reason
from crosspath.data.shards.listing import read_member

SEEK_BEYOND = 96
"""Frames to the next wanted one from which seeking is cheaper than decoding on."""
SEEKABLE = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of the containers that index every frame. The others can land late, or misname frames after a seek."""
COUNTED = ("avi", "mpeg", "mpegts")
"""FFmpeg's names of the containers of even rate whose first frame need not have the stream's start as its time."""
SHORT_BY = 3
"""Frames a clip may end before a wanted one; the last frame then stands in. More is damage."""
FRAME_NAME = "img_{:05d}.jpg"
"""Frames of a folder, numbered from 1 (the published Something-Something layout)."""


@dataclass(frozen=True)
class Video:
    """A clip on disk, or in memory."""

    path: Path
    span: tuple[int, int] | None = None
    """The frames [start, stop) that are meant; all of them when not given."""
    content: bytes | None = None
    """The bytes of a clip inside a shard."""

    def length(self) -> int:
        """Number of frames that are meant. Raises `DamageError`, or one of FFmpeg's errors."""
        if self.span is not None:
            return max(1, self.span[1] - self.span[0])
        if self.path.is_dir():
            return sum(1 for _ in self.path.glob("img_*.jpg"))
        self._check()
        return _length(self._source())

    def frames(self, wanted: list[int], short: int | None) -> list[NDArray[np.uint8]]:
        """The frames (H, W, 3) with these numbers, turned as the file asks; a number may repeat. 0 is the first that is
        meant.

        `short`: the side to which the shorter one is resized (bicubic), at their full size when not given. Frame k is
        the one on show at k / rate by the frames' time stamps. Raises `DamageError`, or one of FFmpeg's errors.
        """
        start = 0 if self.span is None else self.span[0]
        wanted = [start + index for index in wanted]
        if self.path.is_dir():
            pictures = {index: _picture_of(self.path, index, short) for index in set(wanted)}
            return [pictures[index] for index in wanted]
        import av
        from av.video.reformatter import VideoReformatter

        self._check()
        kept: dict[int, NDArray[np.uint8]] = {}
        with av.open(self._source()) as container:
            stream = _picture(container)
            stream.thread_type = "NONE"  # clips are decoded side by side already
            reformatter = VideoReformatter()
            for index, frame in _frames_at(container, stream, sorted(set(wanted))):
                kept[index] = _pixels(reformatter, frame, short)
        return [kept[index] for index in wanted]

    def _source(self) -> str | BytesIO:
        return str(self.path) if self.content is None else BytesIO(self.content)

    def _check(self) -> None:
        reason = truncation_reason(self.path) if self.content is None else None
        if reason is not None:
            raise DamageError(reason)


def video_of(item: Item) -> Video:
    """The video behind an item."""
    assert item.inside is None or isinstance(item.inside, tuple)
    if item.path.suffix == ".tar":
        return Video(item.path, content=read_member(item))
    return Video(item.path, item.inside)


@contextmanager
def decoder_errors_as_damage() -> Iterator[None]:
    """Turn whatever a decoder raises into a `DamageError`."""
    try:
        yield
    except (DamageError, ImportError, MemoryError):  # a missing reader is no fault of the file
        raise
    except Exception as error:  # FFmpeg's errors are a family of their own
        raise DamageError(f"the video decoder fails ({error})".replace("\n", " ")) from None


def centre_square(frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The square of `size` pixels in the middle of a frame."""
    top, left = (frame.shape[0] - size) // 2, (frame.shape[1] - size) // 2
    return frame[top : top + size, left : left + size]


def _frames_at(container: Any, stream: Any, wanted: list[int]) -> Iterator[tuple[int, Any]]:
    """(index, frame) of every wanted index, ascending."""
    rate, origin = _rate(stream), stream.start_time or 0
    pending = list(wanted)
    position, current, seekable = -1, None, container.format.name == SEEKABLE
    # The index last sought. Once each: the key frame before it may lie before frames that were already seen.
    sought: int | None = None
    decoder = container.decode(stream)
    while pending:
        for frame in decoder:
            seekable = seekable and frame.pts is not None
            counted = frame.pts is None or container.format.name in COUNTED
            position = position + 1 if counted else _index(frame.pts, stream, rate, origin)
            shown = frame if current is None else current
            while pending and position > pending[0]:
                yield pending.pop(0), shown
            current = frame
            while pending and position == pending[0]:
                yield pending.pop(0), current
            if pending and seekable and pending[0] != sought and pending[0] - position > SEEK_BEYOND:
                sought, current = pending[0], None
                container.seek(int(sought / rate / stream.time_base) + origin, stream=stream, backward=True)
                decoder = container.decode(stream)
                break
            if not pending:
                return
        else:
            if current is None:
                raise DamageError("no frame comes out")
            if pending[-1] - position > SHORT_BY:
                raise DamageError(f"it ends at frame {position}, frame {pending[-1]} was wanted")
            yield from ((index, current) for index in pending)
            return


def _length(source: str | BytesIO) -> int:
    """Number of frames at the clip's rate, by the time stamps of its packets: nothing is decoded for it."""
    import av

    with av.open(source, "r") as container:
        stream = _picture(container)
        packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
        stamps = [packet.pts for packet in packets if packet.pts is not None]
        if not packets:
            raise DamageError("no frame comes out")
        if len(stamps) < len(packets) or container.format.name in COUNTED:
            return len(packets)
        return max(1, _index(max(stamps), stream, _rate(stream), stream.start_time or 0) + 1)


def _picture(container: Any) -> Any:
    if not container.streams.video:
        raise DamageError("it has no picture")
    return container.streams.video[0]


def _rate(stream: Any) -> float:
    """Frames a second; 25 where a file gives no hint."""
    return float(stream.average_rate or stream.guessed_rate or 25)


def _index(stamp: int, stream: Any, rate: float, origin: int) -> int:
    return round(float((stamp - origin) * stream.time_base) * rate)


def _pixels(reformatter: Any, frame: Any, short: int | None) -> NDArray[np.uint8]:
    size = (frame.width, frame.height) if short is None else _scaled(frame.width, frame.height, short)
    image = reformatter.reformat(
        frame, width=size[0], height=size[1], format="rgb24", interpolation="BICUBIC", threads=1
    )
    pixels: NDArray[np.uint8] = image.to_ndarray()
    return np.rot90(pixels, frame.rotation // 90)


def _scaled(width: int, height: int, short: int) -> tuple[int, int]:
    scale = short / min(width, height)
    return max(short, round(width * scale)), max(short, round(height * scale))


def _picture_of(folder: Path, index: int, short: int | None) -> NDArray[np.uint8]:
    from PIL import Image

    path = folder / FRAME_NAME.format(index + 1)
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None
    if short is not None:
        image = image.resize(_scaled(*image.size, short), Image.Resampling.BICUBIC)
    return np.asarray(image)
