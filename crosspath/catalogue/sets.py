"""The table of known data sets, and how one is found by its name."""

from difflib import get_close_matches

from crosspath.catalogue.image_audio import AUDIO, IMAGE
from crosspath.catalogue.point_video import POINT, VIDEO
from crosspath.catalogue.published_set import PublishedSet
from crosspath.errors import InputError

PUBLISHED_SETS: dict[str, PublishedSet] = {known.name: known for known in (*IMAGE, *AUDIO, *POINT, *VIDEO)}
"""By name, in the order in which they are listed."""


def find_set(name: str) -> PublishedSet:
    """A set by its name, by a `data.dataset` value that reads it, or by its folder.

    Raises
    ------
    InputError
        For any other name, with the nearest one.
    """
    for known in PUBLISHED_SETS.values():
        if name in (known.name, known.folder, *known.datasets):
            return known
    near = get_close_matches(name, PUBLISHED_SETS, n=1, cutoff=0.5)
    todo = f"did you mean {near[0]}?" if near else "see `crosspath data list`"
    raise InputError("NAME", f"one of {', '.join(PUBLISHED_SETS)}", repr(name), todo)
