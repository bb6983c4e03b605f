"""Generated pictures, laid out on disk the way ImageNet is published."""

from collections.abc import Sequence
from pathlib import Path

from tests.data.files import write_image

SYNSETS = ("n01440764", "n02102040", "n03000684")


def write_imagenet(root: Path, classes: Sequence[str] = SYNSETS, per_class: int = 6, held: int = 2) -> Path:
    """`root/imagenet/{train,val}/<class>/*.JPEG`; pictures of a class are of like brightness."""
    for number, name in enumerate(classes):
        for part, count, prefix in (("train", per_class, f"{name}_"), ("val", held, "ILSVRC2012_val_")):
            folder = root / "imagenet" / part / name
            folder.mkdir(parents=True)
            for place in range(count):
                level = 40 + 150 * number // max(1, len(classes) - 1) + place % 5
                write_image(folder / f"{prefix}{number}{place:05d}.JPEG", level, (40 + place % 3, 30))
    return root
