"""The `data` section: which files become samples, and what one sample looks like. One class a modality.

`digits` (scikit-learn's handwritten digits) and the generated sets (`crosspath.data.generated`) need no files.
"""

from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from crosspath.config.data.audio import AudioData
from crosspath.config.data.files_table import FilesTable
from crosspath.config.data.image import ImageData
from crosspath.config.data.point import PointData
from crosspath.config.data.section import DataSection
from crosspath.config.data.series import SeriesData
from crosspath.config.data.text import TextData
from crosspath.config.data.video import VideoData
from crosspath.config.kinds import typed_data

Data = Annotated[SerializeAsAny[DataSection], BeforeValidator(typed_data)]
"""Of the class that its `modality` names."""

__all__ = [
    "AudioData",
    "Data",
    "DataSection",
    "FilesTable",
    "ImageData",
    "PointData",
    "SeriesData",
    "TextData",
    "VideoData",
]
