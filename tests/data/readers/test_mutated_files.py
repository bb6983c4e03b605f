"""Damaged files of every kind: read, or refused in a sentence, in bounded time; never another error.

Each case changes a few bytes, lengths or numbers of a small file that was written by another library. The seeds are
fixed; the slow run has a hundred times as many.
"""

import json
import pickle
import random
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
import torch
import trimesh
from PIL import Image
from safetensors.torch import save_file

from crosspath.checkpoints import auxiliary_source
from crosspath.checkpoints.foreign import inspect_checkpoint
from crosspath.config.data import AudioData, Data, ImageData, PointData, VideoData
from crosspath.config.files import read_recipe, write_recipe
from crosspath.errors import InputError
from crosspath.files import read_json, read_tensors
from crosspath.modalities.load import load_data, read_file
from crosspath.recipes import recipe_named
from tests.data.files import write_clip

CASES = 8
"""Of each kind."""
NUMBERS = (b"-1", b"0", b"99999999999", b"1e400", b"nan", b"9" * 5000)
WORDS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f")
HEAD = 200
"""Bytes in which half of the changes lie: headers are where lengths are."""

CLOUD = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
PIXELS = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
WAVE = (np.sin(np.arange(1600) / 9) / 2).astype(np.float32)
PCD = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 30\nHEIGHT 1\nPOINTS 30\nDATA binary\n"


def mutated(content: bytes, choose: random.Random) -> bytes:
    """`content` with one to sixteen changes."""
    result = bytearray(content)
    for _ in range(choose.choice((1, 1, 2, 4, 16))):
        if not result:
            break
        place = choose.randrange(len(result) if choose.random() < 0.5 else min(len(result), HEAD))
        match choose.randrange(7):
            case 0:
                result[place] ^= 1 << choose.randrange(8)
            case 1:
                result[place] = choose.randrange(256)
            case 2:
                result[place : place + 4] = choose.choice(WORDS)
            case 3:
                del result[place : place + choose.randrange(1, 20)]
            case 4:
                result[place:place] = result[place : place + choose.randrange(1, 40)]
            case 5:
                del result[place:]
            case _:
                numbers = list(re.finditer(rb"\d+", bytes(result[:4000])))
                if numbers:
                    number = choose.choice(numbers)
                    result[number.start() : number.end()] = choose.choice(NUMBERS)
    return bytes(result)


def write_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"], file["label"] = CLOUD[:24].reshape(8, 3, 3).repeat(4, axis=1), np.arange(8) % 2


def read_h5(path: Path) -> None:
    root = path.parent / "modelnet10"
    root.mkdir(exist_ok=True)
    (root / "shape_names.txt").write_text("a\nb\n")
    (root / "train_files.txt").write_text("train.h5\n")
    (root / "test_files.txt").write_text("test.h5\n")
    (root / "train.h5").write_bytes(path.read_bytes())
    write_h5(root / "test.h5")
    section = PointData(dataset="modelnet10", points=8, cache_folder=path.parent / "cache", skip_damaged=True)
    load_data(section, path.parent, 0)


def read_checkpoint(path: Path) -> None:
    for read in (inspect_checkpoint, auxiliary_source, read_tensors):
        with suppress(InputError):
            read(path)


def sample_of(section: Data) -> Callable[[Path], object]:
    return lambda path: read_file(section, path)


def save_picture(path: Path) -> None:
    Image.fromarray(PIXELS).save(path)


def save_sound(path: Path) -> None:
    soundfile.write(path, WAVE, 16000)


def save_box(path: Path) -> None:
    trimesh.creation.box().export(path)


image, audio = sample_of(ImageData(image_size=8)), sample_of(AudioData(frames=8, mels=8))
video, point = sample_of(VideoData(frames=2, image_size=8)), sample_of(PointData(points=8))
TENSORS = {"blocks.0.attn.qkv.weight": torch.zeros(6, 2), "b": torch.ones(3)}
KINDS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    **{f"picture.{kind}": (save_picture, image) for kind in ("jpg", "png", "bmp", "gif", "webp", "tif", "ppm")},
    **{
        f"sound.{kind}": (save_sound, audio)
        for kind in ("wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64", "rf64")
    },
    **{f"film.{kind}": (lambda path: write_clip(path, [10, 200, 90]), video) for kind in ("mp4", "avi", "mkv", "mov")},
    **{f"mesh.{kind}": (save_box, point) for kind in ("off", "obj", "ply", "stl")},
    "cloud.npy": (lambda path: np.save(path, CLOUD), point),
    "cloud.xyz": (lambda path: np.savetxt(path, CLOUD), point),
    "cloud.pcd": (lambda path: path.write_bytes(PCD.encode() + CLOUD.tobytes()), point),
    "clouds.h5": (write_h5, read_h5),
    "model.safetensors": (lambda path: save_file(TENSORS, path), read_checkpoint),
    "model.pth": (lambda path: torch.save(TENSORS, path), read_checkpoint),
    "old.pth": (lambda path: torch.save(TENSORS, path, _use_new_zipfile_serialization=False), read_checkpoint),
    "model.pkl": (lambda path: path.write_bytes(pickle.dumps({"a": [1, {"b": CLOUD}]})), read_checkpoint),
    "config.json": (lambda path: path.write_text(json.dumps({"model_type": "vit", "hidden_size": 6})), read_json),
    "recipe.yaml": (lambda path: write_recipe(recipe_named("image/cifar10"), path), read_recipe),
}


def run(name: str, cases: int, folder: Path) -> None:
    write, read = KINDS[name]
    path = folder / name
    write(path)
    whole = path.read_bytes()
    read(path)
    for case in range(cases):
        path.write_bytes(mutated(whole, random.Random(f"{name} {case}")))
        try:
            read(path)
        except InputError:
            pass
        except Exception as error:
            raise AssertionError(f"case {case} of {name}") from error


@pytest.mark.parametrize("name", KINDS)
def test_a_mutated_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(name, CASES, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_mutated_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(name, 100 * CASES, tmp_path)
