"""Images: the `data` section."""

from typing import Literal

from pydantic import PositiveInt

from crosspath.config.data.files_table import FilesTable
from crosspath.config.data.section import Channels, PositiveChannels


class ImageData(FilesTable):
    """Colour images, resized and centre-cropped to a square; with boxes, the long side resized and the rest filled."""

    modality: Literal["image"] = "image"
    dataset: Literal["cifar10", "digits", "discs", "imagenet", "coco", "shapes", "shards", "folder"] = "folder"
    image_size: PositiveInt = 32
    resize: PositiveInt | None = None
    """Short side before the centre crop of held-out images; `image_size` when not given (published: 256 for 224)."""
    category_ids: tuple[int, ...] | None = None
    """Of pictures with boxes: the numbers of the categories in COCO's file, in the order of the classes; those of the
    user's own files when not given."""
    mean: Channels = (0.5, 0.5, 0.5)
    """Subtracted from values in [0, 1]; the sum is divided by `std`. The defaults give [-1, 1]."""
    std: PositiveChannels = (0.5, 0.5, 0.5)
