"""Images of class folders, in directories or inside a zip."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.augment import Augment, ImageAugment
from crosspath.config.data import ImageData
from crosspath.data.boxes import Fit, size_in
from crosspath.data.folder_tree import DiskFile, Tree, suffix_of, tree_of
from crosspath.data.folders import class_folder_items, folder_below
from crosspath.data.items import DamageError, Item, Listing, Part, TrainingView, join_listings, require_within
from crosspath.data.labels import as_label_tuples, label_settings
from crosspath.data.places import IMAGE_SETS
from crosspath.data.readers.coco_folders import list_coco
from crosspath.data.readers.image_sets import list_imagenet
from crosspath.data.readers.masks import (
    has_masks,
    list_masked_pictures,
    list_pictures,
    read_masked_picture,
    refuse_masks_as_class,
)
from crosspath.data.readers.medmnist import ImageRows, has_medmnist_arrays, list_medmnist, read_row
from crosspath.data.readers.own_table import own_table, with_unread
from crosspath.data.readers.pictures import picture_of, read_picture, turned_size
from crosspath.data.readers.zip_folders import list_zip
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.data.short_side import short_side
from crosspath.data.tables import list_files, table_settings
from crosspath.data.views.frame_views import frames_view
from crosspath.data.views.scene_views import scene_view
from crosspath.errors import InputError
from crosspath.limits import BYTES, PIXELS

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif", ".jp2", ".j2k"),
    *(".ppm", ".pgm", ".pnm"),
)
ARRAYS = (".npy",)
"""Read where a folder has no other pictures: beside some, an array is a feature or a depth map of them."""
NPZ = ".npz"
ADE20K_PARTS: dict[str, Part] = {"training": "train", "validation": "test"}
"""The labels of ADE20K's test part are not public, and results are reported on `validation`: as for ImageNet it is the
test part here, and a validation part is held out of `training`."""
SHARD_MEMBERS = ("jpg", "jpeg", "png", "webp")
"""Kinds of the members of a shard that hold a sample."""


class ImageReader:
    """RGB images uint8 (3, S, S): rotated by their EXIF tag, short side resized (bicubic), centre-cropped to a square.
    With masks uint8 (4, H, W), at their own size; training views are squares (4, S, S).

    Every sample type becomes RGB levels by the rule of `pictures.py`.
    """

    def __init__(self, section: ImageData) -> None:
        self.section = section
        size, self.short = section.image_size, short_side(section)
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((3, size, size), np.dtype(np.uint8))
        self.settings: dict[str, Any] = {"image_size": size}
        if section.resize is not None:
            self.settings["resize"] = section.resize
        self.settings |= table_settings(section) | label_settings(section)
        self.boxed = section.label_kind == "boxes"
        if self.boxed:
            self.settings["boxes"] = self._behind
        if section.annotated:
            self.sample = ((4, size, size), np.dtype(np.uint8))
            self.settings["masks"] = section.ignored_values

    def sources(self, folder: Path) -> None:
        """None: the listing is enough."""

    def listing(self, folder: Path) -> Listing:
        """A set of pictures; with `data.multi_label` labels are tuples, and boxes where the objective asks for them."""
        if (table := own_table(folder, self.section)) is not None:
            listing = list_files(folder, table, self.section, SUFFIXES)
        else:
            listing = with_unread(self._boxed_listing(folder) if self.boxed else self._listing(folder), self.section)
        return as_label_tuples(listing) if self.section.several_labels else listing

    def _boxed_listing(self, folder: Path) -> Listing:
        inside = "annotations/instances_train2017.json and train2017/"
        root = folder_below(folder, "coco", inside) if self.section.dataset == "coco" else folder
        return list_coco(root, self.section.image_size, SUFFIXES, self.section.category_ids)

    def _listing(self, folder: Path) -> Listing:
        """CIFAR-10's `train.zip` and `test.zip`; ImageNet's folders; shards; MedMNIST's arrays; pictures beside masks;
        class folders in a directory or a zip.
        """
        if self.section.dataset == "imagenet":
            return list_imagenet(folder)
        if self.section.dataset == "coco":
            # Masked modelling, which asks for no boxes.
            listing = self._boxed_listing(folder)
            items = tuple(replace(item, label=0) for item in listing.items)
            return replace(listing, classes=("pictures",), items=items, label_kind="classes")
        if self.section.dataset == "ade20k":
            return self._masked_listing(
                folder_below(folder, IMAGE_SETS["ade20k"], "images/ and annotations/"), ADE20K_PARTS
            )
        if self.section.dataset == "shards":
            return list_shards(self.section, folder, SHARD_MEMBERS)
        if self.section.dataset == "cifar10":
            root = folder_below(folder, "cifar10", "train.zip and test.zip")
            parts: tuple[Part, Part] = ("train", "test")
            return _merge([list_zip(root / f"{part}.zip", part, SUFFIXES) for part in parts])
        if self.section.annotated or has_masks(folder):
            return self._masked_listing(folder)
        if folder.suffix.lower() == NPZ and folder.is_file():
            return list_medmnist(folder, self.section.several_labels)
        if folder.suffix.lower() == ".zip" and folder.is_file():
            listing = list_zip(folder, None, SUFFIXES)
        else:
            tree = tree_of(folder) if folder.is_dir() else None
            suffixes = ARRAYS if tree is not None and _has_only_arrays(tree) else SUFFIXES
            listing = class_folder_items(folder, suffixes, "images", tree)
        refuse_masks_as_class(folder, listing.classes)
        return listing

    def _masked_listing(self, root: Path, parts: dict[str, Part] | None = None) -> Listing:
        """Pictures with masks, or the pictures alone where the recipe reads no masks."""
        if self.section.annotated:
            return list_masked_pictures(root, SUFFIXES, self.section.ignored_values, parts)
        return list_pictures(root, SUFFIXES, parts)

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder that keeps each zip open."""
        if self.section.annotated:
            yield self._read_with_mask
            return
        with self.open_images() as decode:
            if self.boxed:
                yield lambda item: self._to_boxed_sample(decode(item), item)
                return
            yield lambda item: self.decode_file(item.path) if item.inside is None else self._to_sample(decode(item))

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """Random crops and RandAugment of `frame_views.py`, as `section` asks for."""
        assert isinstance(section, ImageAugment)
        if self.section.annotated:
            yield lambda item, sample: (
                scene_view(self._read_with_mask(item), self.section, section, seed, epoch, sample),
                None,
            )
            return
        with self.open_images() as decode:

            def view(item: Item, sample: int) -> TrainingView:
                image = decode(item)
                if self.boxed:
                    return self._to_boxed_sample(image, item), None
                if section.resized_crop is None:
                    image = self._centre_crop(image)
                return frames_view([image], self.section, section, seed, epoch, sample)[0], None

            yield view

    def _read_with_mask(self, item: Item) -> NDArray[Any]:
        return read_masked_picture(item, self.section.ignored_values)

    @contextmanager
    def open_images(self) -> Iterator[Callable[[Item], Any]]:
        """A decoder to upright RGB Pillow images of any size."""
        with ExitStack() as stack:
            archives: dict[Path, zipfile.ZipFile] = {}
            arrays: dict[tuple[Path, str], ImageRows] = {}

            def decode(item: Item) -> Any:
                if item.inside is not None and item.path.suffix.lower() == NPZ:
                    return picture_of(read_row(arrays, item, stack))
                if isinstance(item.inside, tuple):
                    return read_picture(BytesIO(read_member(item)))
                if item.inside is None:
                    with item.path.open("rb") as file:
                        return read_picture(file)
                try:
                    if item.path not in archives:
                        archives[item.path] = stack.enter_context(zipfile.ZipFile(item.path))
                    require_within(BYTES, archives[item.path].getinfo(str(item.inside)).file_size)
                    content = archives[item.path].read(str(item.inside))
                except (DamageError, InputError, OSError):
                    raise
                except Exception as error:  # many types: checksum, stream, compression, encryption
                    raise DamageError(f"the zip member cannot be read ({error})") from None
                return read_picture(BytesIO(content))

            yield decode

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One image file."""
        with path.open("rb") as file:
            return self._to_sample(read_picture(file))

    def decode_whole(self, path: Path) -> NDArray[Any]:
        """One image file at its own size (3, H, W), as the pictures beside masks are read."""
        with path.open("rb") as file:
            return np.asarray(read_picture(file)).transpose(2, 0, 1)

    def decode_object(self, value: Any) -> NDArray[Any]:
        """A Pillow image, or an array (H, W), (H, W, C) or (C, H, W), as `picture_of` reads them; with an annotated
        section at its own size."""
        picture = picture_of(value)
        return np.asarray(picture).transpose(2, 0, 1) if self.section.annotated else self._to_sample(picture)

    def original_size(self, value: Any) -> tuple[int, int]:
        """Width and height of a picture as `decode_file` and `decode_object` open it."""
        if not isinstance(value, str | Path):
            picture = picture_of(value)
        else:
            with Path(value).open("rb") as file:
                picture = read_picture(file)
        return picture.width, picture.height

    def _to_boxed_sample(self, image: Any, item: Item) -> NDArray[Any]:
        """The sample of a picture whose size is that of its annotations. Raises `DamageError` for another."""
        rows: Any = item.label
        if image.size != size_in(rows):
            width, height = size_in(rows)
            raise DamageError(f"it is {image.width} x {image.height}, and its annotations say {width} x {height}")
        with item.path.open("rb") as file:
            if turned_size(file) == image.size:
                raise DamageError("it is turned by its EXIF tag, and its boxes may be or not: save it upright")
        return self._to_sample(image)

    @property
    def _behind(self) -> tuple[int, ...]:
        """The colour behind a picture that does not fill its square: 0 once it is normalised."""
        return tuple(round(255 * value) for value in self.section.mean)

    def _pad(self, image: Any) -> Any:
        """The long side resized to `image_size` (bicubic), the rest filled on the right or below."""
        from PIL import Image

        size = self.section.image_size
        inside = Fit(image.width, image.height, size).inside
        square = Image.new("RGB", (size, size), self._behind)
        square.paste(image if image.size == inside else image.resize(inside, Image.Resampling.BICUBIC))
        return square

    def _to_sample(self, image: Any) -> NDArray[Any]:
        if self.boxed:
            return np.asarray(self._pad(image)).transpose(2, 0, 1)
        return np.asarray(self._centre_crop(image)).transpose(2, 0, 1)

    def _centre_crop(self, image: Any) -> Any:
        """The short side resized to `resize` (bicubic), then the centre square of `image_size`."""
        from PIL import Image

        size, short = self.section.image_size, self.short
        scale = short / min(image.size)
        width, height = (max(short, round(side * scale)) for side in image.size)
        require_within(PIXELS, width * height)  # a picture of one row becomes a very long one
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - size) // 2, (height - size) // 2
        return image.crop((left, top, left + size, top + size))


def holds_pictures(path: Path) -> bool:
    """Whether a file is a zip of class folders, or an `.npz` with the arrays of MedMNIST."""
    return path.suffix.lower() == ".zip" or (path.suffix.lower() == NPZ and has_medmnist_arrays(path))


def _has_only_arrays(tree: Tree[DiskFile]) -> bool:
    suffixes = {suffix_of(names[-1]) for names in tree.files}
    return suffixes.isdisjoint(SUFFIXES) and not suffixes.isdisjoint(ARRAYS)


def _merge(listings: list[Listing]) -> Listing:
    classes = listings[0].classes
    if any(other.classes != classes for other in listings):
        raise InputError(
            "cifar10", "the same classes in train.zip and test.zip", "different ones", "download the files again"
        )
    return join_listings(listings, (item for listing in listings for item in listing.items))
