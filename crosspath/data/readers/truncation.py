"""Detects truncated files that decoders read without an error, by the sizes that their containers state."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

UNKNOWN_RIFF_SIZES = (0, 0xFFFFFFFF)
"""Written by streaming encoders, which do not know the size; the second one also by RF64."""
OGG_PAGE_BYTES = 27 + 255 + 255 * 255
"""The longest page: header, segment table, segments."""
XING_TOLERANCE = 0.01
"""Share of an mp3 that may be missing, since encoders count differently."""


def truncation_reason(source: Path | bytes) -> str | None:
    """Why a file, given by its path or content, is truncated; None if nothing indicates it.

    Reads RIFF (wav, avi), IFF (aiff), Ogg (RFC 3533: the last page carries the end-of-stream flag), the boxes of mp4,
    mov and m4a (ISO/IEC 14496-12), the segment of mkv and webm (RFC 9559), and the Xing header of mp3.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and int.from_bytes(head[4:8], "little") not in UNKNOWN_RIFF_SIZES:
            return _short(int.from_bytes(head[4:8], "little") + 8, size, "RIFF header")
        if head[:4] == b"FORM":
            return _short(int.from_bytes(head[4:8], "big") + 8, size, "FORM header")
        if head[:4] == b"OggS":
            return _ogg(file, size)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _boxes(file, size)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _matroska(file, size)
        if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
            return _xing(file, size)
    return None


def _short(expected: int, size: int, header: str) -> str | None:
    return f"its {header} states {expected} bytes, the file has {size}" if expected > size else None


def _ogg(file: BinaryIO, size: int) -> str | None:
    file.seek(max(0, size - 2 * OGG_PAGE_BYTES))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :] if b"OggS" in tail else b""
    ends_stream = len(page) >= 27 and page[5] & 4
    if not ends_stream or len(page) < 27 + page[26] or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return "its Ogg stream has no complete end-of-stream page"
    return None


def _boxes(file: BinaryIO, size: int) -> str | None:
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(16)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:  # a 64-bit length follows
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0 means to the end of the file
            return None
        if name in (b"mdat", b"moov", b"moof"):
            reason = _short(start + length, size, f"box `{name.decode()}`")
            if reason is not None:
                return reason
        start += length
    return None


def _matroska(file: BinaryIO, size: int) -> str | None:
    file.seek(4)
    header = _ebml_size(file)
    file.seek(header or 0, 1)
    if header is None or file.read(4) != b"\x18\x53\x80\x67":
        return None
    segment = _ebml_size(file)
    return None if segment is None else _short(file.tell() + segment, size, "Matroska segment")


def _ebml_size(file: BinaryIO) -> int | None:
    """A number of 1 to 8 bytes, whose leading zeros give its length; None for all ones, which mean unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    number = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
    return None if number == (1 << bits) - 1 else number


def _xing(file: BinaryIO, size: int) -> str | None:
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:  # a tag whose length has 7 bits in each byte
        start = 10 + sum(byte << 7 * (3 - place) for place, byte in enumerate(head[6:10]))
    file.seek(start)
    frame = file.read(64)
    header = max(frame.find(b"Xing"), frame.find(b"Info"))
    if header < 0 or not frame[header + 7] & 2:
        return None
    at = header + 8 + (4 if frame[header + 7] & 1 else 0)
    expected = int.from_bytes(frame[at : at + 4], "big")
    return _short(start + int(expected * (1 - XING_TOLERANCE)), size, "Xing header")
