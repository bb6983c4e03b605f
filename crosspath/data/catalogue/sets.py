"""The table of known data sets, and how one is found by its name."""

from difflib import get_close_matches

from crosspath.data.catalogue.image_audio import AUDIO, IMAGE
from crosspath.data.catalogue.known_set import KnownSet
from crosspath.data.catalogue.point_video import POINT, VIDEO
from crosspath.errors import InputError

KNOWN: dict[str, KnownSet] = {known.name: known for known in (*IMAGE, *AUDIO, *POINT, *VIDEO)}
"""By name, in the order in which they are listed."""


def known_set(name: str) -> KnownSet:
    """A set by its name, by a `data.dataset` value that reads it, or by its folder.

    Raises
    ------
    InputError
        For any other name, with the nearest one.
    """
    for known in KNOWN.values():
        if name in (known.name, known.folder, *known.datasets):
            return known
    near = get_close_matches(name, KNOWN, n=1, cutoff=0.5)
    todo = f"did you mean {near[0]}?" if near else "see `crosspath data list`"
    raise InputError("NAME", f"one of {', '.join(KNOWN)}", repr(name), todo)
