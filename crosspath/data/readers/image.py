"""Images of class folders, in directories or inside a zip, decoded with Pillow."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import ImageData
from crosspath.config.training import Augment, ImageAugment
from crosspath.data.folders import class_folder_items, folder_below
from crosspath.data.items import DamageError, Item, Listing, Part, TrainingView
from crosspath.data.readers.image_sets import list_imagenet
from crosspath.data.readers.zip_folders import list_zip
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.data.views.frame_views import frames_view
from crosspath.errors import InputError

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif", ".jp2", ".j2k"),
    *(".ppm", ".pgm", ".pnm"),
)
SHARD_MEMBERS = ("jpg", "jpeg", "png", "webp")
"""Kinds of the members of a shard that hold a sample."""


class ImageReader:
    """RGB images uint8 (3, S, S): rotated by their EXIF tag, short side resized (bicubic), centre-cropped to a square.

    Grey and palette images become RGB, 16-bit ones keep their upper 8 bits, transparency is dropped, and of several
    images in a file the first is read.
    """

    def __init__(self, section: ImageData) -> None:
        self.section = section
        size = section.image_size
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((3, size, size), np.dtype(np.uint8))
        self.settings: dict[str, Any] = {"image_size": size}
        if section.resize is not None:
            self.settings["resize"] = section.resize

    def sources(self, folder: Path) -> None:
        """None: the listing is enough."""

    def listing(self, folder: Path) -> Listing:
        """CIFAR-10's `train.zip` and `test.zip`; ImageNet's folders; shards; class folders in a directory or a zip."""
        if self.section.dataset == "imagenet":
            return list_imagenet(folder)
        if self.section.dataset == "shards":
            return list_shards(self.section, folder, SHARD_MEMBERS)
        if self.section.dataset == "cifar10":
            root = folder_below(folder, "cifar10", "train.zip and test.zip")
            parts: tuple[Part, Part] = ("train", "test")
            return _merge([list_zip(root / f"{part}.zip", part, SUFFIXES) for part in parts])
        if folder.suffix.lower() == ".zip" and folder.is_file():
            return list_zip(folder, None, SUFFIXES)
        return class_folder_items(folder, SUFFIXES, "images")

    @contextmanager
    def open_decoder(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder that keeps each zip open."""
        with self.open_images() as decode:
            yield lambda item: self.decode_file(item.path) if item.inside is None else self._to_sample(decode(item))

    @contextmanager
    def training_views(self, section: Augment, seed: int, epoch: int) -> Iterator[Callable[[Item, int], TrainingView]]:
        """Random crops and RandAugment of `frame_views.py`, as `section` asks for."""
        assert isinstance(section, ImageAugment)
        with self.open_images() as decode:

            def view(item: Item, sample: int) -> TrainingView:
                image = decode(item)
                if section.resized_crop is None:
                    image = self._centre_crop(image)
                return frames_view([image], self.section, section, seed, epoch, sample)[0], None

            yield view

    @contextmanager
    def open_images(self) -> Iterator[Callable[[Item], Any]]:
        """A decoder to upright RGB Pillow images of any size."""
        with ExitStack() as stack:
            archives: dict[Path, zipfile.ZipFile] = {}

            def decode(item: Item) -> Any:
                if isinstance(item.inside, tuple):
                    return self._decode(BytesIO(read_member(item)))
                if item.inside is None:
                    with item.path.open("rb") as file:
                        return self._decode(file)
                if item.path not in archives:
                    archives[item.path] = stack.enter_context(zipfile.ZipFile(item.path))
                try:
                    content = archives[item.path].read(str(item.inside))
                except Exception as error:  # many types: checksum, stream, compression, encryption
                    raise DamageError(f"the zip member cannot be read ({error})") from None
                return self._decode(BytesIO(content))

            yield decode

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One image file."""
        with path.open("rb") as file:
            return self._to_sample(self._decode(file))

    def _decode(self, file: IO[bytes]) -> Any:
        from PIL import Image, ImageFile, UnidentifiedImageError

        if ImageFile.LOAD_TRUNCATED_IMAGES:
            where, todo = (
                "PIL.ImageFile.LOAD_TRUNCATED_IMAGES",
                "turn it off: truncated images would be read as complete ones",
            )
            raise InputError(where, "False", "True", todo)
        try:
            with Image.open(file) as image:
                image.load()
                return _upright_rgb(image)
        except UnidentifiedImageError:  # its message contains the address of an object
            raise DamageError("the image decoder fails (unknown image format)") from None
        except Exception as error:  # Pillow's decoders raise many types on damaged files
            raise DamageError(f"the image decoder fails ({error})".replace("\n", " ")) from None

    def _to_sample(self, image: Any) -> NDArray[Any]:
        return np.asarray(self._centre_crop(image)).transpose(2, 0, 1)

    def _centre_crop(self, image: Any) -> Any:
        """The short side resized to `resize` (bicubic), then the centre square of `image_size`."""
        from PIL import Image

        size, short = self.section.image_size, self.section.resize or self.section.image_size
        if image.size == (size, size):
            return image
        scale = short / min(image.size)
        width, height = (max(short, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - size) // 2, (height - size) // 2
        return image.crop((left, top, left + size, top + size))


def _upright_rgb(image: Any) -> Any:
    """A loaded Pillow image as an upright RGB image."""
    from PIL import Image, ImageOps

    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # a faulty tag does not make the image unreadable
        image = image.copy()
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _merge(listings: list[Listing]) -> Listing:
    classes = listings[0].classes
    if any(other.classes != classes for other in listings):
        raise InputError(
            "cifar10", "the same classes in train.zip and test.zip", "different ones", "download the files again"
        )
    return Listing(classes, tuple(item for listing in listings for item in listing.items))
