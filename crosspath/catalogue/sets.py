"""The table of published sets."""

from crosspath.catalogue.image_audio import AUDIO, IMAGE
from crosspath.catalogue.point_video import POINT, VIDEO
from crosspath.catalogue.published_set import PublishedSet
from crosspath.catalogue.texts import TEXT
from crosspath.catalogue.time_series import SERIES
from crosspath.errors import InputError, suggest

_ALL = (*IMAGE, *AUDIO, *POINT, *VIDEO, *SERIES, *TEXT)
PUBLISHED_SETS: dict[str, PublishedSet] = {entry.name: entry for entry in _ALL}
"""By name, in the order of `crosspath data list`."""


def find_set(name: str) -> PublishedSet:
    """A set by its name, a value of `data.dataset` for it, or its folder.

    Raises
    ------
    InputError
        For any other name, with the most similar one.
    """
    for entry in PUBLISHED_SETS.values():
        if name in (entry.name, entry.folder, *entry.datasets):
            return entry
    todo = suggest(name, PUBLISHED_SETS, "see `crosspath data list`", cutoff=0.5)
    raise InputError("NAME", f"one of {', '.join(PUBLISHED_SETS)}", repr(name), todo)
