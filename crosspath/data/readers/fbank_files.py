"""Log-mel frames that were computed elsewhere: one `<stem>.npy` a recording, read in the recording's place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosspath.data.items import DamageError, Listing, file_stamp
from crosspath.errors import InputError


def read_from_fbank(listing: Listing, folder: Path, skip_damaged: bool) -> Listing:
    """The same samples, read from `folder/<stem>.npy` instead of the recordings.

    Raises
    ------
    InputError
        For frames that are missing, unless `skip_damaged` leaves them out; and for two recordings of one stem, which
        would get the same frames.
    """
    items, skipped = [], list(listing.skipped)
    taken: dict[str, str] = {}
    for item in listing.items:
        path = folder / f"{item.path.stem}.npy"
        if path.name in taken:
            found = f"{path.name} for {taken[path.name]} and for {item.id}"
            todo = "leave data.fbank_folder out, or give the recordings names of their own"
            raise InputError(folder, "frames of one recording in each file", found, todo)
        taken[path.name] = item.id
        try:
            items.append(replace(item, path=path, stamp=file_stamp(path)))
        except OSError:
            if not skip_damaged:
                todo = "compute them, or leave such recordings out with --set data.skip_damaged=true"
                raise InputError(path, f"the frames of {item.id}", "none", todo) from None
            skipped.append((path, "it is missing"))
    return Listing(listing.classes, tuple(items), tuple(skipped))


def read_fbank(path: Path, mels: int) -> NDArray[np.float32]:
    """The frames (T, F) of one file, not normalised, of any length. Raises `DamageError`."""
    try:
        frames = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header raises a wide range of types
        raise DamageError(f"the array cannot be read ({error})".replace("\n", " ")) from None
    if not isinstance(frames, np.ndarray) or frames.dtype.kind not in "fiu":
        raise DamageError("expected one array of numbers")
    if frames.ndim != 2 or frames.shape[1] != mels or not len(frames):
        raise DamageError(f"expected frames of {mels} mel bins (T, {mels}), found an array of shape {frames.shape}")
    if not np.isfinite(frames).all():
        raise DamageError("its values are not finite")
    return frames.astype(np.float32)
