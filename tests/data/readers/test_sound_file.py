"""Recordings of any container under any name: all channels count, streams are read to their end, cut ones damaged."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from crosspath.config.data import AudioData
from crosspath.data.items import DamageError
from crosspath.data.readers.audio import SHARD_MEMBERS, SUFFIXES
from crosspath.data.readers.sound_file import decode_wave
from crosspath.modalities.load import load_data, read_file
from tests.data.files import wave
from tests.data.recordings import add_sound_stream, encoded, mux_sound

MEMORY = Path("content")
LEFT, RIGHT = wave(1.0, seed=1), wave(1.0, seed=2)
STEREO = np.stack([LEFT, RIGHT])


def written(channels_CS: NDArray[np.float64], kind: str, subtype: str | None = None, rate: int = 16000) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, channels_CS.T, rate, format=kind, subtype=subtype)
    return target.getvalue()


def with_numbers(content: bytes, order: str, *numbers: tuple[int, int]) -> bytes:
    """The content with 32-bit (place, number) overwritten."""
    result = bytearray(content)
    for place, number in numbers:
        struct.pack_into(f"{order}I", result, place, number)
    return bytes(result)


def similarity(one: NDArray[np.float32], other: NDArray[np.float64]) -> float:
    """Correlation of two waves without a shift, over what both have."""
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"])
def test_a_recording_is_the_mean_of_its_channels(kind: str) -> None:
    content = written(STEREO, kind)
    actual, rate = decode_wave(MEMORY, content)
    assert (rate, len(actual)) == (16000, 16000)
    if kind in ("OGG", "MP3"):
        assert similarity(actual, STEREO.mean(axis=0)) > 0.95
    else:
        np.testing.assert_allclose(actual, STEREO.mean(axis=0), atol=2**-14)


@pytest.mark.parametrize(("container", "codec"), [("ipod", "alac"), ("matroska", "pcm_s16le"), ("asf", "pcm_s16le")])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_all_channels_count_where_ffmpeg_decodes(container: str, codec: str, channels: int) -> None:
    channels_CS = np.stack([wave(1.0, seed=seed) for seed in range(channels)])
    actual, _ = decode_wave(MEMORY, encoded(channels_CS, container, codec))
    np.testing.assert_allclose(actual, channels_CS.mean(axis=0), atol=2**-14)


@pytest.mark.parametrize("stream", [False, True])
def test_sound_on_the_right_alone_is_no_silence(tmp_path: Path, stream: bool) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(4):
            path = tmp_path / "data" / name / f"{number}.wav"
            path.write_bytes(written(np.stack([0 * LEFT, wave(1.0, seed=number)]), "WAV"))
    section = AudioData(folder=tmp_path / "data", frames=32, mels=40, stream=stream, cache_folder=tmp_path / "cache")
    silence = written(0 * STEREO, "WAV")
    (tmp_path / "silence.wav").write_bytes(silence)
    samples = load_data(section, None, 0).train.inputs[:]
    assert (samples.mean(axis=(1, 2)) > read_file(section, tmp_path / "silence.wav").mean() + 5).all()


def test_channels_that_cancel_each_other_out_are_named() -> None:
    with pytest.raises(DamageError, match="cancel"):
        decode_wave(MEMORY, written(np.stack([LEFT, -LEFT]), "WAV"))
    assert not decode_wave(MEMORY, written(0 * STEREO, "WAV"))[0].any()


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("wav", "pcm_s16le", {}),
        ("wav", "pcm_s24le", {"rf64": "always"}),
        ("w64", "pcm_s16le", {}),
        ("aiff", "pcm_s16be", {}),
        ("au", "pcm_s16be", {}),
        ("caf", "pcm_s16be", {}),
        ("flac", "flac", {}),
        ("matroska", "pcm_s16le", {}),
    ],
)
def test_what_ffmpeg_writes_to_a_pipe_is_read_to_its_end(container: str, codec: str, options: dict[str, str]) -> None:
    content = encoded(STEREO, container, codec, seekable=False, options=options)
    actual, rate = decode_wave(MEMORY, content)
    assert rate == 16000
    np.testing.assert_allclose(actual, STEREO.mean(axis=0), atol=2**-14)


WAV_OPEN = {
    "zero": (0, 0),
    "zero, counted header": (36, 0),
    "largest": (0xFFFFFFFF, 0xFFFFFFFF),
    "largest signed": (0x7FFFFFFF, 0x7FFFFFFF),
    "sox": (0x7FFFF024, 0x7FFFF000),
    "arecord": (0x80000024, 0x80000000),
    "only the file": (0xFFFFFFFF, 0),
    "only the samples": (64036, 0xFFFFFFFF),
}


@pytest.mark.parametrize("sizes", WAV_OPEN.values(), ids=list(WAV_OPEN))
def test_a_wav_with_open_sizes_is_read_to_its_end(sizes: tuple[int, int]) -> None:
    content = with_numbers(written(STEREO, "WAV"), "<", (4, sizes[0]), (40, sizes[1]))
    actual, _ = decode_wave(MEMORY, content)
    np.testing.assert_allclose(actual, STEREO.mean(axis=0), atol=2**-14)


@pytest.mark.parametrize("size", [0, 0x7F000000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_aiff_or_au_with_open_sizes_is_read_to_its_end(size: int) -> None:
    aiff = written(STEREO, "AIFF")
    frames, sound = aiff.index(b"COMM") + 10, aiff.index(b"SSND") + 4
    contents = (
        with_numbers(aiff, ">", (4, size), (frames, size // 4), (sound, size)),
        with_numbers(written(STEREO, "AU"), ">", (8, size)),
    )
    for content in contents:
        np.testing.assert_allclose(decode_wave(MEMORY, content)[0], STEREO.mean(axis=0), atol=2**-14)


def test_a_wav_without_samples_is_not_read_as_what_follows_them() -> None:
    tags = b"LIST" + struct.pack("<I", 200) + b"INFO" + b"x" * 196
    head = written(STEREO, "WAV")[:40] + bytes(4)
    with pytest.raises(DamageError, match="no samples"):
        decode_wave(MEMORY, with_numbers(head + tags, "<", (4, 36 + len(tags))))


@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_cut_file_is_damaged(kind: str, share: float) -> None:
    content = written(STEREO, kind)
    with pytest.raises(DamageError):
        decode_wave(MEMORY, content[: int(len(content) * share)])


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("adts", "aac", 16000), ("amr", "libopencore_amrnb", 8000), ("asf", "wmav2", 44100)],
)
def test_speech_and_broadcast_formats_are_read_and_damaged_when_cut(container: str, codec: str, rate: int) -> None:
    sound = wave(1.0, rate)
    content = encoded(sound[None], container, codec, rate=rate, bit_rate=64000 if codec == "wmav2" else None)
    actual, actual_rate = decode_wave(MEMORY, content)
    assert actual_rate == rate
    assert abs(len(actual) - rate) < 2 * 2048  # whole frames, and the encoder's delay
    assert np.abs(actual).max() > 0.2
    with pytest.raises(DamageError):
        decode_wave(MEMORY, content[: len(content) // 2 + 1])


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "AU", "W64", "FLAC", "OGG", "MP3"])
def test_two_recordings_in_one_file_are_not_read_as_the_first(kind: str) -> None:
    content = written(STEREO, kind)
    with pytest.raises(DamageError, match=rf"second recording begins at byte {len(content)}"):
        decode_wave(MEMORY, content + written(STEREO[:, ::-1], kind))


@pytest.mark.parametrize(("kind", "order"), [("WAV", "<"), ("AIFF", ">")])
def test_samples_behind_the_stated_ones_are_damage(kind: str, order: str) -> None:
    content = written(STEREO, kind)
    place = content.index(b"data" if kind == "WAV" else b"SSND") + 4
    with pytest.raises(DamageError, match="more follow"):
        decode_wave(MEMORY, with_numbers(content, order, (place, 4008)))
    tags = b"LIST" + struct.pack(f"{order}I", 200) + bytes(range(200))
    for behind in (tags, bytes(5000), b"ID3\x04" + bytes(range(200)), b"\r\n"):
        assert len(decode_wave(MEMORY, content + behind)[0]) == 16000


@pytest.mark.parametrize("padding", [b"", b"\0", b"\x80"])
def test_what_programs_write_behind_an_odd_number_of_samples_is_no_sound(padding: bytes) -> None:
    sound = written(STEREO[:1], "WAV", "PCM_U8")
    odd = with_numbers(sound[:-1], "<", (sound.index(b"data") + 4, 15999))
    tags = b"LIST" + struct.pack("<I", 200) + bytes(range(200))
    for behind in (tags, tags[:100], bytes(100) + tags, b"<?xml version='1.0'?>" + b"x" * 200, b"_odd" + tags[4:]):
        assert len(decode_wave(MEMORY, odd + padding + behind)[0]) == 15999
    with pytest.raises(DamageError, match="more follow"):
        decode_wave(MEMORY, odd + padding + bytes(100) + bytes(range(128, 256)))
    with pytest.raises(DamageError, match=f"second recording begins at byte {len(odd + padding)}"):
        decode_wave(MEMORY, odd + padding + sound)


def test_tags_and_covers_around_a_recording_are_no_sound() -> None:
    behind = b"TAG" + bytes(125)
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        assert len(decode_wave(MEMORY, written(STEREO, kind) + behind)[0]) == 16000
    before = b"ID3\x04\x00\x00" + bytes([0, 63, 127, 127]) + bytes((63 << 14) + (127 << 7) + 127)
    for kind in ("FLAC", "MP3"):
        assert len(decode_wave(MEMORY, before + written(STEREO, kind))[0]) == 16000


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    contents = {
        "mp4 as.mp3": encoded(STEREO, "ipod", "alac"),
        "wav as.flac": written(STEREO, "WAV"),
        "wav as.m4a": written(STEREO, "WAV"),
        "flac as.mp3": written(STEREO, "FLAC"),
        "ogg as.wav": written(STEREO, "OGG"),
        "opus as.wav": written(STEREO, "OGG", "OPUS"),
        "mp3 as.wav": written(STEREO, "MP3"),
        "adts as.mp3": encoded(STEREO, "adts", "aac"),
        "g722 in.wav": encoded(STEREO[:1], "wav", "g722"),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        actual, rate = decode_wave(tmp_path / name)
        assert rate == 16000, name
        assert abs(len(actual) - 16000) < 2100, name
        if name not in ("adts as.mp3", "g722 in.wav"):
            assert similarity(actual, STEREO.mean(axis=0)) > 0.95, name


def test_the_sound_of_a_video_is_read_with_the_stream_marked_as_default(tmp_path: Path) -> None:
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        picture = output.add_stream("mpeg4", rate=25)
        picture.width = picture.height = 32
        picture.pix_fmt = "yuv420p"
        sound = add_sound_stream(output, "aac", rate=16000, channels=2)
        for level in range(25):
            pixels = np.full((32, 32, 3), level, np.uint8)
            output.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(picture.encode())
        mux_sound(output, sound, STEREO)
    assert similarity(decode_wave(path)[0], STEREO.mean(axis=0)) > 0.95

    with av.open(str(tmp_path / "b.mka"), "w", format="matroska") as output:
        first, second = (add_sound_stream(output, "pcm_s16le", rate=16000, channels=1) for _ in range(2))
        first.disposition, second.disposition = av.stream.Disposition(0), av.stream.Disposition.default
        mux_sound(output, first, LEFT[None])
        mux_sound(output, second, RIGHT[None])
    np.testing.assert_allclose(decode_wave(tmp_path / "b.mka")[0], RIGHT, atol=2**-14)


def test_a_list_of_other_files_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "part.wav").write_bytes(written(STEREO, "WAV"))
    lists = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{tmp_path / 'part.wav'}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile part.wav\n",
    )
    for text in lists:
        (tmp_path / "list.m4a").write_text(text)
        with pytest.raises(DamageError):
            decode_wave(tmp_path / "list.m4a")


@pytest.mark.parametrize(("rate", "seconds"), [(8000, 0.5), (11025, 0.5), (22254, 0.5), (44056, 0.3), (192000, 0.2)])
def test_every_rate_gives_the_same_frames(tmp_path: Path, rate: int, seconds: float) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(int(seconds * rate)) / rate)
    (tmp_path / "a.wav").write_bytes(written(tone[None], "WAV", "FLOAT", rate))
    frames_TF = read_file(AudioData(frames=32, mels=40), tmp_path / "a.wav")
    counts = 1 + (round(seconds * 16000) - 400) // 160
    assert (frames_TF != 0).any(axis=1).sum() == min(32, counts)
    loudest = frames_TF[5].argmax()
    assert loudest == 13  # 968 mel above 20 Hz, and filters are 68.5 mel apart


@pytest.mark.parametrize("rate", [0, 1, 50, 2**32 - 1])
def test_a_rate_that_no_sound_has_is_damage(rate: int) -> None:
    with pytest.raises(DamageError):
        decode_wave(MEMORY, with_numbers(written(STEREO, "WAV"), "<", (24, rate)))


def test_a_variable_bit_rate_without_its_header_is_read_to_the_end() -> None:
    sound = np.concatenate([np.zeros(32000), 0.5 * wave(2.0)])
    target = io.BytesIO()
    soundfile.write(target, sound, 16000, format="MP3", bitrate_mode="VARIABLE")
    content = target.getvalue()
    first_frame = content[: content.index(b"\xff\xf3", 4)]
    assert b"Xing" in first_frame
    actual, _ = decode_wave(MEMORY, content[len(first_frame) :])
    assert len(actual) >= 64000
    assert similarity(decode_wave(MEMORY, content)[0], sound) > 0.99  # and where the header is there, no delay


def test_suffixes_and_members_of_shards_agree() -> None:
    assert {".au", ".aif", ".aiff", ".aifc", ".m4b", ".opus", ".wma", ".amr", ".caf", ".w64", ".rf64"} <= set(SUFFIXES)
    assert {"wav", "flac", "ogg", "mp3", "opus", "m4a", "wma", "aiff"} <= set(SHARD_MEMBERS)
    assert not {"mp4", "webm", "json", "cls"} & set(SHARD_MEMBERS)
