"""A record of the checkpoints that this user's own commands wrote on this machine; only these may refer to paths
outside their folder.

A list of digests in the user's state folder (`CROSSPATH_STATE`): a file from elsewhere cannot be on it, and one that
was moved still is.
"""

import os
from contextlib import suppress
from pathlib import Path

from crosspath.files import sha256_of_file

LIST = "own"


def remember(path: Path) -> None:
    """Note that this user's command wrote the file. If the note cannot be written, later commands ask the user to name
    the paths in it."""
    with suppress(OSError):
        file = _list()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="ascii") as lines:
            lines.write(sha256_of_file(path) + "\n")


def is_own(path: Path) -> bool:
    """Whether this user's command wrote a file with these bytes."""
    try:
        return path.is_file() and sha256_of_file(path) in _list().read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return False


def is_inside(path: str | Path, folder: Path) -> bool:
    """Whether a path, taken from a file in `folder`, stays in it: links are followed."""
    return (folder / path).resolve().is_relative_to(folder.resolve())


def _list() -> Path:
    if "CROSSPATH_STATE" in os.environ:
        return Path(os.environ["CROSSPATH_STATE"]) / LIST
    from platformdirs import user_state_path

    return user_state_path("crosspath") / LIST
