"""Clips: the GRID tables, class folders, or a user's table; decoded with PyAV, frames spread evenly over a range."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import VideoData
from crosspath.data.items import (
    PART_NAMES,
    DamageError,
    Item,
    Listing,
    class_folder_items,
    existing,
    file_stamp,
    folder_below,
    read_table,
    table_items,
)
from crosspath.errors import InputError

SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg")
SEEK_BEYOND = 96
"""Frames to the next wanted one from which seeking is cheaper than decoding on."""
SHORT_BY = 3
"""Frames a clip may end before a wanted one; the last frame then stands in. More is damage."""


class VideoReader:
    """Frames (3, T, H, W), short side resized, centre-cropped to a square."""

    def __init__(self, section: VideoData) -> None:
        self.section = section
        size = section.image_size
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((3, section.frames, size, size), np.dtype(np.uint8))
        self.settings: dict[str, Any] = {
            "frames": section.frames,
            "image_size": size,
            "slot": section.slot if section.dataset == "grid" else None,
            "span": section.span if section.dataset == "grid" else None,
        }

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
            if row["split"] not in PART_NAMES:
                raise InputError(f"{table} row {line}", "train, val or test", repr(row["split"]), "correct the split")
            path = existing(root / row["file"], table, line)
            span = (int(row["start_frame"]), int(row["end_frame"])) if by_word else None
            items.append(
                Item(
                    id=f"{row['file']}#{self.section.slot}" if by_word else row["file"],
                    label=classes.index(row[column]),
                    part=PART_NAMES[row["split"]],
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
        try:
            frames_THWC = decode_frames(path, span, self.section.frames, self.section.image_size)
        except DamageError:
            raise
        except Exception as error:  # FFmpeg's errors are a family of their own
            raise DamageError(f"the video decoder fails ({error})".replace("\n", " ")) from None
        return frames_THWC.transpose(3, 0, 1, 2)


def decode_frames(path: Path, span: tuple[int, int] | None, count: int, size: int) -> NDArray[np.uint8]:
    """`count` frames (T, size, size, 3), spread evenly over [start, stop) or over the whole clip.

    A range shorter than `count` repeats frames. Frame k is the last one shown at or before k / rate. Raises `DamageError`.
    """
    import av
    from av.video.reformatter import VideoReformatter

    with av.open(str(path)) as container:
        if not container.streams.video:
            raise DamageError("it has no picture")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start, stop = span or (0, _length(container, stream))
        wanted = np.linspace(start, max(start, stop - 1), count).round().astype(int).tolist()
        reformatter = VideoReformatter()
        kept: dict[int, NDArray[np.uint8]] = {}
        for index, frame in _frames_at(container, stream, sorted(set(wanted))):
            kept[index] = _cropped(reformatter, frame, size)
    return np.stack([kept[index] for index in wanted])


def _frames_at(container: Any, stream: Any, wanted: list[int]) -> Iterator[tuple[int, Any]]:
    """(index, frame) of every wanted index, ascending."""
    rate = float(stream.average_rate or 25)
    origin = stream.start_time or 0
    position, current, pending = -1, None, list(wanted)
    decoder = container.decode(stream)
    while pending:
        if pending[0] - position > SEEK_BEYOND and position >= 0:
            container.seek(int(pending[0] / rate / stream.time_base) + origin, stream=stream, backward=True)
            decoder = container.decode(stream)
        for frame in decoder:
            if frame.pts is None:
                position += 1
            else:
                position = round(float((frame.pts - origin) * stream.time_base) * rate)
            while pending and position > pending[0] and current is not None:
                yield pending.pop(0), current
            current = frame
            while pending and position == pending[0]:
                yield pending.pop(0), current
            if not pending or pending[0] - position > SEEK_BEYOND:
                break
        else:
            if current is None:
                raise DamageError("no frame comes out")
            if pending and pending[-1] - position > SHORT_BY:
                raise DamageError(f"it ends at frame {position}, frame {pending[-1]} was wanted")
            yield from ((index, current) for index in pending)
            return


def _length(container: Any, stream: Any) -> int:
    """Number of frames: as stated, else by duration, else by decoding once."""
    if stream.frames:
        return int(stream.frames)
    seconds = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
    if seconds:
        return max(1, round(seconds * float(stream.average_rate or 25)))
    count = sum(1 for _ in container.decode(stream))
    container.seek(0)
    if not count:
        raise DamageError("no frame comes out")
    return count


def _cropped(reformatter: Any, frame: Any, size: int) -> NDArray[np.uint8]:
    scale = size / min(frame.width, frame.height)
    width, height = (max(size, round(side * scale)) for side in (frame.width, frame.height))
    image = reformatter.reformat(frame, width=width, height=height, format="rgb24", interpolation="BICUBIC", threads=1)
    pixels: NDArray[np.uint8] = image.to_ndarray()
    left, top = (width - size) // 2, (height - size) // 2
    return pixels[top : top + size, left : left + size]
