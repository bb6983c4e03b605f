"""Known samples of every type of recording: integers are fractions of their full scale, floats are as they are."""

import struct
from pathlib import Path

import numpy as np
import pytest

from crosspath.data.items import DamageError
from crosspath.data.readers.sound_file import decode_wave

LEVELS = np.array([-1.0, -0.5, 0.0, 0.25, 0.5, 0.75])
"""Exact in 8 bits."""


def wav(bits: int, raw: bytes, form: int = 1, valid: int | None = None) -> bytes:
    """A mono file of 8 kHz; `form` 1 is integers, 3 floats. `valid` bits make it an extensible header."""
    width = bits // 8
    head = struct.pack("<HHIIHH", form if valid is None else 0xFFFE, 1, 8000, 8000 * width, width, bits)
    if valid is not None:
        head += struct.pack("<HHIH14s", 22, valid, 4, form, bytes.fromhex("000000001000800000aa00389b71"))
    data = raw + b"\0" * (len(raw) % 2)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(raw)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def integers(bits: int) -> bytes:
    """The levels as signed integers, little-endian."""
    return b"".join(int(level * 2 ** (bits - 1)).to_bytes(bits // 8, "little", signed=True) for level in LEVELS)


CASES = {
    "unsigned 8": wav(8, bytes((LEVELS * 128 + 128).astype(np.uint8))),
    "16": wav(16, integers(16)),
    "24": wav(24, integers(24)),
    "32": wav(32, integers(32)),
    "12 in 16": wav(16, integers(16), valid=12),
    "20 in 24": wav(24, integers(24), valid=20),
    "float 32": wav(32, LEVELS.astype("<f4").tobytes(), form=3),
    "float 64": wav(64, LEVELS.astype("<f8").tobytes(), form=3),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("suffix", [".wav", ".mka"])  # libsndfile, and FFmpeg, which opens by content
def test_known_samples(tmp_path: Path, name: str, suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_bytes(CASES[name])
    wave, rate = decode_wave(tmp_path / f"a{suffix}")
    assert rate == 8000
    np.testing.assert_array_equal(wave, LEVELS.astype(np.float32))


@pytest.mark.parametrize(("suffix", "subtype"), [("flac", "PCM_S8"), ("flac", "PCM_16"), ("flac", "PCM_24")])
@pytest.mark.parametrize("name", ["aiff", "au", "caf", "w64"])
def test_other_containers(tmp_path: Path, name: str, suffix: str, subtype: str) -> None:
    import soundfile

    for kind in (suffix, name):
        if kind != "w64" or subtype != "PCM_S8":
            soundfile.write(tmp_path / f"a.{kind}", LEVELS, 8000, subtype=subtype)
            np.testing.assert_array_equal(decode_wave(tmp_path / f"a.{kind}")[0], LEVELS.astype(np.float32))


@pytest.mark.parametrize("loudest", [1.0, 1.5, 4.0])
def test_floats_a_little_over_full_scale_are_not_cut(tmp_path: Path, loudest: float) -> None:
    (tmp_path / "a.wav").write_bytes(wav(32, (LEVELS * loudest).astype("<f4").tobytes(), form=3))
    np.testing.assert_array_equal(decode_wave(tmp_path / "a.wav")[0], (LEVELS * loudest).astype(np.float32))


@pytest.mark.parametrize("scale", [128.0, 32768.0, 2.0**31, np.inf, np.nan])
def test_integers_stored_as_floats_are_refused(tmp_path: Path, scale: float) -> None:
    with np.errstate(invalid="ignore"):
        (tmp_path / "a.wav").write_bytes(wav(32, (LEVELS * scale).astype("<f4").tobytes(), form=3))
    with pytest.raises(DamageError, match="samples"):
        decode_wave(tmp_path / "a.wav")
