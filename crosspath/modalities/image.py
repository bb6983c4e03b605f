"""Images: files with one picture each, as RGB squares (3, S, S)."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from crosspath.config.augment import ImageAugment
from crosspath.config.data import ImageData
from crosspath.config.model import ImagePatches
from crosspath.config.shipped import IMAGE as SECTIONS
from crosspath.data.annotations import NOT_LABELLED
from crosspath.data.generated.sets import digits, discs, scenes, shapes
from crosspath.data.places import IMAGE_SETS
from crosspath.data.readers.coco_folders import category_ids_of, has_boxes
from crosspath.data.readers.image import SUFFIXES, ImageReader, holds_pictures
from crosspath.data.readers.masks import has_masks
from crosspath.data.views.augment import augment_images
from crosspath.data.views.boxes import augment_boxed_images
from crosspath.data.views.frame_views import augment_pictures
from crosspath.errors import InputError
from crosspath.modalities.colours import (
    colour_levels,
    colour_normalisation,
    colour_pixels,
    colour_scaling,
    draw_colours,
    expected_colours,
)
from crosspath.modalities.modality import Export, Modality, Picture
from crosspath.recipes import image
from crosspath.tokenizers import ImageTokenizer
from crosspath.tokenizers.patches import PositionKind


def _tokenizer(section: ImagePatches, data: ImageData, width: int, positions: PositionKind) -> ImageTokenizer:
    return ImageTokenizer(data.image_size, section.patch, width, positions=positions)


def _sample_shape(data: ImageData) -> tuple[int, ...]:
    return (3, data.image_size, data.image_size)


def _recipe_for(folder: Path) -> str:
    """Pictures of MedMNIST are small, and must not be mirrored; pictures beside masks are segmented, and
    objects found where COCO's files name boxes.
    """
    if has_masks(folder):
        return "masks"
    if has_boxes(folder):
        return "boxes"
    return "medmnist" if folder.suffix.lower() == ".npz" and holds_pictures(folder) else "folder"


def _inspect(section: ImageData) -> ImageData:
    """With the numbers of the categories of the user's own boxes, so that predictions name them."""
    if section.label_kind != "boxes" or section.dataset != "folder" or section.category_ids is not None:
        return section
    try:
        numbers = None if section.folder is None else category_ids_of(section.folder.expanduser())
    except (InputError, OSError):
        return section
    return section.model_copy(update={"category_ids": numbers})


def _absent(data: ImageData, classes: Sequence[str], pairs: Collection[tuple[int, int]]) -> list[str]:
    """Classes that no training pixel has, and where pixels without a class may be theirs."""
    names = [name for number, name in enumerate(classes) if (0, number) not in pairs]
    notes = [f"class {name} has no training pixel" for name in names]
    if names and (0, NOT_LABELLED) in pairs:
        values = ", ".join(map(str, data.ignored_values or (NOT_LABELLED,)))
        notes.append(f"pixels of {values} are not labelled: another class needs another value (data.ignored_values)")
    return notes


def _whole(data: ImageData) -> Callable[[Path], NDArray[Any]]:
    return ImageReader(data).decode_whole


DIGITS_TERMS = ("CC BY 4.0", "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits")
"""scikit-learn's handwritten digits."""

IMAGE = Modality[ImageData, ImageAugment, ImagePatches](
    sections=SECTIONS,
    suffixes=SUFFIXES,
    reads_file=holds_pictures,
    content="images",
    columns=("img",),  # CIFAR-10 on the hub
    sets=IMAGE_SETS,
    generated={"digits": digits, "discs": discs, "shapes": shapes, "scenes": scenes},
    terms={"digits": DIGITS_TERMS},
    reader=ImageReader,
    inspect=_inspect,
    sample_shape=_sample_shape,
    annotation_axis=0,
    absent=_absent,
    whole=_whole,
    scaling=colour_scaling,
    tokenizer=_tokenizer,
    before_batch=augment_pictures,
    augment=augment_images,
    augment_boxed=augment_boxed_images,
    picture=Picture(draw=draw_colours, pixels=colour_pixels),
    export=Export(
        axes=("channel", "row", "column"),
        dtype=torch.uint8,
        raw=colour_levels,
        expected=expected_colours,
        normalisation=colour_normalisation,
    ),
    hub_task="image-classification",
    recipe_for=_recipe_for,
    recipes=image.RECIPES,
    pretraining=image.PRETRAINING,
)
