"""Images: class folders, as directories or inside a zip, decoded with Pillow."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crosspath.config.data import ImageData
from crosspath.data.items import PARTS, DamageError, Item, Listing, Part, class_folder_items, folder_below
from crosspath.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")


class ImageReader:
    """RGB images, short side resized (bicubic), centre-cropped to a square."""

    def __init__(self, section: ImageData) -> None:
        self.section = section
        size = section.image_size
        self.sample: tuple[tuple[int, ...], np.dtype[Any]] = ((3, size, size), np.dtype(np.uint8))
        self.settings: dict[str, Any] = {"image_size": size}

    def listing(self, folder: Path) -> Listing:
        """CIFAR-10's `train.zip` and `test.zip`; or class folders in a directory or a zip."""
        if self.section.dataset == "cifar10":
            root = folder_below(folder, "cifar10", "train.zip and test.zip")
            parts: tuple[Part, Part] = ("train", "test")
            return _joined([_zip_items(root / f"{part}.zip", part) for part in parts])
        if folder.suffix == ".zip":
            return _zip_items(folder, None)
        return class_folder_items(folder, SUFFIXES, "images")

    @contextmanager
    def opened(self) -> Iterator[Callable[[Item], NDArray[Any]]]:
        """A decoder that keeps each zip open."""
        with ExitStack() as stack:
            archives: dict[Path, zipfile.ZipFile] = {}

            def decode(item: Item) -> NDArray[Any]:
                if item.inside is None:
                    return self.decode_file(item.path)
                if item.path not in archives:
                    archives[item.path] = stack.enter_context(zipfile.ZipFile(item.path))
                try:
                    content = archives[item.path].read(str(item.inside))
                except (zipfile.BadZipFile, EOFError, OSError) as error:
                    raise DamageError(f"the zip member cannot be read ({error})") from None
                return self._decoded(BytesIO(content))

            yield decode

    def decode_file(self, path: Path) -> NDArray[Any]:
        """One image file."""
        with path.open("rb") as file:
            return self._decoded(file)

    def _decoded(self, file: IO[bytes]) -> NDArray[Any]:
        from PIL import Image, ImageFile

        assert not ImageFile.LOAD_TRUNCATED_IMAGES
        try:
            image = Image.open(file).convert("RGB")
        except Exception as error:  # Pillow's decoders raise a wide range of types on damaged files
            raise DamageError(f"the image decoder fails ({error})".replace("\n", " ")) from None
        size = self.section.image_size
        if image.size != (size, size):
            scale = size / min(image.size)
            width, height = (max(size, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Image.Resampling.BICUBIC)
            left, top = (width - size) // 2, (height - size) // 2
            image = image.crop((left, top, left + size, top + size))
        return np.asarray(image).transpose(2, 0, 1)


def _zip_items(path: Path, part: Part) -> Listing:
    """Class folders inside a zip; folders above the classes are passed over, `train/`, `val/`, `test/` are parts."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                entry for entry in archive.infolist() if PurePosixPath(entry.filename).suffix.lower() in SUFFIXES
            ]
    except FileNotFoundError:
        raise InputError(path, "a zip of class folders", "none", "check the data folder") from None
    except zipfile.BadZipFile as error:
        raise InputError(path, "a zip of class folders", f"a damaged one ({error})", "get it again") from None
    members = [entry for entry in members if len(PurePosixPath(entry.filename).parts) > 1]
    if not members:
        raise InputError(
            path, "images in class folders", "none", "put the images of each class into a folder of its own"
        )
    classes = sorted({PurePosixPath(entry.filename).parts[-2] for entry in members})
    items = []
    for entry in sorted(members, key=lambda entry: entry.filename):
        above = PurePosixPath(entry.filename).parts[:-2]
        named = [name for name in above if name in PARTS]
        own: Part = part or (named[0] if named else None)  # type: ignore[assignment]  # one of PARTS
        items.append(
            Item(
                id=f"{path.name}/{entry.filename}",
                label=classes.index(PurePosixPath(entry.filename).parts[-2]),
                part=own,
                path=path,
                inside=entry.filename,
                stamp=f"{entry.file_size}-{entry.CRC}",
            )
        )
    return Listing(tuple(classes), tuple(items))


def _joined(listings: list[Listing]) -> Listing:
    classes = listings[0].classes
    if any(other.classes != classes for other in listings):
        raise InputError("cifar10", "the same classes in train.zip and test.zip", "others", "get the files again")
    return Listing(classes, tuple(item for listing in listings for item in listing.items))
