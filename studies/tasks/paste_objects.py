"""A small real set for segmentation and detection: objects of CIFAR-10 pasted on textures, with exact annotations.

    python studies/tasks/paste_objects.py --data DATA --out DIR

`DATA/cifar10` holds `train.zip` and `test.zip` with a folder a class. Every picture is a texture drawn by rule
(stripes, checks, waves or grain in two colours) with one to four objects on it. An object is a picture of CIFAR-10,
resized to 22 to 48 pixels a side and cut out by the ellipse that fits its box, so its mask is known without a labeller;
masks do not overlap. Training pictures use CIFAR-10's training pictures, validation pictures its test pictures, none
twice. Equal options give equal bytes with the same versions of Pillow and NumPy.

The same pictures are written in two layouts:

    DIR/ADEChallengeData2016/   ADE20K's: images/{training,validation}/ADE_{train,val}_00000001.jpg,
                                annotations/ with an index PNG each, objectInfo150.txt, sceneCategories.txt
    DIR/coco/                   COCO's: {train,val}2017/000000000001.jpg, annotations/instances_{train,val}2017.json

In index masks 1 to 10 are the objects' classes, 11 to 14 the textures, and 0, not labelled, is the rim of one pixel
around each object, where it mixes with what is behind. COCO's file knows the objects alone; numbers of its categories
have gaps, as the published ones have. JPEG pictures are written once and copied, so both tasks read equal pixels.
"""

import argparse
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CATEGORY_IDS = (1, 2, 3, 5, 6, 7, 8, 10, 11, 13)
"""Of the classes in COCO's file."""
VEHICLES = {"airplane", "automobile", "ship", "truck"}
TEXTURES = ("stripes", "checks", "waves", "grain")
SIDES = (22, 48)
"""Pixels of an object's sides: the least, and the most plus one."""
OBJECTS = 4
"""The most objects in a picture."""
TRIES = 30
"""Places that are drawn for an object before the picture does without it."""
CORNERS = 32
"""Of the polygon that is written for an ellipse."""


class Parts(NamedTuple):
    """What the layouts and CIFAR-10 call a part."""

    cifar: str
    ade: str
    ade_prefix: str
    coco: str


PARTS = (Parts("train", "training", "ADE_train", "train2017"), Parts("test", "validation", "ADE_val", "val2017"))


class PastedObject(NamedTuple):
    """One object: its class and the box of its ellipse, in pixels."""

    label: int
    left: int
    top: int
    width: int
    height: int


class Scene(NamedTuple):
    """One picture and its annotations."""

    jpeg: bytes
    mask: NDArray[np.uint8]
    objects: list[PastedObject]
    texture: int


def main() -> None:
    """Write both layouts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds cifar10")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training", type=int, default=600, help="number of training pictures")
    parser.add_argument("--validation", type=int, default=200, help="number of validation pictures")
    parser.add_argument("--size", type=int, default=96, help="height and width of a picture, in pixels")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} exists: name a new folder")
    if options.size < SIDES[1]:
        parser.error(f"--size {options.size}: at least {SIDES[1]}, the largest object")
    write_sets(options.data, options.out, options.seed, (options.training, options.validation), options.size)


def write_sets(data: Path, out: Path, seed: int, counts: tuple[int, int], size: int) -> None:
    """Write `counts` training and validation pictures of `size` pixels a side below `out`."""
    ade, coco = out / "ADEChallengeData2016", out / "coco"
    places = []
    for number, (part, count) in enumerate(zip(PARTS, counts, strict=True)):
        random = np.random.default_rng([seed, number])
        scenes = list(draw_scenes(data / "cifar10" / f"{part.cifar}.zip", count, size, random))
        places += write_ade_part(ade, part, scenes)
        write_coco_part(coco, ade, part, scenes, size)
    (ade / "sceneCategories.txt").write_text("".join(places), encoding="utf-8")
    names = (*CLASSES, *TEXTURES)
    share = np.bincount(np.concatenate([np.asarray(Image.open(path)).ravel() for path in masks(ade)]), minlength=15)
    lines = ["Idx\tRatio\tTrain\tVal\tStuff\tName"]
    for index, name in enumerate(names, 1):
        pictures = [
            sum((np.asarray(Image.open(path)) == index).any() for path in masks(ade, part.ade)) for part in PARTS
        ]
        ratio = share[index] / share[1:].sum()
        lines.append(f"{index}\t{ratio:.4f}\t{pictures[0]}\t{pictures[1]}\t{int(name in TEXTURES)}\t{name}")
    (ade / "objectInfo150.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def masks(ade: Path, part: str = "*") -> list[Path]:
    """The index masks of a part."""
    return sorted(ade.glob(f"annotations/{part}/*.png"))


def draw_scenes(archive: Path, count: int, size: int, random: np.random.Generator) -> Iterator[Scene]:
    """`count` pictures with the objects of one archive of CIFAR-10."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        if count * OBJECTS > len(names):
            raise SystemExit(f"{archive}: {count} pictures may need {count * OBJECTS} objects, and it has {len(names)}")
        queue = iter(random.permutation(names))
        for _ in range(count):
            texture = int(random.integers(len(TEXTURES)))
            picture = draw_texture(TEXTURES[texture], size, random)
            mask = np.full((size, size), len(CLASSES) + 1 + texture, np.uint8)
            objects: list[PastedObject] = []
            for _ in range(int(random.integers(1, OBJECTS + 1))):
                width, height = (int(side) for side in random.integers(*SIDES, size=2))
                place = free_place(mask > len(CLASSES), width, height, random)
                if place is None:
                    continue
                name = str(next(queue))
                thing = PastedObject(CLASSES.index(name.split("/")[-2]), *place, width, height)
                paste(picture, mask, thing, Image.open(file.open(name)))
                objects.append(thing)
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "JPEG", quality=95)
            yield Scene(buffer.getvalue(), mask, objects, texture)


