"""Features of files: what they are, windows that slide, and going on after a stop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from crosspath.checkpoints import load_checkpoint, save_checkpoint
from crosspath.config import apply_overrides
from crosspath.evaluation.feature_files import write_features
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.load import read_file, read_windows
from crosspath.models.build import build_masked_autoencoder, build_model
from crosspath.recipes import recipe_named
from tests.checkpoints.small import IMAGE_CLASSES, audio_recipe, fresh, image_recipe, saved_audio, saved_image
from tests.data.files import write_clip, write_image, write_sound
from tests.errors import refused

CPU = torch.device("cpu")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for name in ("a.png", "b/a.png", "b/c.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / name, level=20 + 10 * len(name), size=(8, 8))
    (folder / "notes.txt").write_text("no picture")
    return folder


def read(path: Path) -> np.ndarray:
    return np.load(path) if path.suffix == ".npy" else load_file(path)["features"]


def test_what_the_head_reads_is_normalised_as_it_does(tmp_path: Path, pictures: Path) -> None:
    recipe = image_recipe("model.head_batch_norm=true")
    model = fresh(recipe, 3)
    model.head.batch_norm.running_mean.fill_(2.0)  # type: ignore[union-attr,operator]
    save_checkpoint(model, tmp_path / "run", recipe=recipe, classes=IMAGE_CLASSES)
    write_features(tmp_path / "run", pictures, tmp_path / "out", file_format="npy")
    features = read(tmp_path / "out" / "a.png.npy")
    with torch.no_grad():
        batch = prepare_held_out(recipe.data, read_file(recipe.data, pictures / "a.png")[None], CPU)
        torch.testing.assert_close(model.head.linear(torch.from_numpy(features)), model.eval()(batch)[0])


@pytest.mark.parametrize("file_format", ["safetensors", "npy"])
def test_every_file_has_the_features_that_the_head_reads(tmp_path: Path, pictures: Path, file_format: str) -> None:
    model = saved_image(tmp_path / "run")
    report = write_features(tmp_path / "run", pictures, tmp_path / "out", file_format=file_format)
    assert (report.files, report.written, report.shape, report.unread) == (3, 3, (128,), ((".txt", 1),))
    section = load_checkpoint(tmp_path / "run").recipe.data
    for name in ("a.png", "b/a.png", "b/c.jpg"):
        features = read(tmp_path / "out" / f"{name}.{file_format}")
        with torch.no_grad():
            batch = prepare_held_out(section, read_file(section, pictures / name)[None], CPU)
            logits = model.head.linear(torch.from_numpy(features))
            torch.testing.assert_close(logits, model(batch)[0], rtol=0, atol=1e-5)


def test_each_pooling_is_what_it_says(tmp_path: Path, pictures: Path) -> None:
    model = saved_image(tmp_path / "run")
    section = load_checkpoint(tmp_path / "run").recipe.data
    with torch.no_grad():
        tokens_ND = model.features(prepare_held_out(section, read_file(section, pictures / "a.png")[None], CPU))[0]
    for pool, expected in (("tokens", tokens_ND), ("mean", tokens_ND.mean(0))):
        write_features(tmp_path / "run", pictures, tmp_path / pool, pool=pool)
        np.testing.assert_allclose(read(tmp_path / pool / "a.png.safetensors"), expected, atol=1e-5)
    with refused("pool", "class token"):
        write_features(tmp_path / "run", pictures, tmp_path / "cls", pool="cls")
    with refused("pool", "'best'"):
        write_features(tmp_path / "run", pictures, tmp_path / "best", pool="best")


def test_the_tokens_of_a_text_are_its_own_whatever_stands_beside_it(tmp_path: Path) -> None:
    recipe = apply_overrides(recipe_named("text/sentences"), ("train.precision=float32",))
    torch.manual_seed(0)
    save_checkpoint(build_model(recipe, 2), tmp_path / "run", recipe=recipe, classes=("a", "b"))
    texts = {"alone": ("ab",), "together": ("ab", "abcdefg")}
    for folder, contents in texts.items():
        (tmp_path / folder).mkdir()
        for text in contents:
            (tmp_path / folder / f"{len(text)}.txt").write_text(text)
        write_features(tmp_path / "run", tmp_path / folder, tmp_path / "out" / folder, pool="tokens")
    own = read(tmp_path / "out" / "alone" / "2.txt.safetensors")
    assert own.shape == (3, 128)  # after the token that begins every text
    np.testing.assert_allclose(read(tmp_path / "out" / "together" / "2.txt.safetensors"), own, atol=1e-5)


def test_a_model_of_masked_modelling_has_features_too(tmp_path: Path, pictures: Path) -> None:
    settings = ("objective=masked_modeling", "data.image_size=8", "train.precision=float32")
    recipe = apply_overrides(recipe_named("image/cifar10"), (*settings, "masking.decoder_width=32"))
    torch.manual_seed(0)
    save_checkpoint(build_masked_autoencoder(recipe), tmp_path / "run", recipe=recipe, classes=())
    assert write_features(tmp_path / "run", pictures, tmp_path / "out").shape == (128,)
    with refused("pool", "head"):
        write_features(tmp_path / "run", pictures, tmp_path / "head", pool="head")


def test_a_stopped_call_continues_and_changed_files_are_read_again(tmp_path: Path, pictures: Path) -> None:
    saved_image(tmp_path / "run")
    out = tmp_path / "out"
    write_features(tmp_path / "run", pictures, out)
    first = {path: path.read_bytes() for path in out.rglob("*.safetensors")}
    journal = out / "files.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0], lines[1][:20]]))  # stopped while it wrote the second line
    assert write_features(tmp_path / "run", pictures, out).written == 2
    assert {path: path.read_bytes() for path in out.rglob("*.safetensors")} == first
    assert [json.loads(line)["file"] for line in journal.read_text().splitlines()] == ["a.png", "b/a.png", "b/c.jpg"]
    write_image(pictures / "a.png", level=200, size=(9, 9))
    (out / "b/c.jpg.safetensors").unlink()
    assert write_features(tmp_path / "run", pictures, out).written == 2
    assert (out / "a.png.safetensors").read_bytes() != first[out / "a.png.safetensors"]
    assert write_features(tmp_path / "run", pictures, out).written == 0


def test_features_of_another_kind_or_other_files_are_not_mixed(tmp_path: Path, pictures: Path) -> None:
    saved_image(tmp_path / "run")
    write_features(tmp_path / "run", pictures, tmp_path / "out")
    with refused("out", "pool"):
        write_features(tmp_path / "run", pictures, tmp_path / "out", pool="mean")
    with refused("pictures/features", "outside"):
        write_features(tmp_path / "run", pictures, pictures / "features")
    with refused("run", "new"):
        write_features(tmp_path / "run", pictures, tmp_path / "run")
    with refused("b", "none"):
        write_features(tmp_path / "run", tmp_path / "b", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_damaged_file_stops_or_is_skipped(tmp_path: Path, pictures: Path) -> None:
    saved_image(tmp_path / "run")
    (pictures / "b/a.png").write_bytes(b"no picture")
    with refused("b/a.png", "readable"):
        write_features(tmp_path / "run", pictures, tmp_path / "out")
    report = write_features(tmp_path / "run", pictures, tmp_path / "out", skip_damaged=True)
    assert (report.files, report.written) == (2, 2)
    assert [reason for reason in report.skipped if "a.png" in reason] == list(report.skipped) != []


def test_a_link_that_leads_nowhere_is_a_damaged_file_and_hidden_files_are_counted(
    tmp_path: Path, pictures: Path
) -> None:
    saved_image(tmp_path / "run")
    (pictures / "b/z.png").symlink_to(tmp_path / "gone.png")
    (pictures / ".a.png").write_bytes(b"x")
    with refused("b/z.png", "leads nowhere"):
        write_features(tmp_path / "run", pictures, tmp_path / "out")
    report = write_features(tmp_path / "run", pictures, tmp_path / "out", skip_damaged=True)
    assert (report.files, report.written) == (3, 3)
    assert ["b/z.png" in reason for reason in report.skipped] == [True]
    assert report.unread == ((".txt", 1), ("hidden", 1))


def test_windows_slide_over_recordings(tmp_path: Path) -> None:
    saved_audio(tmp_path / "run")  # 16 frames: 0.16 s
    (tmp_path / "sounds").mkdir()
    write_sound(tmp_path / "sounds/long.wav", seconds=0.5)  # 48 frames: 0.48 s
    write_sound(tmp_path / "sounds/short.wav", seconds=0.1)
    report = write_features(tmp_path / "run", tmp_path / "sounds", tmp_path / "out", stride=0.1)
    assert report.files == 2
    # From 0, 10, 20, 30 and 40 frames: the one from 40 is the first that reaches the end.
    assert read(tmp_path / "out/long.wav.safetensors").shape == (5, 128)
    assert read(tmp_path / "out/short.wav.safetensors").shape == (1, 128)
    section = audio_recipe().data
    windows = read_windows(section, None, 0.1)(tmp_path / "sounds/long.wav")
    np.testing.assert_array_equal(windows[0], read_file(section, tmp_path / "sounds/long.wav"))
    np.testing.assert_array_equal(windows[0][10:], windows[1][:6])
    assert not windows[-1][8:].any()
    with refused("window", "0.16 seconds"):
        write_features(tmp_path / "run", tmp_path / "sounds", tmp_path / "other", window=1.0)
    with refused("stride", "0.001"):
        write_features(tmp_path / "run", tmp_path / "sounds", tmp_path / "other", stride=0.001)


@pytest.mark.parametrize(
    ("settings", "window", "firsts"),
    [
        ({}, 0.4, [0, 5, 10, 15, 20]),  # 10 frames of 25 a second, every 5
        ({"sampling": "dense", "frame_step": 4}, None, [0, 5, 10, 15, 20]),  # 2 frames, 4 apart: windows of 8
    ],
)
def test_windows_slide_over_films(
    tmp_path: Path, settings: dict[str, Any], window: float | None, firsts: list[int]
) -> None:
    path = tmp_path / "film.mp4"
    levels = [20 + 7 * number for number in range(28)]
    write_clip(path, levels)
    section = recipe_named("video/folder").data.model_copy(update={"frames": 2, "image_size": 32, **settings})
    clips = read_windows(section, window, 0.2)(path)
    assert clips.shape == (len(firsts), 3, 2, 32, 32)
    np.testing.assert_allclose(clips[:, :, 0].mean((1, 2, 3)), [levels[first] for first in firsts], atol=3)
    if window is not None:
        ends = [min(first + 9, 27) for first in firsts]
        np.testing.assert_allclose(clips[:, :, 1].mean((1, 2, 3)), [levels[end] for end in ends], atol=3)
        with refused("window", "spread"):
            read_windows(section, None, 0.2)


def test_what_reading_does_to_a_file_is_told(tmp_path: Path) -> None:
    recipe = apply_overrides(recipe_named("series/machines"), ("data.mean=[0,0,0]", "data.std=[1,1,1]"))
    torch.manual_seed(0)
    save_checkpoint(build_model(recipe, 2).eval(), tmp_path / "run", recipe=recipe, classes=("a", "b"))
    (tmp_path / "signals").mkdir()
    rows = [f"{number},{2 * number},{number % 7}" for number in range(recipe.data.length)]
    (tmp_path / "signals/whole.csv").write_text("\n".join(["x,y,z", *rows]))
    (tmp_path / "signals/gaps.csv").write_text("\n".join(["x,y,z", *rows[:5], ",,", *rows[6:]]))
    report = write_features(tmp_path / "run", tmp_path / "signals", tmp_path / "out")
    assert report.files == 2
    assert {note.partition(":")[0] for note in report.notes} == {"gaps.csv"}


def test_a_text_that_is_cut_is_told_and_a_table_is_not_read(tmp_path: Path) -> None:
    recipe = recipe_named("text/sentences")
    torch.manual_seed(0)
    save_checkpoint(build_model(recipe, 2).eval(), tmp_path / "run", recipe=recipe, classes=("a", "b"))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/long.txt").write_text("word " * 400)
    (tmp_path / "texts/table.csv").write_text("text,label\nred,a\n")
    report = write_features(tmp_path / "run", tmp_path / "texts", tmp_path / "out")
    assert (report.files, report.unread) == (1, ((".csv", 1),))
    assert [note.partition(":")[0] for note in report.notes] == ["long.txt"]
