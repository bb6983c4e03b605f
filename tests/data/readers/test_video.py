"""Which frames of a clip are read, from clips whose brightness tells the frame; GRID; damaged clips."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crosspath.config.data import VideoData
from crosspath.data.items import DamageError
from crosspath.data.readers import video_file
from crosspath.data.readers.video import VideoReader
from crosspath.data.readers.video_file import Video, centre_square
from crosspath.errors import InputError
from crosspath.modalities.load import load_data, read_file
from tests.data.files import cut_in_half, write_clip, write_sound
from tests.errors import refused

SECTION = VideoData(frames=5, image_size=16)
LEVELS, STEP = 32, 8
"""Brightness steps wide enough for the rounding of colour conversion and resizing."""


def brightness(index: int) -> int:
    """Tells the frame among its neighbours."""
    return STEP // 2 + STEP * (index % LEVELS)


def frames_seen(frames_THWC: np.ndarray, near: list[int]) -> list[int]:
    """The frame numbers that the brightness tells, each the one closest to where it should be."""
    results = []
    for frame, index in zip(frames_THWC, near, strict=True):
        step = int(frame.mean() // STEP)
        results.append(index + (step - index + LEVELS // 2) % LEVELS - LEVELS // 2)
    return results


def decode_frames(path: Path, span: tuple[int, int] | None, count: int, size: int) -> np.ndarray:
    """`count` frames spread evenly over a range, or over the whole clip, each cut to its middle square."""
    clip = Video(path)
    start, stop = span or (0, clip.length())
    wanted = np.linspace(start, max(start, stop - 1), count).round().astype(int).tolist()
    return np.stack([centre_square(frame, size) for frame in clip.frames(wanted, size)])


def evenly(start: int, stop: int, count: int) -> list[int]:
    """Numbers spread over [start, stop), first and last included."""
    return [round(start + (stop - 1 - start) * place / (count - 1)) for place in range(count)]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 frames, a key frame every 250 or less."""
    path = tmp_path_factory.mktemp("clip") / "long.mp4"
    write_clip(path, map(brightness, range(400)))
    return path


def test_a_short_side_below_the_squares_is_refused() -> None:
    with refused("data.resize", "16 or more", "found 8", "--set data.resize=16"):
        VideoReader(VideoData(frames=5, image_size=16, resize=8))


def test_an_array_whose_channels_may_be_its_frames_is_refused() -> None:
    reader = VideoReader(VideoData(frames=3, image_size=16))
    red = np.zeros((3, 16, 16, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_array_equal(reader.decode_object(red), red.transpose(3, 0, 1, 2))
    with pytest.raises(DamageError, match=r"\(T, H, W, 3\)"):
        reader.decode_object(red.transpose(0, 3, 1, 2))


def test_frames_spread_evenly_over_the_whole_clip(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", map(brightness, range(50)))
    actual = read_file(SECTION, tmp_path / "a.mp4")
    assert actual.shape == (3, 5, 16, 16)
    assert actual.dtype == np.uint8
    expected = evenly(0, 50, 5)
    assert frames_seen(actual.transpose(1, 2, 3, 0), expected) == expected


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (10, 30), (49, 50), (3, 4), (12, 14), (20, 20), (45, 50)])
def test_the_frames_of_a_range(tmp_path: Path, start: int, stop: int) -> None:
    write_clip(tmp_path / "a.mp4", map(brightness, range(50)))
    expected = np.linspace(start, max(start, stop - 1), 8).round().astype(int).tolist()
    assert min(expected) >= start
    assert max(expected) <= max(start, stop - 1)
    assert frames_seen(decode_frames(tmp_path / "a.mp4", (start, stop), 8, 16), expected) == expected


@pytest.mark.parametrize(
    "span", [(0, 400), (240, 245), (249, 260), (300, 310), (390, 400), (97, 98), (0, 2), (130, 399)]
)
@pytest.mark.parametrize("count", [2, 3, 8])
def test_seeking_gives_the_frames_of_reading_on(
    long_clip: Path, span: tuple[int, int], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = evenly(*span, count)
    sought = decode_frames(long_clip, span, count, 16)
    assert frames_seen(sought, expected) == expected
    monkeypatch.setattr(video_file, "SEEK_BEYOND", 10**9)
    np.testing.assert_array_equal(decode_frames(long_clip, span, count, 16), sought)
    monkeypatch.setattr(video_file, "SEEK_BEYOND", 0)
    np.testing.assert_array_equal(decode_frames(long_clip, span, count, 16), sought)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.avi", "mpeg4"), ("a.MOV", "libx264")],
)
def test_every_container_gives_the_same_frames(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name.lower()
    write_clip(path, map(brightness, range(300)), codec=codec, key_frames_every=40)
    path = path.rename(tmp_path / name)
    for span in (None, (200, 210), (5, 290)):
        expected = evenly(*(span or (0, 300)), 4)
        assert frames_seen(decode_frames(path, span, 4, 16), expected) == expected, span


def test_time_stamps_of_an_mpeg_program_stream_are_right_to_a_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mpg", map(brightness, range(300)), codec="mpeg2video", key_frames_every=40)
    for span in (None, (200, 210), (5, 290)):
        expected = evenly(*(span or (0, 300)), 4)
        actual = frames_seen(decode_frames(tmp_path / "a.mpg", span, 4, 16), expected)
        assert np.abs(np.subtract(actual, expected)).max() <= 1


@pytest.mark.parametrize("rate", [10, 30, 60])
def test_frames_are_counted_at_the_clips_own_rate(tmp_path: Path, rate: int) -> None:
    write_clip(tmp_path / "a.mp4", map(brightness, range(40)), rate=rate)
    expected = [0, 13, 26, 39]
    assert frames_seen(decode_frames(tmp_path / "a.mp4", None, 4, 16), expected) == expected


def test_a_clip_of_uneven_rate_is_read_by_time(tmp_path: Path) -> None:
    import av

    # Ten frames at 25 a second, then ten that stand five times as long.
    stamps = [*range(10), *range(10, 60, 5)]
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "0"}
        for stamp in stamps:
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), brightness(stamp), np.uint8), format="rgb24")
            frame.pts = stamp
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    wanted = [0, 8, 17, 32, 49]
    actual = [decode_frames(tmp_path / "a.mkv", (index, index + 1), 1, 16)[0] for index in wanted]
    expected = [max(stamp for stamp in stamps if stamp <= index) for index in wanted]
    assert frames_seen(np.stack(actual), expected) == expected


