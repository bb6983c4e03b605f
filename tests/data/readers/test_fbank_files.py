"""Log-mel frames computed elsewhere stand in for recordings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crosspath.config.data import AudioData
from crosspath.data.items import DamageError
from crosspath.data.log_mel import log_mel
from crosspath.data.readers.audio import AudioReader, decode_wave
from crosspath.data.readers.fbank_files import read_fbank
from crosspath.modalities.load import load_data
from tests.data.files import class_folders, write_sound
from tests.data.published_audio import write_audioset, write_esc50_folder, write_speechcommands
from tests.errors import refused

MELS = 8


def section(folder: Path, /, **changes: object) -> AudioData:
    values = {"dataset": "audioset-20k", "multi_label": True, "frames": 60, "mels": MELS, "fbank_folder": folder}
    return AudioData.model_validate({**values, **changes})


def write_frames(root: Path, folder: Path) -> Path:
    """The frames of every recording below `root`, by the published rule, neither padded nor cut."""
    folder.mkdir()
    for path in root.rglob("*.wav"):
        wave, rate = decode_wave(path)
        frames = log_mel(torch.from_numpy(wave - wave.mean())[None], rate, MELS)[0]
        np.save(folder / f"{path.stem}.npy", frames.numpy())
    return folder


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("frames", [30, 60])
def test_fault_stored_frames_were_neither_padded_nor_cut(tmp_path: Path, frames: int, stream: bool) -> None:
    root = write_audioset(tmp_path / "data", train=6)
    folder = write_frames(root, tmp_path / "frames")
    assert {len(np.load(path)) for path in folder.iterdir()} == {48}
    stored = load_data(section(folder, frames=frames, stream=stream), root, 0)
    decoded = load_data(section(folder, frames=frames, fbank_folder=None), root, 0)
    for part in ("train", "validation", "test"):
        actual, expected = getattr(stored, part), getattr(decoded, part)
        assert actual.ids == expected.ids
        assert actual.inputs[:].shape[1:] == (frames, MELS)
        np.testing.assert_array_equal(actual.labels, expected.labels)
        np.testing.assert_allclose(actual.inputs[:], expected.inputs[:], atol=1e-5)
    if frames == 60:
        assert not stored.test.inputs[:][:, 48:].any()


def test_the_recordings_themselves_need_not_be_there(tmp_path: Path) -> None:
    root = write_audioset(tmp_path / "data")
    folder = write_frames(root, tmp_path / "frames")
    for path in root.rglob("*.wav"):
        path.unlink()
    assert len(load_data(section(folder), root, 0).test) == 4


def test_missing_frames_are_reported_or_skipped(tmp_path: Path) -> None:
    root = write_audioset(tmp_path / "data")
    folder = write_frames(root, tmp_path / "frames")
    (folder / "Ytrain0003.npy").unlink()
    with refused("Ytrain0003.npy", "found none", "train_wav/Ytrain0003.wav"):
        load_data(section(folder), root, 0)
    data = load_data(section(folder, skip_damaged=True), root, 0)
    assert [file.path.name for file in data.damaged_files] == ["Ytrain0003.npy"]
    assert len(data.train) + len(data.validation) == 11


def test_changed_frames_are_read_again(tmp_path: Path) -> None:
    root = write_audioset(tmp_path / "data")
    folder = write_frames(root, tmp_path / "frames")
    first = load_data(section(folder), root, 0)
    np.save(folder / "Yeval0000.npy", np.ones((7, MELS)))
    second = load_data(section(folder), root, 0)
    assert first.fingerprint != second.fingerprint
    assert second.test.inputs[0][:7].all()
    assert not second.test.inputs[0][7:].any()


def test_recordings_of_one_name_are_refused_they_would_share_frames(tmp_path: Path) -> None:
    root = write_speechcommands(tmp_path / "data")
    folder = write_frames(root, tmp_path / "frames")
    with refused("frames", "000_nohash_0.npy", "bed/000_nohash_0.wav", "cat/000_nohash_0.wav"):
        load_data(section(folder, dataset="speechcommands"), root, 0)


def test_every_layout_may_have_stored_frames(tmp_path: Path) -> None:
    root = write_esc50_folder(tmp_path / "data")
    own = class_folders(tmp_path / "own", write_sound, ".wav", classes=("cat",))
    class_folders(tmp_path / "own2", lambda path, seed: write_sound(path.with_stem(f"x{path.stem}"), seed), ".wav")
    (tmp_path / "own2" / "dog").rename(own / "dog")
    for name, changes in (("esc", {"dataset": "esc50"}), ("own", {"dataset": "folder", "folder": own})):
        folder = write_frames(root if name == "esc" else own, tmp_path / f"frames-{name}")
        np.save(folder / "unused.npy", np.zeros((3, MELS)))
        data = load_data(section(folder, multi_label=False, **changes), root, 0)
        assert data.train.inputs[:].any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((MELS, 48)), r"expected frames of 8 mel bins \(T, 8\), found an array of shape \(8, 48\)"),
        (np.zeros((0, MELS)), r"found an array of shape \(0, 8\)"),
        (np.zeros((1, 48, MELS)), r"found an array of shape \(1, 48, 8\)"),
        (np.full((4, MELS), np.nan), "not finite"),
        (np.array([["a"] * MELS]), "expected numbers, found <U1"),
        (np.array([[{}] * MELS]), "the array cannot be read"),
        (b"\x93NUMPY", "the array cannot be read"),
        (b"", "the array cannot be read"),
    ],
)
def test_damaged_frames_are_reported_and_no_pickle_is_loaded(
    tmp_path: Path, content: np.ndarray | bytes, message: str
) -> None:
    path = tmp_path / "a.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(DamageError, match=message):
        read_fbank(path, MELS)


def test_half_precision_frames_become_single_precision(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, MELS), np.float16))
    actual = read_fbank(tmp_path / "a.npy", MELS)
    assert actual.dtype == np.float32
    assert actual.shape == (3, MELS)


def test_fault_frames_took_the_place_of_altered_waveforms_in_silence(tmp_path: Path) -> None:
    root = write_audioset(tmp_path / "data")
    folder = write_frames(root, tmp_path / "frames")
    reader = AudioReader(section(folder))
    with refused("data.fbank_folder", "augment.waveform", "augment.waveform=false"):
        reader.wave_of(reader.listing(root).items[0])
    with refused("data.fbank_folder", "shards"):
        load_data(section(folder, dataset="shards", train_shards="a.tar", folder=root), None, 0)


@pytest.mark.parametrize("stream", [False, True])
def test_numbers_and_notes_of_a_table_stay(tmp_path: Path, stream: bool) -> None:
    root = tmp_path / "data"
    root.mkdir()
    for number in range(12):
        write_sound(root / f"{number}.wav", number, seconds=0.1)
    rows = [f"{number}.wav,{number / 2}" for number in range(11)]
    (root / "labels.csv").write_text("\n".join(["file,label", *rows]))
    settings = {"dataset": "folder", "multi_label": False, "folder": root, "label_kind": "numbers", "stream": stream}
    folder = write_frames(root, tmp_path / "frames")
    data = load_data(section(folder, frames=8, **settings), None, 0)
    numbers = np.concatenate([part.labels for part in (data.train, data.validation, data.test)])
    np.testing.assert_array_equal(np.sort(numbers, axis=None), np.arange(11) / 2)
    assert any("1 .wav not in the table" in note for note in data.notes)
    assert any("labels.csv" in note for note in data.notes)
