"""Objects cut from lidar scans, all in one folder: `<frame>_<class>_<number>.bin`, such as `000003_Car_0.bin`.

So the tools of 3-D detection (OpenPCDet, mmdetection3d) write KITTI's objects, as `gt_database` or
`kitti_gt_database`. Their lists are pickles, which are neither read nor needed.
"""

import hashlib
import re
from pathlib import Path

from crosspath.counts import quantity
from crosspath.data.folder_tree import is_hidden
from crosspath.data.items import Item, Listing, Part, file_stamp

NAME = re.compile(r"(?P<frame>\d+)_(?P<label>[A-Za-z][A-Za-z_-]*)_\d+\.bin")
SHARES: tuple[tuple[Part, float], ...] = (("test", 0.2), ("val", 0.1))
"""Of the frames."""


def has_objects(folder: Path) -> bool:
    """Whether a folder holds objects by these names and no folders."""
    if not folder.is_dir():
        return False
    entries = [path for path in folder.iterdir() if not is_hidden([path.name])]
    return any(NAME.fullmatch(path.name) for path in entries) and not any(path.is_dir() for path in entries)


def list_objects(folder: Path) -> Listing:
    """Every object of `folder`, classes in the order of their names.

    Objects of one frame are in one part, since neighbours share noise and ground: a frame's part follows from a
    hash of its number, a fifth of the frames for test and a tenth for validation.
    """
    names, unread = [], 0
    for path in sorted(path for path in folder.iterdir() if not is_hidden([path.name])):
        parts = NAME.fullmatch(path.name)
        if parts is None:
            unread += 1
        else:
            names.append((path, parts["frame"], parts["label"]))
    classes = sorted({label for _, _, label in names})
    items = tuple(
        Item(id=path.name, label=classes.index(label), part=_part(frame), path=path, stamp=file_stamp(path))
        for path, frame, label in names
    )
    frames = quantity(len({frame for _, frame, _ in names}), "frame")
    note = f"{quantity(len(items), 'object')} of {frames}, by name; a frame is in one part"
    return Listing(tuple(classes), items, unread=(("other names", unread),) if unread else (), notes=(note,))


def _part(frame: str) -> Part:
    share = int.from_bytes(hashlib.sha256(frame.encode()).digest()[:8], "big") / 2**64
    for part, size in SHARES:
        if share < size:
            return part
        share -= size
    return "train"
