"""Time series: the `data` section."""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from crosspath.config.data.files_table import FilesTable


class SeriesData(FilesTable):
    """Time series: signals of one or several channels, brought to one length."""

    modality: Literal["series"] = "series"
    dataset: Literal["plaid", "vowels", "motions", "machines", "folder"] = "folder"
    channels: PositiveInt | None = None
    """Of every series; that of the first file of the user's own data when not given."""
    channel_names: tuple[str, ...] | None = None
    """Of files that name their channels: the order into which each is brought; that of the first one of the user's own
    data when not given. Files that name others are read by place."""
    length: PositiveInt = 256
    """Values of each channel that the model sees."""
    lengths: Literal["resample", "pad"] = "resample"
    """How a series of another length gets there. `resample`: stretched or averaged over its whole length. `pad`: cut at
    the end, or its last value repeated, so that a value lasts as long in every series."""
    rate_hz: PositiveFloat | None = None
    """Every series is resampled to this rate before its length is matched."""
    file_rate_hz: PositiveFloat | None = None
    """With `rate_hz`: the rate of files that do not state theirs."""
    scaling: Literal["training", "series", "none"] = "training"
    """What is subtracted and divided by: `mean` and `std`; each series' own, channel by channel; or nothing."""
    mean: tuple[float, ...] | None = None
    """Of each channel; that of the run's training samples when not given, and then written into its recipe."""
    std: tuple[PositiveFloat, ...] | None = None
    """As `mean`."""
    axes: Literal["channel,time", "time,channel"] | None = None
    """Of arrays; the longer axis is time when not given, and one that could be either is refused."""
    array: str | None = None
    """Which array of an `.npz` file holds the signal, where there are several."""
    columns: tuple[str, ...] | None = None
    """Of csv and parquet files: the channels, in order; all columns that no other setting names when not given."""
    time_column: str | None = None
    """Seconds or dates in ascending order, from which the rate follows; a column called time, timestamp, date or t when
    not given. Never a channel."""
    table: str | None = None
    """A csv, parquet or npz file inside `folder` with all series, instead of one file a series. Of a csv or parquet
    a row is a series; with `id_column` a row is a moment. The columns of labels and parts are in it; `csv`, which lists
    files, is refused beside it."""
    id_column: str | None = None
    """Of `table`: which series a row belongs to."""

    @property
    def sample_axes(self) -> tuple[int | str, ...]:
        """See `DataSection`."""
        return ("channels", "length")
