"""Images of class folders, in directories or inside a zip, decoded with Pillow."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import ImageData
from crosspath.config.training import Augment, ImageAugment
from crosspath.data.folders import class_folder_items, folder_below, is_hidden, no_files_error
from crosspath.data.items import PART_NAMES, DamageError, Item, Listing, Part, TrainingView
from crosspath.data.readers.image_sets import list_imagenet
from crosspath.data.shards.listing import list_shards, read_member
from crosspath.data.views.frame_views import frames_view
from crosspath.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")


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
            return list_shards(self.section, folder)
        if self.section.dataset == "cifar10":
            root = folder_below(folder, "cifar10", "train.zip and test.zip")
            parts: tuple[Part, Part] = ("train", "test")
            return _merge([_zip_items(root / f"{part}.zip", part) for part in parts])
        if folder.suffix.lower() == ".zip" and folder.is_file():
            return _zip_items(folder, None)
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
                "turn it off: truncated images would be read as whole ones",
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


def _zip_items(path: Path, part: Part) -> Listing:
    """Class folders inside a zip, with or without folders around them all, and with or without `train/`, `val/`,
    `test/`; all in `part`, if given. The listing of an unchanged archive is kept in memory: a study's runs ask for the
    same one hundreds of times.
    """
    try:
        state = path.stat()
    except OSError:
        return _read_zip_items(path, part, None)
    return _read_zip_items(path, part, (state.st_size, state.st_mtime_ns, state.st_ino))


@lru_cache(maxsize=4)
def _read_zip_items(path: Path, part: Part, state: tuple[int, ...] | None) -> Listing:
    """`state` differs once the file has changed."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except FileNotFoundError:
        raise InputError(path, "a zip of class folders", "none", "check the data folder") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, "a zip of class folders", f"a damaged one ({error})", "download it again") from None
    entries = [entry for entry in members if not entry.is_dir()]
    files = [(PurePosixPath(entry.filename).parts, entry) for entry in entries]
    files = [(parts, entry) for parts, entry in files if len(parts) > 1 and not is_hidden(parts)]
    files = [(parts, entry) for parts, entry in files if PurePosixPath(entry.filename).suffix.lower() in SUFFIXES]
    with_images = {parent for _, entry in files for parent in PurePosixPath(entry.filename).parents}
    folders = {PurePosixPath(entry.filename) for entry in members if entry.is_dir()}
    empty = sorted(folder for folder in folders - with_images if not is_hidden(folder.parts))
    if files and empty:
        raise InputError(path / empty[0], f"images ({', '.join(SUFFIXES)})", "none", "add images or remove the folder")
    while len({parts[0] for parts, _ in files}) == 1 and any(len(parts) > 2 for parts, _ in files):
        files = [(parts[1:], entry) for parts, entry in files if len(parts) > 2]
    if part is None and any(PART_NAMES.get(parts[0].lower()) == "train" for parts, _ in files):
        placed = [(PART_NAMES.get(parts[0].lower()), parts[1:], entry) for parts, entry in files]
        placed = [(own, parts, entry) for own, parts, entry in placed if own is not None and len(parts) > 1]
    else:
        placed = [(part, parts, entry) for parts, entry in files]
    if not placed:
        todo = "put the images of each class into a folder of its own"
        raise InputError(path, "images in class folders", "none", todo)
    classes = sorted({parts[0] for _, parts, _ in placed})
    training_classes = {parts[0] for own, parts, _ in placed if own in ("train", None)}
    for name in classes:
        if name not in training_classes and part is None:
            raise no_files_error(f"{path} {name}/", "images", SUFFIXES)
    items = []
    for own, parts, entry in sorted(placed, key=lambda member: member[2].filename):
        items.append(
            Item(
                id=f"{path.name}/{entry.filename}",
                label=classes.index(parts[0]),
                part=own,
                path=path,
                inside=entry.filename,
                stamp=f"{entry.file_size}-{entry.CRC}",
            )
        )
    return Listing(tuple(classes), tuple(items))


def _merge(listings: list[Listing]) -> Listing:
    classes = listings[0].classes
    if any(other.classes != classes for other in listings):
        raise InputError(
            "cifar10", "the same classes in train.zip and test.zip", "different ones", "download the files again"
        )
    return Listing(classes, tuple(item for listing in listings for item in listing.items))
