"""Time series: signals of one or several channels (C, T), such as currents, vibrations, EEG, ECG or spectra."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosspath.config.augment import SeriesAugment
from crosspath.config.data import SeriesData
from crosspath.config.model import SeriesPatches
from crosspath.config.shipped import SERIES as SECTIONS
from crosspath.counts import quantity
from crosspath.data.cache import Store
from crosspath.data.examples import Examples
from crosspath.data.generated.sets import GeneratedSamples, machines
from crosspath.data.places import SERIES_SETS
from crosspath.data.readers.series import ARRAYS, CONTAINERS, EDF, SUFFIXES, WFDB, SeriesReader
from crosspath.data.readers.series_columns import PARQUET, TEXTS
from crosspath.data.readers.series_sets import is_archive
from crosspath.data.readers.series_values import scale
from crosspath.data.views.augment_series import augment_series
from crosspath.data.views.normalise import Scaling
from crosspath.errors import InputError
from crosspath.modalities.modality import Export, Modality, Picture
from crosspath.modalities.series_baseline import MINIROCKET
from crosspath.pictures.signals import curves
from crosspath.recipes import series
from crosspath.tokenizers import SeriesTokenizer
from crosspath.tokenizers.patches import PositionKind

DIGITS = 6
"""Significant digits of a mean or deviation: enough for any signal, and readable in a recipe."""
AT_ONCE = 256
"""Samples that are read at a time."""
TABLES = (*TEXTS, PARQUET)
OF_KINDS = {
    "array": (".npz",),
    "axes": ARRAYS,
    "columns": TABLES,
    "time_column": TABLES,
    "channel_names": (*TABLES, WFDB, *EDF),
}
"""Settings that say how one file with a series is read, and of which files."""
MOST_CHANNELS = 8
"""Channels in a picture, at most."""


def channels_of(data: SeriesData) -> int:
    """The number of channels. Raises `InputError` where it is not known yet."""
    if data.channels is None:
        todo = "name the folder with --set data.folder=DIR, whose first file has them, or set data.channels"
        raise InputError("data.channels", "the number of channels", "none", todo)
    return data.channels


def _tokenizer(section: SeriesPatches, data: SeriesData, width: int, positions: PositionKind) -> SeriesTokenizer:
    channels = channels_of(data)
    group = section.channels_per_group or channels
    return SeriesTokenizer(channels, data.length, group, section.patch, width, positions=positions)


def _sample_shape(data: SeriesData) -> tuple[int, ...]:
    return (channels_of(data), data.length)


def _inspect(data: SeriesData) -> SeriesData:
    """With the channels of the first file that can be read, and their names."""
    if data.folder is None or (data.channels is not None and data.channel_names is not None):
        _require_names_of_all(data, data.channels)
        return data
    signal = SeriesReader(data).first_signal(data.folder)
    if signal is None:
        return data
    channels, names = data.channels or len(signal.values_CT), data.channel_names or signal.names or None
    _require_names_of_all(data, channels)
    return data.model_copy(update={"channels": channels, "channel_names": names})


def _require_names_of_all(data: SeriesData, channels: int | None) -> None:
    if channels is not None and data.channel_names is not None and len(data.channel_names) != channels:
        found = f"{len(data.channel_names)} for {quantity(channels, 'channel')}"
        raise InputError("data.channel_names", "a name for each channel", found, "name all, in their order")


def _select(data: SeriesData, store: Store, parts: NDArray[np.str_]) -> tuple[Store, NDArray[np.str_], Sequence[str]]:
    """The set as it is, and which settings of files none of its files reads."""
    if data.dataset != "folder" or data.table is not None or data.memory is not None:
        return store, parts, ()
    suffixes = {Path(name).suffix.lower() for name in store.ids}
    return (
        store,
        parts,
        [
            f"data.{name} is not read: it is for {', '.join(kinds)} files"
            for name, kinds in OF_KINDS.items()
            if getattr(data, name) is not None and not suffixes & {*kinds}
        ],
    )


def _machines(data: SeriesData) -> GeneratedSamples:
    """Generated signals, scaled as the reader scales those of files."""
    samples = machines(data)
    if data.scaling != "series":
        return samples
    signals_NCT = samples.inputs
    scaled_NCT = scale(signals_NCT.reshape(-1, data.length).astype(np.float64)).reshape(signals_NCT.shape)
    return samples._replace(inputs=scaled_NCT.astype(np.float32))


def _calibrate(data: SeriesData, examples: Examples) -> SeriesData:
    """With the mean and the standard deviation of each channel over all values of the training samples.

    A channel that never changes is divided by 1.
    """
    channels = data.channels or int(examples.inputs.shape[1])
    data = data.model_copy(update={"channels": channels})
    if data.scaling != "training" or (data.mean is not None and data.std is not None):
        return data
    starts = range(0, len(examples), AT_ONCE)

    def over_all(of: Any) -> NDArray[np.float64]:
        parts = (np.asarray(examples.inputs[start : start + AT_ONCE], np.float64) for start in starts)
        total: NDArray[np.float64] = sum((of(part).sum(axis=(0, 2)) for part in parts), np.zeros(channels))
        return total / (len(examples) * data.length)

    mean_C = over_all(lambda part: part)
    deviation_C = np.sqrt(over_all(lambda part: (part - mean_C[:, None]) ** 2))
    # What float32 leaves of a constant is rounding.
    deviation_C = np.where(deviation_C > 1e-6 * np.abs(mean_C), deviation_C, 1.0)
    mean, std = (tuple(float(f"{value:.{DIGITS}g}") for value in values) for values in (mean_C, deviation_C))
    return data.model_copy(update={"mean": mean, "std": std})


def _scaling(data: SeriesData) -> Scaling | None:
    """(x - mean) / std of each channel."""
    if data.scaling != "training":
        return None
    if data.mean is None or data.std is None:
        todo = "take the recipe of a run, which has them, or set data.mean and data.std"
        raise InputError("data.mean", "the mean of each channel over the training samples", "none", todo)
    return Scaling(factor=data.std, shift=data.mean)


def _draw(axes: Any, series_CT: NDArray[Any], original_CT: NDArray[Any], data: SeriesData) -> None:
    """The channels one above the other, each over the range of the original; what is hidden (NaN) leaves a gap."""
    values_CT, whole_CT = (values.reshape(-1, values.shape[-1])[:MOST_CHANNELS] for values in (series_CT, original_CT))
    low_C1, high_C1 = (limit(whole_CT, axis=1)[:, None] for limit in (np.nanmin, np.nanmax))
    heights_CT = (values_CT - low_C1) / np.maximum(high_C1 - low_C1, 1e-12)
    for channel, height_T in enumerate(heights_CT):
        axes.plot(height_T - 1.1 * channel, linewidth=0.8, color=f"C{channel}")
    axes.set_xlim(0, values_CT.shape[1] - 1)
    axes.set_ylim(-1.1 * len(heights_CT) + 0.8, 1.3)
    axes.set_yticks([])
    # Stretched over the whole length, values have no rate in common.
    has_rate = data.rate_hz is not None and data.lengths == "pad"
    axes.set_xlabel(f"value at {data.rate_hz:g} Hz" if has_rate else "value", fontsize=8)


def _pixels(series_CT: NDArray[Any], data: SeriesData) -> NDArray[np.uint8]:
    return curves(series_CT.reshape(-1, series_CT.shape[-1])[:MOST_CHANNELS])


def _raw(data: SeriesData, values: Tensor) -> Tensor:
    scaling = _scaling(data)
    if scaling is None:
        return values
    factor, shift = scaling.tensors(values.ndim)
    return values * factor + shift


def _expected(data: SeriesData) -> str:
    rate = "" if data.rate_hz is None else f", at {data.rate_hz:g} Hz"
    own = ", each channel less its own mean and divided by its own deviation" if data.scaling == "series" else ""
    how = {
        "resample": "then resampled to" if rate else "resampled to",
        "pad": "cut to, or filled with its last value up to,",
    }[data.lengths]
    return f"{channels_of(data)} channels without gaps{rate}, {how} {data.length} values{own}"


def _normalisation(data: SeriesData) -> str:
    if data.scaling != "training":
        return "none"
    return f"(x - {list(data.mean or ())}) / {list(data.std or ())}, by channel"


SERIES = Modality[SeriesData, SeriesAugment, SeriesPatches](
    sections=SECTIONS,
    suffixes=SUFFIXES,
    containers=CONTAINERS,
    content="time series",
    sets=SERIES_SETS,
    generated={"machines": _machines},
    reader=SeriesReader,
    claims=is_archive,
    inspect=_inspect,
    calibrate=_calibrate,
    calibration=("channels", "channel_names", "mean", "std"),
    select=_select,
    sample_shape=_sample_shape,
    scaling=_scaling,
    tokenizer=_tokenizer,
    augment=augment_series,
    picture=Picture(draw=_draw, width=4.0, pixels=_pixels),
    baseline=MINIROCKET,
    export=Export(
        axes=("channel", "time"), dtype=torch.float32, raw=_raw, expected=_expected, normalisation=_normalisation
    ),
    recipes=series.RECIPES,
    pretraining=series.PRETRAINING,
)
