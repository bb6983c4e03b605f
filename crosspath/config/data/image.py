"""Images: the `data` section."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from crosspath.config.data.files_table import FilesTable
from crosspath.config.data.section import Channels, PositiveChannels

MaskValue = Annotated[int, Field(ge=0, le=255)]


class ImageData(FilesTable):
    """Colour images, resized and centre-cropped to a square; with boxes, the long side resized and the rest filled."""

    modality: Literal["image"] = "image"
    dataset: Literal[
        "cifar10", "digits", "discs", "imagenet", "coco", "shapes", "ade20k", "scenes", "shards", "folder"
    ] = "folder"
    image_size: PositiveInt = 32
    resize: PositiveInt | None = None
    """Short side before the centre crop of held-out images; `image_size` or more, and that when not given (published:
    256 for 224). Of segmentation, the short side to which pictures are resized before windows of `image_size` are cut;
    their own when not given."""
    ignored_values: tuple[MaskValue, ...] | None = None
    """Segmentation: values of index masks that are not labelled. When not given, 255; and 0, where ADE20K's table names
    the classes."""
    category_ids: tuple[int, ...] | None = None
    """Of pictures with boxes: the numbers of the categories in COCO's file, in the order of the classes; those of the
    user's own files when not given. A file with others is refused."""
    mean: Channels = (0.5, 0.5, 0.5)
    """Subtracted from values in [0, 1]; the sum is divided by `std`. The defaults give [-1, 1]."""
    std: PositiveChannels = (0.5, 0.5, 0.5)

    @property
    def sample_axes(self) -> tuple[int | str, ...]:
        """See `DataSection`."""
        return (3, "image_size", "image_size")
