"""Recognises a pickle by its bytes and by its name, and refuses it. A pickle is a program: none is opened here.

A safetensors file begins with the length of its header, eight bytes, then `{`. Some lengths look like the beginning of
a pickle (0x0280 is the mark of protocol 2), so safetensors are recognised first. Such a file is read as safetensors
only, whatever else it may be.
"""

import io
import pickletools
from pathlib import Path

from crosspath.errors import InputError
from crosspath.formats import foreign_format

SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".th", ".tar"})
"""Of files that are usually pickles."""
LONGEST_HEADER = 100_000_000
"""Bytes, as safetensors allows."""
ZIP = b"PK\x03\x04"
LOOK = 1 << 20
"""Bytes of a file that are read to tell whether it is a pickle."""
CHANCE = 100
"""Opcodes that other files may begin with by chance."""
FIRST = frozenset(
    opcode.code.encode("latin-1")
    for opcode in pickletools.opcodes
    if not opcode.stack_before and opcode.name not in {"STOP", "POP"}
)
"""Opcodes with which a pickle can begin: those that need nothing on the stack."""


def refuse_pickle(path: Path) -> None:
    """Raise `InputError` for a file whose bytes or name are a pickle's or another library's, without opening it."""
    require_file(path, "a safetensors file")
    foreign = foreign_format(path)
    if foreign is not None:
        name, instead = foreign
        raise InputError(path, "a safetensors file", f"one of {name}", f"pass {instead}, or its model.safetensors")
    if is_misnamed(path):
        found = f"the name of a pickle ({path.suffix}) on safetensors"
        raise InputError(path, "a .safetensors file", found, "rename it to .safetensors")
    sign = pickle_sign(path)
    if sign is not None:
        raise InputError(
            path,
            "a safetensors file",
            f"a pickle ({sign}), which can run code when opened",
            "look at it with `crosspath inspect` and translate it with `crosspath convert`",
        )


def require_file(path: Path, expected: str) -> None:
    """Raise `InputError` for a pipe, a socket or a device, at which a reader would wait."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(path, expected, "a pipe or a device", "name a file")


def pickle_sign(path: Path) -> str | None:
    """What marks a file as a pickle (`its first bytes`, else its suffix); None where nothing does."""
    head = _head(path)
    if is_safetensors(head):
        return None
    if head.startswith(ZIP) or is_pickle(path):
        return "its first bytes"
    return path.suffix if path.suffix in SUFFIXES else None


def is_misnamed(path: Path) -> bool:
    """Whether a file is safetensors under a pickle's name: a reader that goes by names would unpickle it."""
    return path.suffix in SUFFIXES and is_safetensors(_head(path))


def is_pickle(path: Path) -> bool:
    """Whether a file's bytes are a bare pickle, complete or cut short."""
    head = _head(path)
    return not is_safetensors(head) and (_begins(head) or _parses(path, head))


def is_safetensors(head: bytes) -> bool:
    """Whether a file's first bytes are those of safetensors."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= LONGEST_HEADER


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def _begins(head: bytes) -> bool:
    """The beginnings that torch and Python write: a protocol's mark, a container, a mark, a class."""
    if head[:1] == b"\x80":
        return len(head) > 1 and head[1] in range(1, 6)
    return head[:1] in (b"(", b"c", b"]", b"}", b")")


def _parses(path: Path, head: bytes) -> bool:
    """Whether the file is opcodes up to the one that ends a pickle, or as far as `LOOK` goes."""
    if head[:1] not in FIRST:
        return False
    count = 0
    try:
        with path.open("rb") as file:
            content = io.BytesIO(file.read(LOOK))
        for opcode, _, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return True
            count += 1
    except (OSError, ValueError, OverflowError, MemoryError):
        # The last opcode of a longer file is cut off.
        return count > CHANCE and content.tell() == LOOK
    return False