def test_a_clip_one_frame_short_repeats_its_last_and_a_shorter_one_is_damaged(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", map(brightness, range(74)))
    actual = decode_frames(tmp_path / "a.mp4", (70, 75), 5, 16)
    assert frames_seen(actual, [70, 71, 72, 73, 73]) == [70, 71, 72, 73, 73]
    with pytest.raises(DamageError, match="it ends at frame 73, before frame 89"):
        decode_frames(tmp_path / "a.mp4", (80, 90), 5, 16)


def test_a_clip_turned_by_its_container_stands_upright(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_clip(path, [(255, 0)] * 5)  # white on the left; to be turned clockwise: white on top
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    one = 1 << 16
    content[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    actual = decode_frames(path, None, 2, 16)
    assert actual[:, :7].min() > 200
    assert actual[:, 9:].max() < 50


def test_films_of_one_frame_are_counted(tmp_path: Path) -> None:
    reader = VideoReader(SECTION)
    write_clip(tmp_path / "a.mp4", map(brightness, range(9)))
    reader.decode_file(tmp_path / "a.mp4")
    assert reader.remarks() == ()
    Image.new("RGB", (32, 32), "red").save(tmp_path / "b.gif")
    write_clip(tmp_path / "c.mp4", [128])
    for name in ("b.gif", "c.mp4"):
        reader.decode_file(tmp_path / name)
    [note] = reader.remarks()
    assert "2 of 3 films" in note


def test_a_gif_without_delays_is_refused_since_only_its_first_frame_would_be_read(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)
    first, *others = [Image.fromarray(frame) for frame in levels]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    with pytest.raises(DamageError, match="its 3 frames have no delays"):
        VideoReader(SECTION).decode_file(tmp_path / "a.gif")
    first.save(tmp_path / "b.gif", save_all=True, append_images=others, duration=40)
    VideoReader(SECTION).decode_file(tmp_path / "b.gif")


def test_the_middle_square_is_kept(tmp_path: Path) -> None:
    import av

    pixels = np.zeros((32, 96, 3), np.uint8)
    pixels[:, 32:64] = 255
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 96, 32, "yuv420p", {"crf": "0"}
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    assert decode_frames(tmp_path / "a.mp4", None, 2, 32)[:, :, 2:-2].min() > 240


@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [
        ("a.mp4", {}, "libx264"),
        ("a.mp4", {"movflags": "faststart"}, "libx264"),
        ("a.mov", {"movflags": "faststart"}, "libx264"),
        ("a.mkv", {}, "libx264"),
        ("a.webm", {}, "libvpx-vp9"),
        ("a.avi", {}, "mpeg4"),
    ],
)
def test_half_a_clip_is_damaged_even_where_the_frames_are_there(
    tmp_path: Path, name: str, options: dict[str, str], codec: str
) -> None:
    path = tmp_path / name
    write_clip(path, map(brightness, range(75)), options=options, codec=codec)
    reader = VideoReader(SECTION)
    reader.decode_file(path)
    cut_in_half(path)
    with pytest.raises(DamageError) as caught:
        reader.decode_file(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no clip at all", b"\x1a\x45\xdf\xa3", b"\0\0\0\x20ftypisom"])
def test_a_file_that_is_no_clip_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with refused("a.mp4", "video"):
        read_file(SECTION, tmp_path / "a.mp4")


def avi_without_frames() -> bytes:
    """Headers of one video stream, and an empty `movi` list."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content

    main = struct.pack("<14I", 40000, 0, 0, 0, 0, 0, 1, 0, 32, 32, 0, 0, 0, 0)
    stream = struct.pack("<4s4s10I4H", b"vids", b"MJPG", 0, 0, 0, 1, 25, 0, 0, 0, 0, 0, 0, 0, 32, 32)
    form = struct.pack("<IiiHH4sIiiII", 40, 32, 32, 1, 24, b"MJPG", 3072, 0, 0, 0, 0)
    streams = chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", form))
    headers = chunk(b"LIST", b"hdrl" + chunk(b"avih", main) + streams)
    return chunk(b"RIFF", b"AVI " + headers + chunk(b"LIST", b"movi"))


def test_clips_without_frames_or_without_picture_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "empty.avi").write_bytes(avi_without_frames())
    write_sound(tmp_path / "sound.wav")
    (tmp_path / "sound.wav").rename(tmp_path / "sound.avi")
    with refused("empty.avi", "frames"):
        read_file(SECTION, tmp_path / "empty.avi")
    with refused("sound.avi", "video"):
        read_file(SECTION, tmp_path / "sound.avi")


def grid_folder(root: Path) -> Path:
    """Ten clips of 30 frames; word ranges tell the clip."""
    folder = root / "grid_s1"
    (folder / "videos").mkdir(parents=True)
    clips = ["file,split,frames,command,color,preposition,letter,digit,adverb"]
    words = ["file,split,slot,word,start_frame,end_frame"]
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    for number, part in enumerate(parts):
        name = f"videos/{number}.mp4"
        write_clip(folder / name, map(brightness, range(30)))
        digit = ("two", "one")[number % 2]
        clips.append(f"{name},{part},30,bin,blue,at,f,{digit},now")
        words.append(f"{name},{part},digit,{digit},{number},{number + 9}")
        words.append(f"{name},{part},color,blue,0,2")
    (folder / "clips.csv").write_text("\n".join(clips) + "\n")
    (folder / "words.csv").write_text("\n".join(words) + "\n")
    return root


GRID = VideoData(dataset="grid", frames=5, image_size=16)


def test_grid_reads_the_frames_of_the_chosen_word(tmp_path: Path) -> None:
    data = load_data(GRID, grid_folder(tmp_path), 0)
    assert data.classes == ("one", "two")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 2, 2]
    assert data.test.ids == ("videos/8.mp4#digit", "videos/9.mp4#digit")
    assert data.test.labels.tolist() == [1, 0]
    for number, sample in zip((8, 9), data.test.inputs[:], strict=True):
        expected = evenly(number, number + 9, 5)
        assert frames_seen(sample.transpose(1, 2, 3, 0), expected) == expected


def test_grid_reads_whole_clips_and_other_slots(tmp_path: Path) -> None:
    root = grid_folder(tmp_path)
    whole = load_data(GRID.model_copy(update={"span": "clip"}), root, 0)
    assert whole.classes == ("one", "two")
    expected = evenly(0, 30, 5)
    assert frames_seen(whole.test.inputs[0].transpose(1, 2, 3, 0), expected) == expected
    assert load_data(GRID.model_copy(update={"slot": "color"}), root, 0).classes == ("blue",)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (",digit,two,4,13", ",digit,two,four,13", r"words\.csv row 10: expected a whole number in `start_frame`"),
        ("videos/4.mp4,train,digit", "videos/4.mp4,later,digit", r"words\.csv row 10: expected train, val or test"),
        ("videos/4.mp4,train,digit", "videos/x.mp4,train,digit", r"words\.csv row 10: .*x\.mp4, which is missing"),
        ("start_frame", "begin", r"words\.csv row 1: expected columns start_frame"),
    ],
)
def test_faults_of_the_grid_tables_are_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    table = grid_folder(tmp_path) / "grid_s1" / "words.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=expected):
        load_data(GRID, tmp_path, 0)


def test_grid(data_root: Path) -> None:
    data = load_data(VideoData(dataset="grid", frames=2, image_size=8), data_root, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [700, 100, 200]
    assert data.classes == ("eight", "five", "four", "nine", "one", "seven", "six", "three", "two", "zero")
    assert np.bincount(data.test.labels).tolist() == [20] * 10
    assert data.train.inputs.shape == (700, 3, 2, 8, 8)
    assert data.damaged_files == ()


def test_a_real_word_is_cut_out_where_the_table_says(data_root: Path) -> None:
    import av

    path = data_root / "grid_s1" / "videos" / "bbaf2n.mp4"
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    actual = decode_frames(path, (30, 34), 4, 112)
    for index, frame in zip(range(30, 34), actual, strict=True):
        differences = [np.abs(other.astype(int) - frame).mean() for other in frames]
        assert int(np.argmin(differences)) == index
