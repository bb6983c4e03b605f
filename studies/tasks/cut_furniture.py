"""A small real set for part segmentation: furniture of ModelNet10, cut into parts by rule, in ShapeNetPart's layout.

    python studies/tasks/cut_furniture.py --data DATA --out DIR

`DATA/modelnet10/modelnet10.npz` holds the grids of 30 cells a side. Of each object the filled cells with an empty
neighbour are its surface; 500 to 1,000 points are drawn from them at random places in their cells, every cell once
before one is used again, with the sum of the directions to the empty neighbours as normal (0 between two of them).
Parts follow from the number of filled cells in each horizontal slab: the widest slab, of a chair that between a fifth
and two thirds of its height, and its neighbours with at least half as many cells are the table's top, the chair's seat
or the bed's mattress; what lies below are legs, what stands above a back. A network has to compare slabs to know, since
heights and proportions differ.
Objects with fewer than 30 surface cells in some part are left out, of training objects also those whose grid is that of
a test object. Nothing was labelled by hand. Equal options give equal bytes with the same version of NumPy.

    DIR/shapenetcore_partanno_segmentation_benchmark_v0_normal/
        synsetoffset2category.txt, train_test_split/shuffled_{train,val,test}_file_list.json, <offset>/<id>.txt
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = "shapenetcore_partanno_segmentation_benchmark_v0_normal"
CATEGORIES = {"Bed": "02818832", "Chair": "03001627", "Table": "04379243"}
"""Names and offsets."""
PARTS = {"Bed": ("legs", "mattress", "back"), "Chair": ("legs", "seat", "back"), "Table": ("legs", "top")}
"""From below; numbers count on through all categories, as ShapeNetPart's."""
LABELS = {"Bed": 1, "Chair": 2, "Table": 8}
"""Of ModelNet10."""
SEAT_HEIGHTS = (0.2, 2 / 3)
FEWEST_CELLS = 30
POINTS = (500, 1000)
VALIDATION = 0.15
"""Share of the training objects."""
NEIGHBOURS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
Bools = NDArray[np.bool_]


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds modelnet10")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training", type=int, default=160, help="training and validation objects of each category")
    parser.add_argument("--test", type=int, default=60, help="test objects of each category, at most")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} exists: name a new folder")
    write_set(options.data, options.out, options.seed, options.training, options.test)


def write_set(data: Path, out: Path, seed: int, training: int, test: int) -> dict[str, int]:
    """Write at most so many objects of each category; returns how many each list has."""
    root = out / FOLDER
    (root / "train_test_split").mkdir(parents=True)
    offsets = "".join(f"{name}\t{offset}\n" for name, offset in CATEGORIES.items())
    (root / "synsetoffset2category.txt").write_text(offsets, encoding="utf-8")
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    with np.load(data / "modelnet10" / "modelnet10.npz") as arrays:
        tests, test_labels = arrays["X_test"].astype(bool), arrays["y_test"]
        grids, labels = arrays["X_train"].astype(bool), arrays["y_train"]
    test_grids = {grid.tobytes() for grid in tests}
    for name, offset in CATEGORIES.items():
        (root / offset).mkdir()
        held_out = np.flatnonzero(test_labels == LABELS[name])
        own = [row for row in np.flatnonzero(labels == LABELS[name]).tolist() if grids[row].tobytes() not in test_grids]
        shapes = _write_shapes(root / offset, "test", tests, held_out.tolist(), name, seed, test)
        lists["test"] += [f"shape_data/{offset}/{shape}" for shape in shapes]
        shapes = _write_shapes(root / offset, "train", grids, own, name, seed, training)
        for number, shape in enumerate(shapes):
            part = "val" if number < round(VALIDATION * len(shapes)) else "train"
            lists[part].append(f"shape_data/{offset}/{shape}")
    for part, names in lists.items():
        (root / "train_test_split" / f"shuffled_{part}_file_list.json").write_text(json.dumps(names), encoding="utf-8")
    return {part: len(names) for part, names in lists.items()}


def _write_shapes(
    folder: Path, prefix: str, grids: Bools, rows: list[int], category: str, seed: int, most: int
) -> list[str]:
    """Write up to `most` of the objects at `rows`, in an order drawn by `seed`; returns their ids."""
    random = np.random.default_rng((seed, LABELS[category], prefix == "test"))
    first = sum(len(names) for name, names in PARTS.items() if list(PARTS).index(name) < list(PARTS).index(category))
    shapes: list[str] = []
    for row in random.permutation(rows).tolist():
        slabs = parts_of_slabs(grids[row], category)
        if slabs is None or len(shapes) == most:
            continue
        cloud = draw_points(grids[row], slabs, random)
        if cloud is None:
            continue
        cloud[:, 6] += first
        shapes.append(f"{prefix}{row:04d}")
        np.savetxt(folder / f"{shapes[-1]}.txt", cloud, fmt="%.6f")
    return shapes


def parts_of_slabs(grid: Bools, category: str) -> NDArray[np.int64] | None:
    """The part (30,) of each horizontal slab of a grid; None where it is empty."""
    areas = grid.sum((0, 1))
    slabs = np.flatnonzero(areas)
    if not len(slabs):
        return None
    low, high = slabs[0], slabs[-1] + 1
    height = (np.arange(len(areas)) + 0.5 - low) / (high - low)
    if category == "Chair":
        areas = np.where((height > SEAT_HEIGHTS[0]) & (height < SEAT_HEIGHTS[1]), areas, 0)
    widest = int(areas.argmax())
    bottom = top = widest
    while bottom > low and areas[bottom - 1] >= areas[widest] / 2:
        bottom -= 1
    while top < high - 1 and areas[top + 1] >= areas[widest] / 2:
        top += 1
    last = len(PARTS[category]) - 1
    parts = np.where(np.arange(len(areas)) < bottom, 0, np.where(np.arange(len(areas)) <= top, 1, 2))
    return np.minimum(parts, last).astype(np.int64)


def draw_points(grid: Bools, slabs: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float64] | None:
    """Rows (P, 7) of x y z nx ny nz part, centred and scaled into the unit sphere; None where some part has too few
    surface cells.
    """
    padded = np.pad(grid, 1)
    cells = np.argwhere(grid)
    open_sides = ~np.stack([padded[tuple((cells + 1 + step).T)] for step in NEIGHBOURS], axis=1)
    surface = open_sides.any(axis=1)
    cells, open_sides = cells[surface], open_sides[surface]
    parts = slabs[cells[:, 2]]
    counts = np.bincount(parts, minlength=int(slabs.max()) + 1)
    if len(cells) == 0 or counts.min() < FEWEST_CELLS or len(counts) <= slabs.max():
        return None
    count = int(random.integers(POINTS[0], POINTS[1] + 1))
    rounds = -(-count // len(cells))
    choice = np.concatenate([random.permutation(len(cells)) for _ in range(rounds)])[:count]
    points = cells[choice] + random.random((count, 3))
    normals = (open_sides[choice, :, None] * NEIGHBOURS).sum(axis=1).astype(float)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points -= points.mean(axis=0)
    points /= np.linalg.norm(points, axis=1).max()
    return np.column_stack([points, normals, parts[choice]])


if __name__ == "__main__":
    main()
