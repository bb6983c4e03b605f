"""Clips of videos: which frames of them are samples, decoded, resized and cropped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment, VideoAugment
from crosspath.config.data import VideoData
from crosspath.data.folders import class_folder_items, folder_below
from crosspath.data.items import DamageError, Item, Listing, TrainingView, file_stamp
from crosspath.data.labels import as_label_tuples, label_settings
from crosspath.data.listed_files import file_identity, refuse_duplicate, require_file
from crosspath.data.readers.clip_sampling import (
    crop_places,
    held_out_indices,
    training_indices,
    view_indices,
    window_indices,
)
from crosspath.data.readers.own_table import with_unread
from crosspath.data.readers.time_windows import frames_in
from crosspath.data.readers.video_file import Video, centre_square, decoder_errors_as_damage, video_of
from crosspath.data.readers.video_sets import LISTS, list_videos
from crosspath.data.shards.listing import list_shards
from crosspath.data.short_side import short_side
from crosspath.data.table_rows import part_of, read_table, whole_number
from crosspath.data.tables import list_files, table_in
from crosspath.data.views.frame_views import frames_view

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts"),
    *(".wmv", ".flv", ".ogv", ".gif"),
)
CONTAINERS = (".gif",)
"""Files that may as well hold single pictures."""
SHARD_MEMBERS = ("mp4", "avi", "mkv", "webm")
"""Kinds of the members of a shard that hold a sample."""
CLIP_STREAM = 0xC11B


class VideoReader:
    """Frames uint8 (3, T, S, S): turned as the file says, short side resized, centre-cropped to a square."""

    def __init__(self, section: VideoData) -> None:
        self.section = section
        size, self.short = section.image_size, short_side(section)
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((3, section.frames, size, size), np.dtype(np.uint8))
        self.settings: dict[str, Any] = {
            "frames": section.frames,
            "image_size": size,
            "slot": section.slot if section.dataset == "grid" else None,
            "span": section.span if section.dataset == "grid" else None,
            "table": [section.csv, section.file_column, section.label_column, section.split_column],
            **({} if section.encoding is None else {"encoding": section.encoding}),
            **label_settings(section),
        }
        if section.sampling != "spread" or section.resize is not None:
            self.settings["sampling"] = [section.sampling, section.frame_step, section.resize]
        self._lock = Lock()
        self._films = self._stills = 0

    def sources(self, folder: Path) -> None:
        """None: the listing is enough."""

    def listing(self, folder: Path) -> Listing:
        """GRID by a slot's words, a published list, shards, or a user's class folders or table.

        With `data.multi_label` labels are tuples.
        """
        listing = self._listing(folder)
        return as_label_tuples(listing) if self.section.several_labels else listing

    def _listing(self, folder: Path) -> Listing:
        section = self.section
        if section.dataset in LISTS:
            return list_videos(section, folder)
        if section.dataset == "shards":
            return with_unread(list_shards(section, folder, SHARD_MEMBERS), section)
        if section.dataset == "grid":
            return with_unread(self._grid(folder_below(folder, "grid_s1", "clips.csv, words.csv and videos/")), section)
        if (table := table_in(folder, section)) is not None:
            return list_files(folder, table, section, SUFFIXES)
        return with_unread(class_folder_items(folder, SUFFIXES, "clips"), section)

    def _grid(self, root: Path) -> Listing:
        """GRID labelled by the slot's word: the frames of that word (`words.csv`), or whole clips (`clips.csv`)."""
        by_word = self.section.span == "word"
        table = root / ("words.csv" if by_word else "clips.csv")
        columns = ("file", "split", "slot", "word", "start_frame", "end_frame")
        rows = list(read_table(table, columns if by_word else ("file", "split", "frames", self.section.slot)))
        if by_word:
            rows = [(line, row) for line, row in rows if row["slot"] == self.section.slot]
        column = "word" if by_word else self.section.slot
        classes = sorted({row[column] for _, row in rows})
        items = []
        first_rows: dict[str, str] = {}
        for line, row in rows:
            path = require_file(root / row["file"], table, line)
            refuse_duplicate(first_rows, row["file"], f"{table} row {line}", identity=file_identity(path))
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
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder; no file stays open."""
        yield lambda item: self._held_out_clip(video_of(item))

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """Clips of random frames, all cropped and augmented alike as `section` asks for."""
        assert isinstance(section, VideoAugment)
        crops_at_random = section.resized_crop is not None or section.multi_scale_crop

        def view(item: Item, sample: int) -> TrainingView:
            video = video_of(item)
            generator = np.random.default_rng((CLIP_STREAM, seed, epoch, sample))
            with decoder_errors_as_damage():
                indices = training_indices(video.length(), self.section, generator)
                frames = video.frames(indices, None if crops_at_random else self.short)
            from PIL import Image

            size = self.section.image_size
            pictures = [Image.fromarray(frame if crops_at_random else centre_square(frame, size)) for frame in frames]
            return np.stack(frames_view(pictures, self.section, section, seed, epoch, sample), axis=1), None

        yield view

    def views(self, item: Item, segments: int, crops: int) -> NDArray[np.uint8]:
        """The views of the test protocol, uint8 (segments · crops, 3, T, S, S), clip by clip.

        The short side is resized to `resize`; crops are spaced along the long side, centred on the short one.
        """
        video, size = video_of(item), self.section.image_size
        with decoder_errors_as_damage():
            clips = np.array(view_indices(video.length(), self.section, segments))
            # Each cropped by its own size, which may change within a film.
            squares = [_crops(frame, size, crops) for frame in video.frames(clips.ravel().tolist(), self.short)]
        views_KTCSS3 = np.stack(squares).reshape(*clips.shape, crops, size, size, 3)
        return np.ascontiguousarray(views_KTCSS3.transpose(0, 2, 5, 1, 3, 4)).reshape(-1, *self.sample[0])

    def decode_file(self, path: Path) -> NDArray[Any]:
        """The held-out clip of one file."""
        return self._held_out_clip(Video(path))

    def decode_object(self, value: Any) -> NDArray[Any]:
        """An array of RGB frames uint8 (T, H, W, 3), (T, 3, H, W) or (3, T, H, W); one that may be either of the last
        two is refused."""
        from PIL import Image

        frames, size = np.asarray(value), self.section.image_size
        if frames.ndim == 4 and frames.shape[-1] != 3 and 3 in frames.shape[:2]:
            if frames.shape[:2] == (3, 3):
                form = "three frames (T, 3, H, W) or three channels (3, T, H, W): give it as (T, H, W, 3)"
                raise DamageError(f"an array of shape {frames.shape} may be {form}")
            frames = np.moveaxis(frames, 1 if frames.shape[1] == 3 else 0, -1)
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not frames.size:
            raise DamageError(f"expected frames uint8 (T, H, W, 3), found {frames.dtype} of shape {frames.shape}")
        self._count(len(frames))
        scale = self.short / min(frames.shape[1:3])
        sides = [max(self.short, round(side * scale)) for side in frames.shape[1:3]]
        pictures = (Image.fromarray(frames[index]) for index in held_out_indices(len(frames), self.section))
        resized = [np.asarray(picture.resize((sides[1], sides[0]), Image.Resampling.BICUBIC)) for picture in pictures]
        return np.stack([centre_square(frame, size) for frame in resized]).transpose(3, 0, 1, 2)

    def windows(self, path: Path, window: float | None, stride: float | None) -> NDArray[Any]:
        """Clips (W, 3, T, S, S) of `window` seconds every `stride` seconds of one film; see `window_indices`."""
        video = Video(path)
        with decoder_errors_as_damage():
            rate = video.rate()
            sizes = (
                None if seconds is None else frames_in(seconds, rate, name)
                for seconds, name in ((window, "window"), (stride, "stride"))
            )
            clips = window_indices(video.length(), self.section, *sizes)
            frames = iter(video.frames([index for clip in clips for index in clip], self.short))
            squares = (np.stack([centre_square(next(frames), self.section.image_size) for _ in clip]) for clip in clips)
            return np.stack([clip.transpose(3, 0, 1, 2) for clip in squares])

    def remarks(self) -> tuple[str, ...]:
        """How many of the films that the reader has decoded do not move."""
        if not self._stills or self.section.frames == 1:
            return ()
        return (
            f"one frame: {self._stills:,} of {self._films:,} films have no more; it is repeated {self.section.frames}"
            " times",
        )

    def _count(self, length: int) -> None:
        with self._lock:
            self._films += 1
            self._stills += length == 1

    def _held_out_clip(self, video: Video) -> NDArray[Any]:
        with decoder_errors_as_damage():
            length = video.length()
            if self.section.sampling == "spread":
                # Rounded in the whole video, not in the span.
                start = 0 if video.span is None else video.span[0]
                places = np.linspace(start, start + length - 1, self.section.frames).round().astype(int)
                indices = (places - start).tolist()
            else:
                indices = held_out_indices(length, self.section)
            frames = video.frames(indices, self.short)
            self._count(length)
            return np.stack([centre_square(frame, self.section.image_size) for frame in frames]).transpose(3, 0, 1, 2)


def _crops(frame: NDArray[np.uint8], size: int, crops: int) -> NDArray[np.uint8]:
    """Squares (C, S, S, 3) of a frame (H, W, 3), spaced along its long side."""
    height, width = frame.shape[:2]
    [centre] = crop_places(min(height, width), size, 1)
    places = crop_places(max(height, width), size, crops)
    corners = [(centre, place) if width >= height else (place, centre) for place in places]
    return np.stack([frame[top : top + size, left : left + size] for top, left in corners])
