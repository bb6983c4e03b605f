"""Clips: the GRID tables, class folders, or a user's table; decoded with PyAV, frames spread evenly over a range."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import VideoData
from crosspath.data.damaged import cut_short
from crosspath.data.items import (
    DamageError,
    Item,
    Listing,
    class_folder_items,
    existing,
    file_stamp,
    folder_below,
    part_of,
    read_table,
    table_items,
    whole_number,
)

SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg")
SEEK_BEYOND = 96
"""Frames to the next wanted one from which seeking is cheaper than decoding on."""
SEEKABLE = "mov,mp4,m4a,3gp,3g2,mj2"
"""FFmpeg's name of the containers that index every frame. The others can land late, or misname frames after a seek."""
COUNTED = ("avi", "mpeg", "mpegts")
"""FFmpeg's names of the containers of even rate whose first frame need not have the stream's start as its time."""
SHORT_BY = 3
"""Frames a clip may end before a wanted one; the last frame then stands in. More is damage."""


class VideoReader:
    """Frames (3, T, H, W), turned as the file asks, short side resized, centre-cropped to a square."""

    def __init__(self, section: VideoData) -> None:
        self.section = section
        size = section.image_size
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((3, section.frames, size, size), np.dtype(np.uint8))
        self.settings: dict[str, Any] = {
            "frames": section.frames,
            "image_size": size,
            "slot": section.slot if section.dataset == "grid" else None,
            "span": section.span if section.dataset == "grid" else None,
            "table": [section.csv, section.file_column, section.label_column, section.split_column],
        }

    def sources(self, folder: Path) -> None:
        """None: the listing says it all."""

    def listing(self, folder: Path) -> Listing:
        """GRID by a slot's words, or a user's class folders or table."""
        section = self.section
        if section.dataset == "grid":
            return self._grid(folder_below(folder, "grid_s1", "clips.csv, words.csv and videos/"))
        if section.csv is not None:
            return table_items(folder, section.csv, section.file_column, section.label_column, section.split_column)
        return class_folder_items(folder, SUFFIXES, "clips")

    def _grid(self, root: Path) -> Listing:
        """`words.csv` gives the frames of one word, `clips.csv` the whole clip; both the official words of a slot."""
        by_word = self.section.span == "word"
        table = root / ("words.csv" if by_word else "clips.csv")
        columns = ("file", "split", "slot", "word", "start_frame", "end_frame")
        rows = list(read_table(table, columns if by_word else ("file", "split", "frames", self.section.slot)))
        if by_word:
            rows = [(line, row) for line, row in rows if row["slot"] == self.section.slot]
        column = "word" if by_word else self.section.slot
        classes = sorted({row[column] for _, row in rows})
        items = []
        for line, row in rows:
            path = existing(root / row["file"], table, line)
            span = None
            if by_word:
                start, stop = (whole_number(row, name, table, line) for name in ("start_frame", "end_frame"))
                span = (start, stop)
            items.append(
                Item(
                    id=f"{row['file']}#{self.section.slot}" if by_word else row["file"],
                    label=classes.index(row[column]),
                    part=part_of(row["split"], table, line),
                    path=path,
                    inside=span,
                    stamp=file_stamp(path),
                )
            )
        return Listing(tuple(classes), tuple(items))

    @contextmanager
    def opened(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; it keeps nothing open."""

        def decode(item: Item) -> NDArray[Any]:
            assert item.inside is None or isinstance(item.inside, tuple)
            return self._decoded(item.path, item.inside)

        yield decode

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One whole clip."""
        return self._decoded(path, None)

    def _decoded(self, path: Path, span: tuple[int, int] | None) -> NDArray[Any]:
        reason = cut_short(path)
        if reason is not None:
            raise DamageError(reason)
        try:
            frames_THWC = decode_frames(path, span, self.section.frames, self.section.image_size)
        except (DamageError, ImportError, MemoryError):  # a missing reader is no fault of the file
            raise
        except Exception as error:  # FFmpeg's errors are a family of their own
            raise DamageError(f"the video decoder fails ({error})".replace("\n", " ")) from None
        return frames_THWC.transpose(3, 0, 1, 2)


def decode_frames(path: Path, span: tuple[int, int] | None, count: int, size: int) -> NDArray[np.uint8]:
    """`count` frames (T, size, size, 3), spread evenly over [start, stop) or over the whole clip.

    A range shorter than `count` repeats frames. Frame k is the one on show at k / rate by the frames' time stamps.
    Raises `DamageError`, or one of FFmpeg's errors.
    """
    import av
    from av.video.reformatter import VideoReformatter

    start, stop = span or (0, _length(path))
    wanted = np.linspace(start, max(start, stop - 1), count).round().astype(int).tolist()
    kept: dict[int, NDArray[np.uint8]] = {}
    with av.open(str(path)) as container:
        stream = _picture(container)
        stream.thread_type = "NONE"  # clips are decoded side by side already
        reformatter = VideoReformatter()
        for index, frame in _frames_at(container, stream, sorted(set(wanted))):
            kept[index] = _cropped(reformatter, frame, size)
    return np.stack([kept[index] for index in wanted])


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


def _length(path: Path) -> int:
    """Number of frames at the clip's rate, by the time stamps of its packets: nothing is decoded for it."""
    import av

    with av.open(str(path)) as container:
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


def _cropped(reformatter: Any, frame: Any, size: int) -> NDArray[np.uint8]:
    scale = size / min(frame.width, frame.height)
    width, height = (max(size, round(side * scale)) for side in (frame.width, frame.height))
    image = reformatter.reformat(frame, width=width, height=height, format="rgb24", interpolation="BICUBIC", threads=1)
    pixels: NDArray[np.uint8] = image.to_ndarray()
    left, top = (width - size) // 2, (height - size) // 2
    return np.rot90(pixels[top : top + size, left : left + size], frame.rotation // 90)
