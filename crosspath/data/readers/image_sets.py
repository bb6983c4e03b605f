"""ImageNet as it is published: folders of classes for training and for validation."""

from dataclasses import replace
from pathlib import Path

from crosspath.data.folders import class_folder_items, folder_below
from crosspath.data.items import Item, Listing, Part
from crosspath.errors import InputError

SUFFIXES = (".jpeg", ".jpg", ".png")


def list_imagenet(folder: Path) -> Listing:
    """`imagenet/train/<class>/*` and `imagenet/val/<class>/*` below `folder`, class numbers in the folders' order.

    ImageNet's labelled test part was never published, and results are told on `val`: it is the test part here, read
    once a run. The validation part, by which choices are made, is held out of `train` (`data.validation_fraction`,
    stratified). Published code chooses epochs on the part it reports.

    Raises
    ------
    InputError
        For a missing folder, a class without pictures, or other classes in `val` than in `train`: numbered apart, as
        published code does it, every class after the missing one would be another one.
    """
    root = folder_below(folder, "imagenet", "train/<class>/ and val/<class>/")
    train, held = (class_folder_items(root / name, SUFFIXES, "images") for name in ("train", "val"))
    if train.classes != held.classes:
        odd = sorted(set(train.classes) ^ set(held.classes))
        found = f"{len(odd)} in one of them only ({', '.join(odd[:3])}{', ...' if len(odd) > 3 else ''})"
        raise InputError(root, "the same class folders in train and val", found, "complete the folders")
    return Listing(train.classes, (*_placed(train, "train", "train"), *_placed(held, "val", "test")))


def _placed(listing: Listing, name: str, part: Part) -> tuple[Item, ...]:
    return tuple(replace(item, id=f"{name}/{item.id}", part=part) for item in listing.items)
