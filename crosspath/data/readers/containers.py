"""Opens films and recordings with FFmpeg: one file, and nothing that it names."""

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from av.container import InputContainer

FORMATS = (
    "aac,ac3,aiff,amr,ape,apng,asf,au,avi,caf,dv,eac3,flac,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp3,mpeg,mpegts,"
    "mpegvideo,mxf,nut,obu,ogg,rm,tta,w64,wav,wtv,wv,yuv4mpegpipe"
)
"""FFmpeg's names of the containers that may be opened. Lists, such as HLS and concat, lead to other files and URLs,
and are recognised by content under any name; single pictures are no films."""


def open_media(source: str | BinaryIO) -> "InputContainer":
    """The container of a film or recording, by path or open file, as FFmpeg recognises it by its content.

    Raises one of FFmpeg's errors.
    """
    import av

    # As a file's address, so that no other protocol is read out of a name.
    file = f"file:{source}" if isinstance(source, str) else source
    return av.open(file, "r", options={"format_whitelist": FORMATS})
