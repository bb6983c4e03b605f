"""ImageNet as published: class folders for training and validation."""

from dataclasses import replace
from pathlib import Path

from crosspath.data.folders import class_folder_items, folder_below
from crosspath.data.items import Listing, Part, join_listings
from crosspath.data.linked_files import SampleFiles
from crosspath.errors import InputError

SUFFIXES = (".jpeg", ".jpg", ".png")


def list_imagenet(folder: Path) -> Listing:
    """`imagenet/train/<class>/*` and `imagenet/val/<class>/*` below `folder`, class numbers in the folders' order.

    The labels of ImageNet's test part are not public, and results are reported on `val`. So `val` is the test part
    here, read once in a run, and the validation part is held out of `train` (`data.validation_fraction`, stratified).
    Published code selects epochs on the part it reports.

    Raises
    ------
    InputError
        For a missing folder, a class without images, a file that links make two samples, or different classes in
        `train` and `val`, whose numbers would then disagree.
    """
    root = folder_below(folder, "imagenet", "train/<class>/ and val/<class>/")
    files = SampleFiles()
    parts: dict[str, Part] = {"train": "train", "val": "test"}
    train, held_out = (
        class_folder_items(root / name, SUFFIXES, "images", part=part, files=files) for name, part in parts.items()
    )
    if train.classes != held_out.classes:
        classes = sorted(set(train.classes) ^ set(held_out.classes))
        names = f"{', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''}"
        difference = f"{len(classes)} in one of them only ({names})"
        raise InputError(root, "the same class folders in train and val", difference, "complete the folders")
    items = (
        replace(item, id=f"{name}/{item.id}")
        for name, listing in zip(parts, (train, held_out), strict=True)
        for item in listing.items
    )
    both = join_listings((train, held_out), items)
    return replace(both, notes=(*both.notes, *files.notes()))
