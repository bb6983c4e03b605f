"""Small generated sets of point clouds, laid out on disk exactly as the real ones are published."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

MODELNET40 = (
    *("airplane", "bathtub", "bed", "bench", "bookshelf", "bottle", "bowl", "car", "chair", "cone"),
    *("cup", "curtain", "desk", "door", "dresser", "flower_pot", "glass_box", "guitar", "keyboard", "lamp"),
    *("laptop", "mantel", "monitor", "night_stand", "person", "piano", "plant", "radio", "range_hood", "sink"),
    *("sofa", "stairs", "stool", "table", "tent", "toilet", "tv_stand", "vase", "wardrobe", "xbox"),
)
SHAPENETPART = {
    "Airplane": "02691156",
    "Bag": "02773838",
    "Cap": "02954340",
    "Car": "02958343",
    "Chair": "03001627",
    "Earphone": "03261776",
    "Guitar": "03467517",
    "Knife": "03624134",
    "Lamp": "03636649",
    "Laptop": "03642806",
    "Motorbike": "03790512",
    "Mug": "03797390",
    "Pistol": "03948459",
    "Rocket": "04099429",
    "Skateboard": "04225987",
    "Table": "04379243",
}
"""Categories and offsets in the order of the synset file."""
FIRST_PART = (0, 4, 6, 8, 12, 16, 19, 22, 24, 28, 30, 36, 38, 41, 44, 47, 50)
"""Number of each category's first part, and one more than the last of all."""


def cloud(points: int, label: int, seed: int) -> np.ndarray:
    """(points, 3) on an ellipsoid whose axes tell the class, away from the origin and larger than the unit sphere."""
    generator = np.random.default_rng((label, seed))
    directions = generator.standard_normal((points, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    axes = 1 + np.random.default_rng(label).random(3) * 3
    return directions * axes + generator.uniform(1, 2, 3)


def write_modelnet40(
    root: Path,
    classes: Sequence[str] = MODELNET40,
    train: int = 2,
    test: int = 1,
    points: int = 64,
    used: int | None = None,
) -> Path:
    """`train` and `test` clouds for each of the first `used` classes, all where not given; returns the set's folder."""
    folder = root / "modelnet40_normal_resampled"
    folder.mkdir(parents=True)
    (folder / "modelnet40_shape_names.txt").write_text("".join(f"{name}\n" for name in classes))
    listed: dict[str, list[str]] = {"train": [], "test": []}
    for label, name in enumerate(classes[:used]):
        (folder / name).mkdir()
        for number in range(1, train + test + 1):
            shape = f"{name}_{number:04d}"
            listed["train" if number <= train else "test"].append(shape)
            rows = cloud(points, label, number)
            normals = np.ones_like(rows) / 3**0.5
            np.savetxt(folder / name / f"{shape}.txt", np.hstack([rows, normals]), fmt="%.6f", delimiter=",")
    for part, names in listed.items():
        (folder / f"modelnet40_{part}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def write_scanobjectnn(
    root: Path, variant: str = "hardest", train: int = 2, test: int = 1, points: int = 64, classes: int = 15
) -> Path:
    """`objbg`, `objonly` or `hardest`, with clouds for each of the first `classes` classes; returns the split's folder.

    The labels run through the classes over and over.
    """
    import h5py

    folder = root / "scanobjectnn" / ("main_split_nobg" if variant == "objonly" else "main_split")
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "_augmentedrot_scale75" if variant == "hardest" else ""
    for part, count, seed in (("training", train, 0), ("test", test, 1000)):
        labels = np.tile(np.arange(classes), count)
        clouds = [cloud(points, int(label), seed + row) for row, label in enumerate(labels)]
        with h5py.File(folder / f"{part}_objectdataset{suffix}.h5", "w") as file:
            file["data"] = np.stack(clouds).astype(np.float32)
            file["label"] = labels.astype(np.int32)
            file["mask"] = np.zeros((len(labels), points), np.int32)
    return folder


def write_shapenet55(root: Path, taxonomies: int = 55, train: int = 2, test: int = 1, points: int = 64) -> Path:
    """`train` and `test` clouds for each taxonomy number; returns the set's folder."""
    folder = root / "shapenet55"
    (folder / "ShapeNet-55").mkdir(parents=True)
    (folder / "shapenet_pc").mkdir()
    listed: dict[str, list[str]] = {"train": [], "test": []}
    for label in range(taxonomies):
        for number in range(train + test):
            name = f"{2691156 + 1000 * label:08d}-{label:016x}{number:016x}.npy"
            listed["train" if number < train else "test"].append(name)
            np.save(folder / "shapenet_pc" / name, cloud(points, label, number).astype(np.float32))
    for part, names in listed.items():
        (folder / "ShapeNet-55" / f"{part}.txt").write_text("\n".join(names))
    return folder


def write_shapenetpart(root: Path, train: int = 2, val: int = 1, test: int = 1, points: int = 64) -> Path:
    """Clouds for each category, whose parts are slices along x; returns the set's folder."""
    folder = root / "shapenetcore_partanno_segmentation_benchmark_v0_normal"
    (folder / "train_test_split").mkdir(parents=True)
    synsets = "".join(f"{name}\t{offset}\n" for name, offset in SHAPENETPART.items())
    (folder / "synsetoffset2category.txt").write_text(synsets)
    listed: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    parts = ["train"] * train + ["val"] * val + ["test"] * test
    for label, offset in enumerate(SHAPENETPART.values()):
        (folder / offset).mkdir()
        first, stop = FIRST_PART[label : label + 2]
        for number, part in enumerate(parts):
            name = f"{label:016x}{number:016x}"
            listed[part].append(f"shape_data/{offset}/{name}")
            rows = cloud(points, label, number)
            rank = rows[:, 0].argsort().argsort()
            numbers = first + rank * (stop - first) // points
            columns = np.hstack([rows, np.ones_like(rows) / 3**0.5, numbers[:, None]])
            np.savetxt(folder / offset / f"{name}.txt", columns, fmt="%.6f")
    for part, names in listed.items():
        (folder / "train_test_split" / f"shuffled_{part}_file_list.json").write_text(json.dumps(names))
    return folder


def write_partnet(
    root: Path, category: str = "Chair", level: int = 3, counts: tuple[int, int, int] = (5, 2, 2), points: int = 64
) -> Path:
    """Two h5 files for training and one for each other list, parts 1 to 3 as slices along x and 0, other, for a tenth
    of the points; returns the folder of the category.
    """
    import h5py

    folder = root / "sem_seg_h5" / f"{category}-{level}"
    folder.mkdir(parents=True)
    number = 0
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        names = [f"{part}-{file:02d}.h5" for file in range(2 if part == "train" else 1)]
        for name, rows in zip(names, np.array_split(np.arange(count), len(names)), strict=True):
            clouds = np.stack([cloud(points, 4, number + row) for row in range(len(rows))])
            number += len(rows)
            parts = 1 + clouds[..., 0].argsort(axis=1).argsort(axis=1) * 3 // points
            parts[:, ::10] = 0
            with h5py.File(folder / name, "w") as file:
                file["data"] = clouds.astype(np.float32)
                file["data_num"] = np.full(len(rows), points, np.int32)
                file["label_seg"] = parts.astype(np.uint8)
        (folder / f"{part}_files.txt").write_text("".join(f"./{name}\n" for name in names))
    return folder
