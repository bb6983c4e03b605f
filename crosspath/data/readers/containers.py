"""Opens films and recordings with FFmpeg: one file, and nothing that it names."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from av.container import InputContainer

FORMATS = (
    *(
        "aac",
        "ac3",
        "aiff",
        "amr",
        "ape",
        "asf",
        "au",
        "avi",
        "caf",
        "dv",
        "eac3",
        "flac",
        "flv",
        "h264",
        "hevc",
        "ivf",
    ),
    *("m4v", "matroska", "mjpeg", "mov", "mp3", "mpeg", "mpegts", "mpegvideo", "mxf", "nut", "ogg", "rm", "tta", "w64"),
    *("wav", "webm", "wv", "yuv4mpegpipe"),
)
"""FFmpeg's names of the containers that may be opened. Lists, such as HLS and concat, lead to other files and URLs,
and are recognised by content under any name."""


def open_media(source: Path | BinaryIO) -> "InputContainer":
    """The container of a film or recording, as FFmpeg recognises it by its content. Raises one of FFmpeg's errors."""
    import av

    file = str(source) if isinstance(source, Path) else source
    return av.open(file, "r", options={"format_whitelist": ",".join(FORMATS)})
