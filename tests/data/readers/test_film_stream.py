"""The stream that is the film, all eight display matrices, edit lists, and files that only look like films."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from crosspath.config.data import VideoData
from crosspath.data.items import DamageError
from crosspath.data.readers.containers import FORMATS
from crosspath.data.readers.video import VideoReader
from crosspath.data.readers.video_file import Video, decoder_errors_as_damage
from tests.data.files import write_clip, write_sound

FILM, COVER = 200, 30
"""Brightness."""


def flat(level: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((32, 32, 3), level, np.uint8), format="rgb24")


def write_streams(path: Path, streams: list[tuple[str, int, int, str | None]]) -> None:
    """(codec, frames, brightness, disposition) of each picture stream, in this order."""
    with av.open(str(path), "w") as container:
        added = []
        for codec, *_, disposition in streams:
            stream = container.add_stream(codec, rate=25)
            stream.width = stream.height = 32
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if disposition is not None:
                stream.disposition = av.stream.Disposition[disposition]
            added.append(stream)
        for stream, (_, count, level, _) in zip(added, streams, strict=True):
            for _ in range(count):
                container.mux(stream.encode(flat(level)))
            container.mux(stream.encode())


def brightness(path: Path) -> float:
    video = Video(path)
    return float(np.mean(video.frames([0, video.length() - 1], None)))


def boxes(content: bytes) -> list[bytes]:
    """The boxes of an mp4, or of one of its boxes."""
    found, start = [], 0
    while start < len(content):
        size = int.from_bytes(content[start : start + 4], "big")
        found.append(content[start : start + size])
        start += size
    return found


def cover_first(content: bytes) -> bytes:
    """An mp4 whose tags, which hold the cover, stand before its tracks: FFmpeg numbers the cover first then."""
    top = boxes(content)
    assert [box[4:8] for box in top][-1] == b"moov"
    inside = boxes(top[-1][8:])
    order = sorted(inside, key=lambda box: {b"mvhd": 0, b"udta": 1}.get(box[4:8], 2))
    return b"".join(top[:-1]) + top[-1][:8] + b"".join(order)


@pytest.mark.parametrize("arrange", [lambda content: content, cover_first])
def test_a_cover_of_an_mp4_is_no_film_wherever_it_stands(tmp_path: Path, arrange: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.mp4"
    write_streams(path, [("libx264", 20, FILM, None), ("mjpeg", 1, COVER, "attached_pic")])
    path.write_bytes(arrange(path.read_bytes()))
    with av.open(str(path)) as container:
        first_is_cover = bool(container.streams.video[0].disposition & av.stream.Disposition.attached_pic)
    assert first_is_cover == (arrange is cover_first)
    assert Video(path).length() == 20
    assert brightness(path) == pytest.approx(FILM, abs=6)
    assert Video(path, content=path.read_bytes()).length() == 20


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
@pytest.mark.parametrize("disposition", [None, "still_image"])
def test_a_still_that_is_listed_first_is_no_film(tmp_path: Path, name: str, disposition: str | None) -> None:
    path = tmp_path / name
    write_streams(path, [("mjpeg", 1, COVER, disposition), ("libx264", 20, FILM, None)])
    assert Video(path).length() == 20
    assert brightness(path) == pytest.approx(FILM, abs=6)
    assert Video(path, content=path.read_bytes()).length() == 20


def test_of_two_films_the_default_counts(tmp_path: Path) -> None:
    write_streams(tmp_path / "a.mkv", [("libx264", 9, COVER, "dub"), ("libx264", 12, FILM, "default")])
    assert Video(tmp_path / "a.mkv").length() == 12
    write_streams(tmp_path / "b.mkv", [("libx264", 9, COVER, "dub"), ("libx264", 12, FILM, "dub")])
    assert Video(tmp_path / "b.mkv").length() == 9


def test_sound_with_a_cover_is_no_film(tmp_path: Path) -> None:
    write_streams(tmp_path / "a.mp4", [("mjpeg", 1, COVER, "attached_pic")])
    with pytest.raises(DamageError, match="cover"):
        Video(tmp_path / "a.mp4").length()


def display_matrices() -> list[tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]]:
    """((a, b, c, d), what a player shows): by the standard, (x, y) is shown at (a·x + c·y, b·x + d·y)."""
    return [
        ((1, 0, 0, 1), lambda p: p),
        ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
        ((1, 0, 0, -1), lambda p: p[::-1]),
        ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
        ((0, 1, 1, 0), lambda p: p.T),
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),  # a quarter turn clockwise, as phones write
        ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
        ((0, -1, -1, 0), lambda p: np.rot90(p, 2).T),
    ]


@pytest.mark.parametrize(("matrix", "shown"), display_matrices())
def test_every_display_matrix(
    tmp_path: Path, matrix: tuple[int, int, int, int], shown: Callable[[np.ndarray], np.ndarray]
) -> None:
    pixels = np.kron([[250, 30, 120], [80, 180, 30]], np.ones((32, 32))).astype(np.uint8)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = pixels.shape
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "0"}
        frame = av.VideoFrame.from_ndarray(np.repeat(pixels[:, :, None], 3, axis=2), format="rgb24")
        for _ in range(5):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with_matrix(tmp_path / "a.mp4", matrix)
    [actual] = Video(tmp_path / "a.mp4").frames([2], None)
    np.testing.assert_allclose(actual[:, :, 0].astype(int), shown(pixels).astype(int), atol=6)


def with_matrix(path: Path, matrix: tuple[float, ...]) -> None:
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(value * 65536) for value in matrix)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def test_a_matrix_that_is_no_quarter_turn_is_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", [100] * 5)
    with_matrix(tmp_path / "a.mp4", (0.7, 0.7, -0.7, 0.7))
    with pytest.raises(DamageError, match="quarter turn"):
        Video(tmp_path / "a.mp4").frames([0], None)


def test_an_edit_list_cuts_the_start_and_a_later_start_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_clip(path, range(40, 240, 4))
    content = bytearray(path.read_bytes())
    entry = content.index(b"elst") + 12
    duration, start = struct.unpack(">Ii", content[entry : entry + 8])
    content[entry : entry + 8] = struct.pack(">Ii", duration - 400, start + 10 * 512)  # ten frames, no key frame there
    path.write_bytes(content)
    video = Video(path)
    assert video.length() == 40
    levels = [frame.mean() for frame in video.frames([0, 1, 39], None)]
    np.testing.assert_allclose(levels, [80, 84, 236], atol=3)
    with av.open(str(tmp_path / "b.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for place in range(20):
            frame = flat(40 + 8 * place)
            frame.pts = 500 + place
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert Video(tmp_path / "b.mkv").length() == 20
    levels = [frame.mean() for frame in Video(tmp_path / "b.mkv").frames([0, 19], None)]
    np.testing.assert_allclose(levels, [40, 192], atol=4)


@pytest.mark.parametrize(
    ("written", "codec", "name"),
    [
        ("a.mp4", "libx264", "b.avi"),
        ("a.avi", "mpeg4", "b.mp4"),
        ("a.webm", "libvpx-vp9", "b.mov"),
        ("a.mkv", "libx264", "b.3gp"),
        ("a.ts", "mpeg2video", "b.mkv"),
        ("a.mp4", "libx264", "b.m4v"),
        ("a.3gp", "mpeg4", "c.3gp"),
        ("a.ts", "libx264", "b.mts"),
        ("a.mpg", "mpeg2video", "b.MPG"),
        ("a.mp4", "libx264", "frames_%03d.mp4"),
        ("a.mp4", "libx264", "a:b.mp4"),
        ("a.mp4", "libx264", "concat:a|b.mp4"),
    ],
)
def test_films_are_opened_by_content(
    tmp_path: Path, written: str, codec: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / written, [FILM] * 20, codec=codec)
    (tmp_path / written).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, Path(name)):
        assert Video(path).length() == 20
        assert brightness(path) == pytest.approx(FILM, abs=6)


def test_an_animation_is_a_film(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (32, 32), (10 * place,) * 3) for place in range(20)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40)
    reader = VideoReader(VideoData(frames=4, image_size=16))
    levels = reader.decode_file(tmp_path / "a.gif").mean(axis=(0, 2, 3))
    np.testing.assert_allclose(levels, [0, 60, 130, 190], atol=4)


def test_fields_of_an_interlaced_film_stay_in_one_frame(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mpg"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.options = {"flags": "+ilme+ildct", "qscale": "2"}
        for place in range(20):
            container.mux(stream.encode(flat_of(64, 10 * place)))
        container.mux(stream.encode())
    video = Video(tmp_path / "a.mpg")
    assert video.length() == 20
    assert video.frames([19], None)[0].mean() == pytest.approx(190, abs=6)


def flat_of(size: int, level: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((size, size, 3), level, np.uint8), format="rgb24")


def picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 32)).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("name", ["picture.mp4", "list.mp4", "concat.mp4", "subtitles.mkv", "script.ts", "sound.mkv"])
def test_what_only_looks_like_a_film_is_refused_and_opens_no_other_file(tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / "a.mp4", [FILM] * 20)
    write_sound(tmp_path / "a.wav")
    contents = {
        "picture.mp4": picture("JPEG"),
        "list.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:2,\na.mp4\n#EXT-X-ENDLIST\n",
        "concat.mp4": b"ffconcat version 1.0\nfile a.mp4\n",
        "subtitles.mkv": b"1\n00:00:01,000 --> 00:00:02,000\nhello\n",
        "script.ts": b"export const answer: number = 42;\n",
        "sound.mkv": (tmp_path / "a.wav").read_bytes(),
    }
    (tmp_path / name).write_bytes(contents[name])
    with pytest.raises(DamageError), decoder_errors_as_damage():
        Video(tmp_path / name).length()


def test_every_container_that_may_be_opened_is_one_of_ffmpegs() -> None:
    names = {part for name in av.formats_available for part in name.split(",")}
    assert set(FORMATS.split(",")) <= names
