"""The set of pasted objects: two layouts that say the same of every pixel, read by libraries that know the layouts."""

import contextlib
import importlib.util
import io
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PARTS = {"training": ("ADE_train", "train2017"), "validation": ("ADE_val", "val2017")}
COUNTS = {"training": 6, "validation": 4}


def load_script() -> ModuleType:
    script = ROOT / "studies" / "tasks" / "paste_objects.py"
    spec = importlib.util.spec_from_file_location("paste_objects", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_set(data: Path, out: Path, seed: int = 0) -> Path:
    load_script().write_sets(data, out, seed, (COUNTS["training"], COUNTS["validation"]), 96)
    return out


@pytest.fixture(scope="module")
def pasted(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(data_root, tmp_path_factory.mktemp("pasted") / "set")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def coco_of(pasted: Path, folder: str) -> Any:
    coco = pytest.importorskip("pycocotools.coco")
    with contextlib.redirect_stdout(io.StringIO()):
        return coco.COCO(pasted / "coco" / "annotations" / f"instances_{folder}.json")


def test_the_seed_decides_every_byte(pasted: Path, data_root: Path, tmp_path: Path) -> None:
    again, other = write_set(data_root, tmp_path / "again"), write_set(data_root, tmp_path / "other", seed=1)
    assert files(again) == files(pasted)
    assert files(other).keys() == files(pasted).keys()
    assert files(other) != files(pasted)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("part", PARTS)
def test_masks_and_polygons_agree(pasted: Path, part: str) -> None:
    prefix, folder = PARTS[part]
    ade, coco = pasted / "ADEChallengeData2016", coco_of(pasted, folder)
    names = ["", *(row.split("\t")[-1] for row in (ade / "objectInfo150.txt").read_text().splitlines()[1:])]
    assert len(coco.imgs) == COUNTS[part]
    for number, image in coco.imgs.items():
        picture = ade / "images" / part / f"{prefix}_{number:08d}.jpg"
        assert picture.read_bytes() == (pasted / "coco" / folder / image["file_name"]).read_bytes()
        mask = np.asarray(Image.open(ade / "annotations" / part / f"{prefix}_{number:08d}.png"))
        assert mask.shape == Image.open(picture).size[::-1] == (image["height"], image["width"])
        objects = coco.imgToAnns[number]
        assert 1 <= len(objects) <= 4
        covered = np.zeros(mask.shape, bool)
        for thing in objects:
            shape = coco.annToMask(thing).astype(bool)
            x, y, width, height = thing["bbox"]
            box = np.zeros(mask.shape, bool)
            box[y : y + height, x : x + width] = True
            index = box & (mask == names.index(coco.cats[thing["category_id"]]["name"]))
            assert (index & shape).sum() > 0.95 * index.sum()
            assert index.sum() > 0.7 * shape.sum()  # The index mask leaves a rim of one pixel out.
            assert abs(int(shape.sum()) - thing["area"]) < 0.06 * thing["area"]
            assert (shape & covered).sum() <= 8  # Corners of polygons may touch; masks do not overlap.
            covered |= shape
        objects_here = {coco.cats[thing["category_id"]]["name"] for thing in objects}
        assert len({names[value] for value in np.unique(mask) if value} - objects_here) == 1  # the texture


def test_an_object_is_a_picture_of_its_class(pasted: Path, data_root: Path) -> None:
    coco = coco_of(pasted, "val2017")
    thing = min(coco.anns.values(), key=lambda entry: entry["id"])
    name = coco.cats[thing["category_id"]]["name"]
    x, y, width, height = thing["bbox"]
    picture = Image.open(pasted / "coco" / "val2017" / coco.imgs[thing["image_id"]]["file_name"])
    centre = np.s_[height // 4 : -(height // 4), width // 4 : -(width // 4)]
    pixels = np.asarray(picture.crop((x, y, x + width, y + height)), int)[centre]
    sources = []
    with zipfile.ZipFile(data_root / "cifar10" / "test.zip") as file:
        for entry in file.namelist():
            if f"/{name}/" in entry and entry.endswith(".jpg"):
                resized = Image.open(file.open(entry)).resize((width, height), Image.Resampling.BICUBIC)
                if abs(np.asarray(resized, int)[centre] - pixels).mean() < 8:
                    sources.append(entry)
    assert len(sources) == 1
