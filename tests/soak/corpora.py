"""Small whole files of every kind that the package reads, each written by another library, and what reads it."""

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
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

CLOUD = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
PIXELS = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
WAVE = (np.sin(np.arange(1600) / 9) / 2).astype(np.float32)
PCD = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 30\nHEIGHT 1\nPOINTS 30\nDATA binary\n"


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
