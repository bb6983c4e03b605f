"""Windows that slide over a file with a time axis: where they begin, in frames."""

from crosspath.errors import InputError


def frames_in(seconds: float, rate_hz: float, name: str) -> int:
    """How many frames a length in seconds has, rounded. Raises `InputError`, naming `name`, where that is none."""
    frames = round(seconds * rate_hz) if 0 < seconds < float("inf") else 0
    if frames < 1:
        expected = f"seconds, {1 / rate_hz:.3g} (one frame) or more"
        raise InputError(name, expected, f"{seconds:g}", "choose a longer time")
    return frames


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """The first frames of windows every `stride` frames, up to the first window that reaches the end of `length`."""
    return [stride * number for number in range(1 + max(0, -(-(length - window) // stride)))]
