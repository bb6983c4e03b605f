"""What the header of an uncompressed recording states: where its samples begin, and how many bytes they are.

Encoders that write to a pipe cannot go back to fill in the sizes. They leave 0, or the largest number that they know.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Literal

Order = Literal["little", "big"]

OPEN_SIZES = (0x7F000000, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""Sizes that stand for an unknown one: of sox (AIFF, WAV), GStreamer, arecord, FFmpeg (WAV and AU, W64, CAF)."""
LARGEST_FILE = 1 << 62
"""Bytes; no system seeks beyond."""
OPEN_WITHIN = 4096
"""Bytes by which encoders stay below or above these sizes: they count headers, or whole frames only."""


@dataclass(frozen=True)
class SizeField:
    """A number in a header."""

    at: int
    width: int
    order: Order
    origin: int
    """The number counts the bytes from here to the end of the file."""


@dataclass(frozen=True)
class SoundHeader:
    """The place of the samples in a file."""

    start: int
    size: int | None
    """Bytes of samples; None where the header leaves them open, and they go to the end of the file."""
    fields: tuple[SizeField, ...] = ()
    """The sizes that a decoder needs."""

    def fill_sizes(self, content: bytes) -> bytes:
        """The file with its open sizes filled in."""
        result = bytearray(content)
        for field in self.fields:
            size = (len(content) - field.origin).to_bytes(field.width, field.order)
            result[field.at : field.at + field.width] = size
        return bytes(result)


def read_sound_header(source: BinaryIO | bytes) -> SoundHeader | None:
    """The header of a WAV, RF64, W64, AIFF, AU or CAF; None for other files, and for one without samples.

    Sources: Microsoft's RIFF and Sony's W64 descriptions, EBU Tech 3306 (RF64), Apple's AIFF and CAF specifications.
    """
    file = BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    head = file.read(40)
    if head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return _wave(file, head)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file, head)
    if head[:4] in (b".snd", b"dns."):
        order: Order = "big" if head[:4] == b".snd" else "little"
        start, size = int.from_bytes(head[4:8], order), int.from_bytes(head[8:12], order)
        return _header(start, size, 0, (SizeField(8, 4, order, start),))
    if head[:4] == b"riff" and head[24:28] == b"wave":
        for name, at, size in _chunks(file, 40, "little", name_bytes=16, size_bytes=8, align=8, inclusive=True):
            if name[:4] == b"data":
                fields = (SizeField(16, 8, "little", 0), SizeField(at - 8, 8, "little", at - 24))
                return _header(
                    at, size if is_open(size) else max(0, size - 24), int.from_bytes(head[16:24], "little"), fields
                )
    if head[:4] == b"caff":
        for name, at, size in _chunks(file, 8, "big", name_bytes=4, size_bytes=8, align=1, inclusive=False):
            if name == b"data":
                return _header(at, size, 0, (SizeField(at - 8, 8, "big", at),))
    return None


def is_open(size: int) -> bool:
    """Whether a stated size stands for an unknown one; 0 may, and is judged by what follows."""
    return any(abs(size - mark) <= OPEN_WITHIN for mark in OPEN_SIZES)


def _wave(file: BinaryIO, head: bytes) -> SoundHeader | None:
    total, sizes = int.from_bytes(head[4:8], "little"), SizeField(4, 4, "little", 8)
    large_at = large_size = 0
    for name, at, size in _chunks(file, 12, "little", name_bytes=4, size_bytes=4, align=2, inclusive=False):
        if name == b"ds64" and head[:4] != b"RIFF":
            file.seek(at)
            content = file.read(16)
            total, large_size = int.from_bytes(content[:8], "little"), int.from_bytes(content[8:16], "little")
            sizes, large_at = SizeField(at, 8, "little", 8), at + 8
        if name == b"data":
            if large_at and size == 0xFFFFFFFF:
                return _header(at, large_size, total + 8, (sizes, SizeField(large_at, 8, "little", at)))
            return _header(at, size, total + 8, (sizes, SizeField(at - 4, 4, "little", at)))
    return None


def _aiff(file: BinaryIO, head: bytes) -> SoundHeader | None:
    """libsndfile needs no sizes of an AIFF."""
    for name, at, size in _chunks(file, 12, "big", name_bytes=4, size_bytes=4, align=2, inclusive=False):
        if name == b"SSND":
            return _header(at, size, int.from_bytes(head[4:8], "big") + 8, ())
    return None


def _header(start: int, size: int, end: int, fields: tuple[SizeField, ...]) -> SoundHeader:
    """`end` is where the file ends by its header. A size of 0 is open unless the file goes on behind the samples."""
    if is_open(size) or (size == 0 and (end <= start or is_open(end))):
        return SoundHeader(start, None, fields)
    return SoundHeader(start, size)


def _chunks(
    file: BinaryIO, start: int, order: Order, *, name_bytes: int, size_bytes: int, align: int, inclusive: bool
) -> Iterator[tuple[bytes, int, int]]:
    """(name, start of the content, stated size) of each chunk; `inclusive` sizes count the chunk's own header."""
    while start < LARGEST_FILE:
        file.seek(start)
        head = file.read(name_bytes + size_bytes)
        if len(head) < name_bytes + size_bytes:
            return
        size = int.from_bytes(head[name_bytes:], order)
        yield head[:name_bytes], start + len(head), size
        start += (0 if inclusive else len(head)) + -(-size // align) * align
        if inclusive and size < len(head):
            return
