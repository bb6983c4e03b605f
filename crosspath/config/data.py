"""The `data` section: which files become samples, and what one sample looks like. One class a modality.

`digits` (scikit-learn's handwritten digits), `sounds` and `solids` (generated) need no files.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from crosspath.config.section import Section

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class DataSection(Section):
    """What the four modalities share."""

    folder: Path | None = None
    """The user's own data (`*/folder` recipes); shipped sets are found below the data root."""
    classes: PositiveInt | None = None
    """Published number of classes, so that a dry run needs no data. Checked against the data when they are read."""
    train_samples: PositiveInt | None = None
    """Published number of training samples after the validation part is held out; only a dry run reads it."""
    labels_per_class: PositiveInt | None = None
    """Training samples kept per class, drawn by `train.seed`; a smaller class gives all it has."""
    validation_fraction: Fraction = 0.1
    """Stratified part of training held out where a set has no validation part of its own."""
    test_fraction: Fraction = 0.2
    """Stratified part held out where a folder names no test part."""
    skip_damaged: bool = False
    """Leave damaged files out, named and counted; otherwise the first pass ends with an error that names them."""
    cache_folder: Path | None = None
    """Where decoded samples are kept; the user's cache folder when not given. Never the data folder."""


class ImageData(DataSection):
    """Colour images, resized and centre-cropped to a square."""

    modality: Literal["image"] = "image"
    dataset: Literal["cifar10", "digits", "folder"] = "folder"
    image_size: PositiveInt = 32


class AudioData(DataSection):
    """Recordings, resampled and turned into Kaldi-style log-mel frames of 25 ms every 10 ms."""

    modality: Literal["audio"] = "audio"
    dataset: Literal["esc10", "fsdd", "sounds", "folder"] = "folder"
    sample_rate_hz: PositiveInt = 16000
    mels: PositiveInt = 128
    frames: PositiveInt = 512
    """Frames a sample is padded or cut to."""
    mean: float = -6.6268077
    """Subtracted from log-mel values; the sum is divided by `2 * std`."""
    std: PositiveFloat = 5.358466
    csv: str | None = None
    """A table inside `folder` instead of class folders; the three columns below name its parts."""
    file_column: str = "file"
    label_column: str = "label"
    split_column: str | None = None
    """A column holding `train`, `val` or `test`."""
    test_fold: PositiveInt = 5
    """ESC layout: the fold that is the test part."""
    validation_fold: PositiveInt = 4
    """ESC layout: the fold that is the validation part."""


class PointData(DataSection):
    """Point clouds, centred on their mean and scaled into the unit sphere."""

    modality: Literal["point"] = "point"
    dataset: Literal["modelnet10", "solids", "folder"] = "folder"
    points: PositiveInt = 1024
    """Points kept of each cloud, and drawn from the surface of each mesh."""


class VideoData(DataSection):
    """Clips: frames spread evenly over the chosen range, resized and centre-cropped to a square."""

    modality: Literal["video"] = "video"
    dataset: Literal["grid", "folder"] = "folder"
    frames: PositiveInt = 8
    image_size: PositiveInt = 56
    slot: Literal["command", "color", "preposition", "letter", "digit", "adverb"] = "digit"
    """GRID: the spoken word that is the label."""
    span: Literal["word", "clip"] = "word"
    """GRID: the frames of that word only, or the whole clip."""
    csv: str | None = None
    """A table inside `folder` instead of class folders; the columns below name its parts."""
    file_column: str = "file"
    label_column: str = "label"
    split_column: str | None = None


Data = Annotated[ImageData | AudioData | PointData | VideoData, Field(discriminator="modality")]
