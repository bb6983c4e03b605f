"""Precomputed log-mel frames (`data.fbank_folder`): one `<stem>.npy` for each recording, read in its place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.data.arrays import load_array
from crosspath.data.items import DamageError, Listing, file_stamp
from crosspath.errors import InputError


def read_from_fbank(listing: Listing, folder: Path, skip_damaged: bool) -> Listing:
    """The same samples, read from `folder/<stem>.npy` instead of the recordings.

    Raises
    ------
    InputError
        For missing frames, unless `skip_damaged` skips them, and for two recordings with the same stem.
    """
    items, skipped_files = [], list(listing.skipped_files)
    first_items: dict[str, str] = {}
    for item in listing.items:
        path = folder / f"{item.path.stem}.npy"
        if path.name in first_items:
            found = f"{path.name} for {first_items[path.name]} and for {item.id}"
            todo = "leave data.fbank_folder out, or give the recordings different names"
            raise InputError(folder, "frames of one recording in each file", found, todo)
        first_items[path.name] = item.id
        try:
            items.append(replace(item, path=path, stamp=file_stamp(path)))
        except OSError:
            if not skip_damaged:
                todo = "compute them, or skip such recordings with --set data.skip_damaged=true"
                raise InputError(path, f"the frames of {item.id}", "none", todo) from None
            skipped_files.append((path, "it is missing"))
    return replace(listing, items=tuple(items), skipped_files=tuple(skipped_files))


def read_fbank(path: Path, mels: int) -> NDArray[np.float32]:
    """The frames (T, F) of one file, not normalised, of any length. Raises `DamageError`."""
    frames = load_array(path)
    if frames.dtype.kind not in "fiu":
        raise DamageError(f"expected numbers, found {frames.dtype}")
    if frames.ndim != 2 or frames.shape[1] != mels or not len(frames):
        raise DamageError(f"expected frames of {mels} mel bins (T, {mels}), found an array of shape {frames.shape}")
    if not np.isfinite(frames).all():
        raise DamageError("its values are not finite")
    return frames.astype(np.float32)
