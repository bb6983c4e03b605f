"""What an error is in one line, where its user can do something about it."""

import errno
import re

from cyclopts import CycloptsError
from cyclopts.exceptions import UnknownOptionError, UnusedCliTokensError

from crosspath.cli.spelling import as_settings
from crosspath.errors import InputError, PathwayError

UNUSABLE = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR})
"""What the system says of paths that users name, whatever is done with them."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What it says where nothing more can be written, to whichever library is writing."""
OUT_OF_MEMORY = re.compile(r"DefaultCPUAllocator|out of memory")
"""In torch's errors, which are of no class of their own on a processor."""
REQUEST = re.compile(r"\d[\d.]* ?(?:bytes|[KMGTPE]iB)")


def line_of(error: Exception) -> str | None:
    """The line; None for an error that is a fault of the program, which keeps its traceback."""
    if isinstance(error, UnknownOptionError):
        from crosspath.cli.unknown_option import unknown_option_message

        return unknown_option_message(error)
    if isinstance(error, UnusedCliTokensError):
        arguments = " ".join(error.unused_tokens or ())
        verb = " ".join(error.command_chain or ())
        todo = f"leave it out, or write the option it belongs to before it (crosspath {verb} --help)"
        return str(InputError(f"crosspath {verb}", "no further argument", repr(arguments), todo))
    if isinstance(error, PathwayError):
        return as_settings(str(error))
    if isinstance(error, CycloptsError | InputError):
        return str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(str(error))):
        return str(_memory_error(error))
    return None if not isinstance(error, OSError) else _line_of_system(error)


def is_full(error: BaseException | None) -> bool:
    """Whether nothing more can be written."""
    return isinstance(error, OSError) and error.errno in FULL


def _memory_error(error: Exception) -> InputError:
    """More memory than the machine or the GPU has."""
    request = REQUEST.search(str(error))
    found = "a request that the system refuses" if request is None else f"a request for {request[0]} more"
    todo = "lower train.batch_size or evaluate.batch_size, raise train.accumulate, or lower sizes in data and model"
    return InputError("memory", "room for what the command computes with", found, todo)


def _line_of_system(error: OSError) -> str | None:
    found = error.strerror or str(error.errno)
    if is_full(error):
        todo = "make room, then repeat the command (a run or a study resumes)"
        return str(InputError(error.filename or "the disk", "a place that can be written", found, todo))
    if error.errno not in UNUSABLE or error.filename is None:
        return None
    return str(InputError(error.filename, "a path that can be used", found, "choose another"))
