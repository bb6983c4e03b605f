"""Recordings as FFmpeg writes them to a pipe or to a file, in memory."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


class Pipe:
    """Takes what is written, and cannot go back to fill in a header."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, content: Any) -> int:
        self.content += bytes(content)
        return len(content)


def encoded(
    channels_CS: NDArray[Any],
    container: str,
    codec: str,
    *,
    rate: int = 16000,
    seekable: bool = True,
    bit_rate: int | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Channels in [-1, 1] in a container and codec, by FFmpeg's names."""
    import av

    target = io.BytesIO() if seekable else Pipe()
    with av.open(target, "w", format=container, options=options or {}) as output:
        stream = add_sound_stream(output, codec, rate=rate, channels=len(channels_CS), bit_rate=bit_rate)
        mux_sound(output, stream, channels_CS)
    return target.getvalue() if isinstance(target, io.BytesIO) else bytes(target.content)


def add_sound_stream(output: Any, codec: str, *, rate: int, channels: int, bit_rate: int | None = None) -> Any:
    """A stream of sound; all streams are added before the first is filled."""
    stream = output.add_stream(codec, rate=rate, layout=LAYOUTS[channels])
    if bit_rate is not None:
        stream.codec_context.bit_rate = bit_rate
        stream.codec_context.format = "fltp"
    return stream


def mux_sound(output: Any, stream: Any, channels_CS: NDArray[Any]) -> None:
    """Encodes channels in [-1, 1] into a stream."""
    import av

    layout = LAYOUTS[len(channels_CS)]
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels_CS, np.float32), format="fltp", layout=layout)
    frame.sample_rate, frame.pts = stream.rate, 0
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=stream.rate)
    for part in [*resampler.resample(frame), *resampler.resample(None), None]:
        output.mux(stream.encode(part))
