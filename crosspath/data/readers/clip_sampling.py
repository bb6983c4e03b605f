"""Which frames of a video make a clip: random ones in training, fixed ones for held-out clips and test views.

The published rules of VideoMAE (arXiv 2203.12602) for Kinetics (`dense`) and Something-Something (`uniform`). Frames
are numbered from 0.
"""

from itertools import pairwise

import numpy as np

from crosspath.config.data import VideoData
from crosspath.data.readers.time_windows import window_starts

Indices = list[int]


def training_indices(length: int, section: VideoData, generator: np.random.Generator) -> Indices:
    """The frames of a training clip of a video with `length` frames.

    `dense`: `frames` evenly spaced frames of a window of frames · frame_step at a random place; a shorter video is used
    whole and repeats its last frame. `uniform`: a random frame of each of `frames` equal segments. `spread`: evenly
    over the whole video.
    """
    if section.sampling == "dense":
        window = section.frames * section.frame_step
        if length <= window:
            return _short_video(length, section)
        return _window(int(generator.integers(0, length - window + 1)), section)
    if section.sampling == "uniform":
        return [int(generator.integers(start, stop)) for start, stop in _segments(length, section.frames)]
    return _evenly(0, length, section.frames)


def held_out_indices(length: int, section: VideoData) -> Indices:
    """The frames of a held-out clip: the window in the middle, or the middle of each segment."""
    if section.sampling == "dense":
        window = section.frames * section.frame_step
        if length <= window:
            return _short_video(length, section)
        return _window((length - window) // 2, section)
    if section.sampling == "uniform":
        return [(start + stop - 1) // 2 for start, stop in _segments(length, section.frames)]
    return _evenly(0, length, section.frames)


def view_indices(length: int, section: VideoData, segments: int) -> list[Indices]:
    """The frames of each of `segments` test clips of a video.

    `dense`: among every frame_step-th frame, T' in number, clip k begins at int(k·(T' - frames) / (segments - 1)); a
    single clip lies in the middle, where the published formula divides by zero. `uniform` and `spread`: clips with
    interleaved frames, the first of which begin each of `frames` equal segments; a single clip is the held-out one.
    """
    if section.sampling == "dense":
        every = list(range(0, length, section.frame_step))
        every += [every[-1]] * (section.frames - len(every))
        room = len(every) - section.frames
        starts = [int(k * room / (segments - 1)) for k in range(segments)] if segments > 1 else [room // 2]
        return [every[start : start + section.frames] for start in starts]
    if segments == 1:
        return [held_out_indices(length, section)]
    # In whole numbers: a product such as 16 · (30 / 16) can fall short of its value.
    pieces = section.frames * segments
    return [[(t * segments + k) * length // pieces for t in range(section.frames)] for k in range(segments)]


def window_indices(length: int, section: VideoData, window: int | None, stride: int | None) -> list[Indices]:
    """The frames of windows that slide over a video: `window` frames long, or as `dense` has them when not given, and
    `stride` frames apart, or one after the other. Beyond the end the last frame repeats.
    """
    size = section.frames * section.frame_step if window is None else window
    starts = window_starts(length, size, size if stride is None else stride)
    clips = [
        _window(start, section) if window is None else _evenly(start, start + size, section.frames) for start in starts
    ]
    return [[min(index, length - 1) for index in clip] for clip in clips]


def crop_places(long: int, short: int, crops: int) -> list[int]:
    """Offsets of square crops of side `short` along `long` pixels: evenly spaced, a single one in the middle."""
    room = long - short
    return [int(c * room / (crops - 1)) for c in range(crops)] if crops > 1 else [room // 2]


def _evenly(start: int, stop: int, count: int) -> Indices:
    return [int(index) for index in np.linspace(start, max(start, stop - 1), count).round()]


def _window(start: int, section: VideoData) -> Indices:
    """As published, the last grid point lies one beyond the window; the window's last frame takes its place."""
    stop = start + section.frames * section.frame_step
    return [min(int(index), stop - 1) for index in np.linspace(start, stop, section.frames)]


def _short_video(length: int, section: VideoData) -> Indices:
    """One frame for every `frame_step`, evenly spaced, then the last one repeated."""
    places = np.linspace(0, length, max(1, length // section.frame_step))
    return [min(int(index), length - 1) for index in places] + [length - 1] * (section.frames - len(places))


def _segments(length: int, count: int) -> list[tuple[int, int]]:
    """[start, stop) of each segment, at least one frame; a video with fewer frames repeats some."""
    edges = [place * length // count for place in range(count + 1)]
    return [(start, max(start + 1, stop)) for start, stop in pairwise(edges)]
