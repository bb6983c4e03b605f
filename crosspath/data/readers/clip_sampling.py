"""Which frames of a video make a clip: for training at random, for held-out clips and test views always the same.

The published rules of VideoMAE (arXiv 2203.12602) for Kinetics (`dense`) and Something-Something (`uniform`). Frames
are counted from 0.
"""

from itertools import pairwise

import numpy as np

from crosspath.config.data import VideoData

Indices = list[int]


def training_indices(length: int, section: VideoData, generator: np.random.Generator) -> Indices:
    """The frames of a training clip of a video with `length` frames.

    `dense`: `frames` of them evenly in a window of frames · frame_step at a random place; a shorter video is taken
    whole and repeats its last frame. `uniform`: one at a random place of each of `frames` equal segments. `spread`:
    evenly over the whole.
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

    `dense`: of every frame_step-th frame, clip k begins at int(k·(T' - frames) / (segments - 1)), and one clip in the
    middle where there is only one (the published formula divides by zero). `uniform` and `spread`: clips whose frames
    lie between each other's, the first of them at the beginning of each of `frames` equal segments; one clip alone is
    the held-out one.
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


def crop_places(long: int, short: int, crops: int) -> list[int]:
    """Where square crops of side `short` begin along a side of `long` pixels: evenly spread, one in the middle."""
    room = long - short
    return [int(c * room / (crops - 1)) for c in range(crops)] if crops > 1 else [room // 2]


def _evenly(start: int, stop: int, count: int) -> Indices:
    return [int(index) for index in np.linspace(start, max(start, stop - 1), count).round()]


def _window(start: int, section: VideoData) -> Indices:
    """As published the grid ends one beyond the window, whose last frame then stands in."""
    stop = start + section.frames * section.frame_step
    return [min(int(index), stop - 1) for index in np.linspace(start, stop, section.frames)]


def _short_video(length: int, section: VideoData) -> Indices:
    """One frame for every `frame_step`, evenly over the whole, then the last one again."""
    taken = np.linspace(0, length, max(1, length // section.frame_step))
    return [min(int(index), length - 1) for index in taken] + [length - 1] * (section.frames - len(taken))


def _segments(length: int, count: int) -> list[tuple[int, int]]:
    """[start, stop) of each, one frame at least; in a video with fewer frames than segments some are the same."""
    edges = [place * length // count for place in range(count + 1)]
    return [(start, max(start + 1, stop)) for start, stop in pairwise(edges)]
