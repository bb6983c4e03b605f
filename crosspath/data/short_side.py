"""The short side to which pictures and films are resized before their centre square is cut."""

from crosspath.config.data import ImageData, VideoData
from crosspath.errors import InputError


def short_side(section: ImageData | VideoData) -> int:
    """`data.resize`, or `data.image_size` where that is not given.

    Raises
    ------
    InputError
        For a short side below the square's, which could not be cut out of it. Windows of pictures with masks may be
        larger than these: what they lack has no label.
    """
    size, short = section.image_size, section.resize or section.image_size
    if short < size and not section.annotated:
        todo = f"raise it (--set data.resize={size}), or lower data.image_size"
        raise InputError("data.resize", f"{size} or more, the side of data.image_size", str(short), todo)
    return short
