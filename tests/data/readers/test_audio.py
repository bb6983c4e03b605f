"""Recordings in every format, whole and cut; the ESC-50 layout, the spoken digits, and tables."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from crosspath.config.data import AudioData
from crosspath.data.items import DamageError
from crosspath.data.log_mel import log_mel
from crosspath.data.readers.audio import AudioReader, decode_wave, resample
from crosspath.errors import InputError
from crosspath.modalities.load import load_data, read_file
from tests.data.files import cut_in_half, wave, write_sound
from tests.errors import refused

SECTION = AudioData(frames=32, mels=40)
FLOOR = math.log(torch.finfo(torch.float32).eps)


def test_a_sample_is_its_log_mel_then_zeros(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", seconds=0.2)
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    expected = log_mel(torch.from_numpy(samples - samples.mean())[None], 16000, 40)[0].numpy()
    actual = read_file(SECTION, tmp_path / "a.wav")
    assert actual.dtype == np.float32
    assert len(expected) == 18
    np.testing.assert_allclose(actual[:18], expected, atol=1e-5)
    assert not actual[18:].any()


def test_a_long_recording_is_cut(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", seconds=2)
    long = AudioReader(SECTION.model_copy(update={"frames": 198})).decode_file(tmp_path / "a.wav")
    np.testing.assert_array_equal(read_file(SECTION, tmp_path / "a.wav"), long[:32])


@pytest.mark.parametrize(("subtype", "step"), [("PCM_U8", 2**-7), ("PCM_24", 2**-23), ("FLOAT", 1e-7)])
def test_every_depth_reads_to_the_same_scale(tmp_path: Path, subtype: str, step: float) -> None:
    soundfile.write(tmp_path / "a.wav", wave(), 16000, subtype=subtype)
    actual, rate = decode_wave(tmp_path / "a.wav")
    assert rate == 16000
    np.testing.assert_allclose(actual, wave(), atol=step)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (wave() * 32768, "full scale"),
        (np.stack([wave(), -wave()]), "cancel"),
        ((wave(), 0), "sample rate is 0 Hz"),
        ({"array": wave(), "sampling_rate": 99}, "sample rate is 99 Hz"),
        ((wave(), None), "NoneType as the rate"),
        ((wave(), float("nan")), "float as the rate"),
        ((wave(), wave()), "ndarray as the rate"),
        (wave()[:0], "no samples"),
    ],
)
def test_sound_in_memory_is_held_to_the_rules_of_files(value: object, reason: str) -> None:
    with pytest.raises(DamageError, match=reason):
        AudioReader(SECTION).decode_object(value)


def test_silence_and_one_silent_channel_in_memory_are_sound() -> None:
    reader = AudioReader(SECTION)
    assert not (reader.decode_object(np.zeros((2, 8000))) > FLOOR + 1e-3).any()
    np.testing.assert_array_equal(
        reader.decode_object(np.stack([wave(), 0 * wave()])), reader.decode_object(wave() / 2)
    )


def test_resampling_keeps_length_and_tone() -> None:
    time = np.arange(44100) / 44100
    actual = resample(np.sin(2 * np.pi * 440 * time).astype(np.float32), 44100, 16000)
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert actual.dtype == np.float32
    assert len(actual) == 16000
    np.testing.assert_allclose(actual[500:-500], expected[500:-500], atol=1e-3)


def test_a_wave_of_one_sample_is_read_or_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.5]), 16000)
    actual = read_file(SECTION, tmp_path / "a.wav")
    assert np.allclose(actual[0], FLOOR)  # one sample less its mean is silence
    soundfile.write(tmp_path / "b.wav", np.array([0.5]), 96000)
    with refused("b.wav", "sample"):
        read_file(SECTION, tmp_path / "b.wav")


def write_m4a(path: Path) -> None:
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave(2.0).astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3", ".aiff", ".m4a", ".WAV"])
def test_every_format_is_read_and_half_of_it_is_damaged(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write = write_m4a if suffix == ".m4a" else lambda path: write_sound(path, seconds=2.0)
    write(path)
    actual, rate = decode_wave(path)
    assert rate == 16000
    assert abs(len(actual) - 32000) < 2100  # mp3 and aac pad to whole frames
    assert np.abs(actual).max() > 0.2
    cut_in_half(path)
    with pytest.raises(DamageError):
        decode_wave(path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_an_ogg_cut_anywhere_is_damaged(tmp_path: Path, share: float) -> None:
    write_sound(tmp_path / "a.ogg", seconds=6.0)
    cut_in_half(tmp_path / "a.ogg", share)
    assert len(soundfile.read(tmp_path / "a.ogg")[0])  # the decoder itself says nothing
    with pytest.raises(DamageError, match="end-of-stream"):
        decode_wave(tmp_path / "a.ogg")


def test_an_ogg_cut_between_two_pages_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    write_sound(path, seconds=6.0)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    with pytest.raises(DamageError, match="end-of-stream"):
        decode_wave(path)


def test_a_real_ogg_cut_in_half_is_damaged(data_root: Path, tmp_path: Path) -> None:
    whole = data_root / "esc10" / "audio" / "1-100032-A-0.ogg"
    decode_wave(whole)
    (tmp_path / "a.ogg").write_bytes(whole.read_bytes())
    cut_in_half(tmp_path / "a.ogg")
    with pytest.raises(DamageError, match="end-of-stream"):
        decode_wave(tmp_path / "a.ogg")


def test_a_wav_that_promises_more_than_it_has_is_damaged(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav")
    cut_in_half(tmp_path / "a.wav")
    assert len(soundfile.read(tmp_path / "a.wav")[0])
    with pytest.raises(DamageError, match=r"header states 16044 bytes, the file has 8022"):
        decode_wave(tmp_path / "a.wav")


@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".mp3", ".m4a"])
@pytest.mark.parametrize("content", [b"", b"RIFF", b"OggS", b"not a recording at all, only words"])
def test_a_file_that_is_no_recording_is_damaged(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"a{suffix}").write_bytes(content)
    with pytest.raises(DamageError) as caught:
        decode_wave(tmp_path / f"a{suffix}")
    assert "\n" not in str(caught.value)


def test_a_wav_without_samples_or_with_infinite_ones_is_damaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    with pytest.raises(DamageError, match="no sample"):
        decode_wave(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", np.array([0.0, np.inf]), 16000, subtype="FLOAT")
    with pytest.raises(DamageError, match="not finite"):
        decode_wave(tmp_path / "b.wav")


def esc_folder(root: Path, targets: tuple[int, ...] = (40, 0, 21), folds: int = 5) -> Path:
    (root / "esc10" / "meta").mkdir(parents=True)
    (root / "esc10" / "audio").mkdir()
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, folds + 1):
        for target in targets:
            name = f"{fold}-1-A-{target}.wav"
            write_sound(root / "esc10" / "audio" / name, seed=fold, seconds=0.1)
            rows.append(f"{name},{fold},{target},kind{target},True,1,A")
    (root / "esc10" / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root


def test_the_esc_layout_splits_by_folds_and_orders_classes_by_number(tmp_path: Path) -> None:
    root = esc_folder(tmp_path)
    section = SECTION.model_copy(update={"dataset": "esc10"})
    data = load_data(section, root, 0)
    assert data.classes == ("kind0", "kind21", "kind40")
    assert {name[0] for name in data.test.ids} == {"5"}
    assert {name[0] for name in data.validation.ids} == {"4"}
    assert {name[0] for name in data.train.ids} == {"1", "2", "3"}
    assert data.test.ids[0] == "5-1-A-40.wav"
    assert data.test.labels.tolist() == [2, 0, 1]
    other = load_data(section.model_copy(update={"test_fold": 1, "validation_fold": 2}), root, 0)
    assert {name[0] for name in other.test.ids} == {"1"}
    assert {name[0] for name in other.validation.ids} == {"2"}
    assert other.fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("update", "where"),
    [
        ({"test_fold": 6}, "data.test_fold"),
        ({"validation_fold": 9}, "data.validation_fold"),
        ({"test_fold": 4}, "data.validation_fold"),
    ],
)
def test_folds_that_are_not_there_are_refused(tmp_path: Path, update: dict[str, int], where: str) -> None:
    section = SECTION.model_copy(update={"dataset": "esc10", **update})
    with pytest.raises(InputError) as caught:
        load_data(section, esc_folder(tmp_path), 0)
    assert caught.value.where == where


def test_a_fold_that_is_no_number_names_its_row(tmp_path: Path) -> None:
    table = esc_folder(tmp_path) / "esc10" / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("2-1-A-0.wav,2,", "2-1-A-0.wav,two,"))
    with refused("esc50.csv row 6", "'two'"):
        load_data(SECTION.model_copy(update={"dataset": "esc10"}), tmp_path, 0)


def test_a_recording_that_the_table_names_and_is_missing(tmp_path: Path) -> None:
    (esc_folder(tmp_path) / "esc10" / "audio" / "1-1-A-0.wav").unlink()
    with refused("esc50.csv row 3", "1-1-A-0.wav"):
        load_data(SECTION.model_copy(update={"dataset": "esc10"}), tmp_path, 0)


def test_esc10(data_root: Path) -> None:
    data = load_data(AudioData(dataset="esc10", frames=128, mels=32), data_root, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [240, 80, 80]
    assert data.classes == (
        *("dog", "rooster", "rain", "sea_waves", "crackling_fire"),
        *("crying_baby", "sneezing", "clock_tick", "helicopter", "chainsaw"),
    )
    for part in (data.train, data.validation, data.test):
        assert len(set(np.bincount(part.labels))) == 1
        numbers = [int(name.split("-")[3].removesuffix(".ogg")) for name in part.ids]
        published = [0, 1, 10, 11, 12, 20, 21, 38, 40, 41]
        assert [published[label] for label in part.labels] == numbers
    assert data.train.inputs.shape == (240, 128, 32)
    assert np.isfinite(data.train.inputs[:]).all()
    path = data_root / "esc10" / "audio" / data.test.ids[3]
    np.testing.assert_array_equal(data.test.inputs[3], read_file(AudioData(frames=128, mels=32), path))


def test_fsdd(data_root: Path) -> None:
    data = load_data(AudioData(dataset="fsdd", sample_rate_hz=8000, frames=64, mels=32), data_root, 0)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [2430, 270, 300]
    assert data.classes == tuple("0123456789")
    for part in (data.train, data.validation, data.test):
        assert [name[0] for name in part.ids] == [data.classes[label] for label in part.labels]
        assert len(set(np.bincount(part.labels))) == 1
    assert all(int(name.split("_")[2].removesuffix(".wav")) < 5 for name in data.test.ids)
    assert data.damaged_files == ()
