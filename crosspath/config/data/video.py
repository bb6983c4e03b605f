"""Films: the `data` section."""

from typing import Literal

from pydantic import PositiveInt

from crosspath.config.data.files_table import FilesTable
from crosspath.config.data.section import Channels, PositiveChannels


class VideoData(FilesTable):
    """Clips: frames spread evenly over the chosen range, resized and centre-cropped to a square."""

    modality: Literal["video"] = "video"
    dataset: Literal["grid", "k400", "ssv2", "ucf101", "hmdb51", "shards", "folder"] = "folder"
    frames: PositiveInt = 8
    image_size: PositiveInt = 56
    resize: PositiveInt | None = None
    """Short side before the crop of held-out clips; `image_size` or more, and that when not given."""
    mean: Channels = (0.5, 0.5, 0.5)
    """Subtracted from values in [0, 1]; the sum is divided by `std`. The defaults give [-1, 1]."""
    std: PositiveChannels = (0.5, 0.5, 0.5)
    sampling: Literal["spread", "dense", "uniform"] = "spread"
    """`spread`: frames evenly over the whole range. Published: `dense`, frames `frame_step` apart in a window at a
    random place of training clips; `uniform`, one frame at a random place of each of `frames` equal segments."""
    frame_step: PositiveInt = 4
    """`dense` sampling: frames from one sampled frame to the next."""
    slot: Literal["command", "color", "preposition", "letter", "digit", "adverb"] = "digit"
    """GRID: the spoken word that is the label."""
    span: Literal["word", "clip"] = "word"
    """GRID: the frames of that word only, or the whole clip."""

    @property
    def sample_axes(self) -> tuple[int | str, ...]:
        """See `DataSection`."""
        return (3, "frames", "image_size", "image_size")
