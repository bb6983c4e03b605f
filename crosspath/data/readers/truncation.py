"""Detects truncated files that decoders read without an error, by the sizes that their containers state."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from crosspath.data.readers.sound_header import is_open, read_sound_header

ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
FLAC_START = b"fLaC\x00\x00\x00\x22"
OGG_HEADER_BYTES = 27
OGG_PAGE_BYTES = OGG_HEADER_BYTES + 255 + 255 * 255
"""The longest page: header, segment table, segments."""
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"<?x")
"""First bytes of what programs append without a chunk around it; the last are XML's."""
CHUNKS = (b"LIST", b"id3 ", b"bext", b"iXML", b"_PMX", b"cue ", b"smpl", b"inst", b"PEAK", b"NAME", b"ANNO", b"COMT")
"""Names of chunks behind the samples of WAV and AIFF, which tell them from samples where the file ends within one."""
FEW_BYTES = 64
"""That may follow the samples, whatever they are."""
XING_TOLERANCE = 0.01
"""Share of an mp3 that may be missing, since encoders count differently."""


def truncation_reason(source: Path | bytes) -> str | None:
    """Why a file, given by its path or content, is truncated, or would be read in part; None if nothing indicates it.

    Reads the headers of uncompressed sound (`sound_header.py`), RIFF (avi), Ogg (RFC 3533: the last page carries the
    end-of-stream flag), the boxes of mp4, mov and m4a (ISO/IEC 14496-12), the segment of mkv and webm (RFC 9559), the
    properties of wma (ASF), and the Xing header of mp3. A size that a streaming encoder left open says nothing.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        head = file.read(16)
        header = read_sound_header(file)
        if header is not None:
            return None if header.size is None else _samples(file, size, header.start + header.size)
        if head[:4] in (b"RIFF", b"FORM"):
            stated_size = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
            return None if is_open(stated_size) else _short(stated_size + 8, size, f"{head[:4].decode()} header")
        if head[:4] == b"OggS":
            return _ogg(file, size)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _boxes(file, size)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return _matroska(file, size)
        if head[:4] == b"fLaC":
            return _flac(file)
        if head == ASF:
            return _asf(file, size)
        if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
            return _xing(file, size)
    return None


def _short(stated_size: int, size: int, header: str) -> str | None:
    return f"its {header} states {stated_size} bytes, the file has {size}" if stated_size > size else None


def _samples(file: BinaryIO, size: int, stop: int) -> str | None:
    if stop > size:
        return _short(stop, size, "header")
    file.seek(0)
    first = file.read(4)
    file.seek(stop)
    rest = file.read()
    # Some programs leave out the byte that makes an odd number of bytes even, others write zeros for a tag.
    tails = [rest[skip:].lstrip(b"\0") for skip in (0, stop % 2)]
    if any(tail.startswith(first) for tail in tails):
        return f"a second recording begins at byte {stop + rest.index(first)}"
    if first in (b"RIFF", b"RF64", b"BW64", b"FORM"):
        order: Literal["little", "big"] = "big" if first == b"FORM" else "little"
        if len(tails[0]) > FEW_BYTES and not any(tail.startswith(TAGS) or _is_chunk(tail, order) for tail in tails):
            return f"its header states samples up to byte {stop}, and more follow: correct its sizes, or write it again"
    return None


def _is_chunk(content: bytes, order: Literal["little", "big"]) -> bool:
    """Whether a chunk begins here: one that programs write, or one that is complete."""
    ends = int.from_bytes(content[4:8], order) + 8 <= len(content)
    return content.startswith(CHUNKS) or (ends and all(32 <= byte < 127 for byte in content[:4]))


def _ogg(file: BinaryIO, size: int) -> str | None:
    start, stream_begins = 0, True
    file.seek(0)
    # libsndfile reads the first of several recordings.
    while len(page := file.read(OGG_HEADER_BYTES)) == OGG_HEADER_BYTES and page.startswith(b"OggS"):
        if page[5] & 2 and not stream_begins:
            return f"a second recording begins at byte {start}"
        stream_begins = bool(page[5] & 2)
        start += OGG_HEADER_BYTES + page[26] + sum(file.read(page[26]))
        file.seek(start)
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


def _flac(file: BinaryIO) -> str | None:
    """A cut one makes the decoder fail."""
    file.seek(4)
    second = file.read().find(FLAC_START)
    return None if second < 0 else f"a second recording begins at byte {second + 4}"


def _asf(file: BinaryIO, size: int) -> str | None:
    file.seek(0)
    properties = file.read(1 << 16).partition(ASF_PROPERTIES)[2]
    stated_size = int.from_bytes(properties[24:32], "little")
    broadcast = bool(properties[72:73]) and properties[72] & 1
    return None if broadcast or is_open(stated_size) else _short(stated_size, size, "ASF header")


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
    stated_size = int.from_bytes(frame[at : at + 4], "big")
    if stated_size == 0 or is_open(stated_size):
        return None
    file.seek(start + stated_size)
    after = file.read(3)
    if after == b"ID3" or (after[:1] == b"\xff" and after[1:2] >= b"\xe0"):
        return f"a second recording begins at byte {start + stated_size}"
    return _short(start + int(stated_size * (1 - XING_TOLERANCE)), size, "Xing header")