def draw_texture(kind: str, size: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """A picture (size, size, 3) of two colours that mix by rule."""
    y, x = np.mgrid[:size, :size] / size
    angle, period = random.uniform(0, np.pi), random.uniform(0.08, 0.25)
    along = (x * np.cos(angle) + y * np.sin(angle)) / period
    across = (y * np.cos(angle) - x * np.sin(angle)) / period
    if kind == "stripes":
        share = np.floor(2 * along) % 2
    elif kind == "checks":
        share = (np.floor(2 * along) + np.floor(2 * across)) % 2
    elif kind == "waves":
        share = 0.5 + 0.25 * (np.sin(2 * np.pi * along) + np.sin(2 * np.pi * across))
    else:
        share = random.random((size, size))
    first, second = random.uniform(30, 225, size=(2, 3))
    return np.asarray(np.rint(first + share[..., None] * (second - first)), dtype=np.uint8)


def free_place(free: NDArray[np.bool_], width: int, height: int, random: np.random.Generator) -> tuple[int, int] | None:
    """(left, top) of a box whose ellipse, with its rim, meets no other; None where no try found one."""
    inside = ellipse(width, height, rim=1.0)
    for _ in range(TRIES):
        left, top = int(random.integers(free.shape[1] - width + 1)), int(random.integers(free.shape[0] - height + 1))
        if free[top : top + height, left : left + width][inside].all():
            return left, top
    return None


def paste(picture: NDArray[np.uint8], mask: NDArray[np.uint8], thing: PastedObject, source: Image.Image) -> None:
    """Put the ellipse of a picture of CIFAR-10 at its place, and its class into the mask."""
    box = np.s_[thing.top : thing.top + thing.height, thing.left : thing.left + thing.width]
    pixels = np.asarray(source.convert("RGB").resize((thing.width, thing.height), Image.Resampling.BICUBIC))
    inside, core = ellipse(thing.width, thing.height), ellipse(thing.width, thing.height, rim=-1.0)
    picture[box][inside] = pixels[inside]
    mask[box][inside] = 0
    mask[box][core] = thing.label + 1


def ellipse(width: int, height: int, rim: float = 0.0) -> NDArray[np.bool_]:
    """The pixels (height, width) whose centres lie in the ellipse of the box, widened by `rim` pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    inside = ((x - width / 2) / (width / 2 + rim)) ** 2 + ((y - height / 2) / (height / 2 + rim)) ** 2 <= 1
    return np.asarray(inside)


def write_ade_part(ade: Path, part: Parts, scenes: list[Scene]) -> list[str]:
    """Pictures and index masks of a part; returns the lines of `sceneCategories.txt`."""
    lines = []
    for folder in ("images", "annotations"):
        (ade / folder / part.ade).mkdir(parents=True)
    for number, scene in enumerate(scenes, 1):
        name = f"{part.ade_prefix}_{number:08d}"
        (ade / "images" / part.ade / f"{name}.jpg").write_bytes(scene.jpeg)
        Image.fromarray(scene.mask).save(ade / "annotations" / part.ade / f"{name}.png")
        lines.append(f"{name} {TEXTURES[scene.texture]}\n")
    return lines


def write_coco_part(coco: Path, ade: Path, part: Parts, scenes: list[Scene], size: int) -> None:
    """The same pictures under COCO's names, and their boxes and polygons in one JSON file."""
    (coco / part.coco).mkdir(parents=True)
    (coco / "annotations").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, 1):
        name = f"{number:012d}.jpg"
        shutil.copyfile(ade / "images" / part.ade / f"{part.ade_prefix}_{number:08d}.jpg", coco / part.coco / name)
        images.append({"id": number, "file_name": name, "width": size, "height": size, "license": 1})
        for thing in scene.objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": CATEGORY_IDS[thing.label],
                    "bbox": [thing.left, thing.top, thing.width, thing.height],
                    "area": int(ellipse(thing.width, thing.height).sum()),
                    "iscrowd": 0,
                    "segmentation": [polygon(thing)],
                }
            )
    document = {
        "info": {"description": "CIFAR-10 objects pasted on textures", "version": "1", "year": 2017},
        "licenses": [{"id": 1, "name": "those of CIFAR-10", "url": ""}],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": "vehicle" if name in VEHICLES else "animal"}
            for number, name in zip(CATEGORY_IDS, CLASSES, strict=True)
        ],
    }
    (coco / "annotations" / f"instances_{part.coco}.json").write_text(json.dumps(document), encoding="utf-8")


def polygon(thing: PastedObject) -> list[float]:
    """x and y of the ellipse's corners, in turn."""
    angles = 2 * np.pi * np.arange(CORNERS) / CORNERS
    x = thing.left + thing.width / 2 * (1 + np.cos(angles))
    y = thing.top + thing.height / 2 * (1 + np.sin(angles))
    return [round(float(value), 2) for value in np.stack([x, y], 1).ravel()]


if __name__ == "__main__":
    main()
