"""Small sets of pictures with index masks on disk: ADE20K's layout, and a user's own."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def write_masked(
    root: Path, name: str, mask: NDArray[np.uint8], *, palette: bool = False, suffix: str = ".png"
) -> None:
    """A picture whose red level is ten times the value of its mask."""
    picture = Image.fromarray(np.stack([mask * 10, mask * 0, mask * 0], axis=-1))
    index = Image.fromarray(mask)
    if palette:
        index = index.convert("P")
        index.putdata(mask.ravel().tolist())
        index.putpalette([255 - value for value in range(256) for _ in range(3)])
    for folder, content, ending in (("images", picture, suffix), ("annotations", index, ".png")):
        path = root / folder / f"{name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        content.save(path, **({"quality": 95} if ending == ".jpg" else {}))


def write_own_masks(root: Path, count: int = 3) -> Path:
    """`count` pictures in each part; values 0 to 3 and 255."""
    for part in ("training", "validation", "test"):
        for number in range(count):
            mask = np.random.default_rng(number).integers(0, 4, (6 + number, 9), dtype=np.uint8)
            mask[0, 0] = 255
            write_masked(root, f"{part}/{number}", mask, palette=number % 2 == 1)
    (root / "classes.txt").write_text("sky\nsea\nsand\nship\n", encoding="utf-8")
    return root


def write_ade20k(root: Path, counts: tuple[int, int] = (12, 3), classes: int = 3) -> Path:
    """ADE20K's layout below `root`, pictures of 10 by 12 pixels in blocks; returns its folder."""
    folder = root / "ADEChallengeData2016"
    for part, prefix, count in zip(("training", "validation"), ("ADE_train", "ADE_val"), counts, strict=True):
        for number in range(1, count + 1):
            mask = np.random.default_rng(number).integers(0, classes + 1, (10, 12), dtype=np.uint8)
            write_masked(folder, f"{part}/{prefix}_{number:08d}", mask, suffix=".jpg")
    lines = [f"{number}\t0.1\t1\t1\t0\tname {number}, other" for number in range(1, classes + 1)]
    (folder / "objectInfo150.txt").write_text("\n".join(["Idx\tRatio\tTrain\tVal\tStuff\tName", *lines]) + "\n")
    (folder / "sceneCategories.txt").write_text("ADE_train_00000001 misc\n")
    return folder
