"""Which stream of a container is the film, and how its frames are turned for display."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError, require_within
from crosspath.data.readers.containers import open_media
from crosspath.limits import PIXELS

STILLS = ("attached_pic", "still_image", "timed_thumbnails")
"""FFmpeg's names for picture streams that are no film: covers, and thumbnails of chapters."""
SKEW = 0.01
"""Share of a display matrix's larger numbers below which the others count as zero."""


@contextmanager
def open_film(source: str | BytesIO) -> Iterator[tuple[Any, Any]]:
    """(container, stream of the film) of a file's path or content, recognised by content.

    Of several streams those with a single picture are left out, then the first one marked as default counts, else the
    first.

    Raises
    ------
    DamageError
        For a file without moving pictures, or with larger ones than `limits.PIXELS`. FFmpeg's own errors pass.
    """
    with open_media(source) as container:
        films = [stream for stream in container.streams.video if not _is_still(stream)]
        if not films:
            covers = len(container.streams.video)
            raise DamageError("it has no video stream" + (", only a cover picture" if covers else ""))
        if len(films) == 1:
            yield container, _limit_pixels(films[0])
            return
        moving = _moving(source) & {stream.index for stream in films}
        films = [stream for stream in films if stream.index in moving] or films
        default = [stream for stream in films if stream.disposition & type(stream.disposition)["default"]]
        yield container, _limit_pixels((default or films)[0])


def upright(pixels: NDArray[np.uint8], frame: Any) -> NDArray[np.uint8]:
    """The pixels (H, W, 3) of a frame, turned and mirrored by its display matrix (ISO/IEC 14496-12, 8.3.2).

    The matrix puts the pixel (x, y) at (a·x + c·y, b·x + d·y). Raises `DamageError` for one that is no quarter turn.
    """
    content = frame.side_data.get("DISPLAYMATRIX")
    if content is None:
        return pixels
    a, b, _, c, d = np.frombuffer(content, np.int32)[:5].astype(float)
    diagonal, antidiagonal = min(abs(a), abs(d)), min(abs(b), abs(c))
    if not (a or b or c or d):
        return pixels
    if max(abs(b), abs(c)) <= SKEW * diagonal:
        return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    if max(abs(a), abs(d)) <= SKEW * antidiagonal:
        return pixels.transpose(1, 0, 2)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
    raise DamageError("its display matrix is no quarter turn: store it upright")


def _limit_pixels(stream: Any) -> Any:
    """The stream, whose frames the decoder refuses where they are larger than `limits.PIXELS`."""
    require_within(PIXELS, stream.width * stream.height)
    stream.codec_context.options = {"max_pixels": str(PIXELS.most)}  # of frames that become larger on the way
    return stream


def _is_still(stream: Any) -> bool:
    kinds = type(stream.disposition)
    return any(stream.disposition & kinds[name] for name in STILLS)


def _moving(source: str | BytesIO) -> set[int]:
    """The indices of the picture streams with two packets or more, in a container of its own."""
    if not isinstance(source, str):
        source = BytesIO(source.getvalue())
    counts: Counter[int] = Counter()
    with open_media(source) as container:
        for packet in container.demux(video=list(range(len(container.streams.video)))):
            counts[packet.stream.index] += packet.size > 0
            if all(counts[stream.index] > 1 for stream in container.streams.video):
                break
    return {index for index, count in counts.items() if count > 1}
