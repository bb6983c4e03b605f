"""The table of verbs, and the exit codes: 0; 2, with one line, for invalid input; 130 when interrupted."""

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO

from cyclopts import App, CycloptsError
from cyclopts.exceptions import UnknownOptionError, UnusedCliTokensError

from crosspath.cli.baseline import baseline
from crosspath.cli.compare import compare
from crosspath.cli.convert import convert
from crosspath.cli.data import data
from crosspath.cli.demo import demo
from crosspath.cli.evaluate import evaluate
from crosspath.cli.export import export
from crosspath.cli.features import features
from crosspath.cli.fit import fit
from crosspath.cli.inspect import inspect
from crosspath.cli.match import match
from crosspath.cli.merge import merge
from crosspath.cli.predict import predict
from crosspath.cli.pretrain import pretrain
from crosspath.cli.rank import rank
from crosspath.cli.spelling import as_settings
from crosspath.cli.status import status
from crosspath.cli.study import report, study
from crosspath.cli.train import train
from crosspath.cli.verify import verify
from crosspath.errors import InputError, PathwayError
from crosspath.escape import to_terminal

VERBS: dict[str, Callable[..., None] | App] = {
    "try": fit,
    "demo": demo,
    "data": data,
    "pretrain": pretrain,
    "match": match,
    "rank": rank,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "features": features,
    "compare": compare,
    "baseline": baseline,
    "study": study,
    "report": report,
    "merge": merge,
    "status": status,
    "verify": verify,
    "inspect": inspect,
    "convert": convert,
    "export": export,
}


FIRST = "0"
"""The rank of the first process, as `torchrun` sets it; any other value is used unchanged."""
UNUSABLE = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENOTDIR})
"""What the system says of paths that users name, whatever is done with them."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What it says where nothing more can be written, to whichever library is writing."""
PATIENCE = 3.0
"""Seconds that the other processes wait before they report an error. If the first process failed too, `torchrun` has
stopped them by then, and the error is reported once."""


def build_app() -> App:
    """Build the application with every verb."""
    app = App(
        name="crosspath",
        help="Improve a model of one modality with the weights of a model trained on another modality.",
        help_format="markdown",
        version=_version,
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for order, (verb, command) in enumerate(VERBS.items()):
        if isinstance(command, App):  # a verb with subcommands
            command.sort_key = order
            app.command(command, name=verb)
        else:
            app.command(command, name=verb, sort_key=order)
    return app


def run(arguments: Sequence[str] | None = None) -> None:
    """The `crosspath` command: exits the process with the code of `main`."""
    sys.exit(main(sys.argv[1:] if arguments is None else arguments))


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an unexpected error keeps its traceback."""
    threading.excepthook = _show_error_of_thread
    # Of the processes of torchrun, only the first prints.
    rank = os.environ.get("RANK", FIRST)
    try:
        with nullcontext() if rank == FIRST else redirect_stdout(StringIO()):
            build_app()(list(arguments))
    except UnknownOptionError as error:
        from crosspath.cli.unknown_option import unknown_option_message

        return _print_error(unknown_option_message(error), rank)
    except UnusedCliTokensError as error:
        unused = " ".join(error.unused_tokens or ())
        verb = " ".join(error.command_chain or ())
        todo = f"leave it out, or write the option it belongs to before it (crosspath {verb} --help)"
        return _print_error(str(InputError(f"crosspath {verb}", "no further argument", repr(unused), todo)), rank)
    except PathwayError as error:
        return _print_error(as_settings(str(error)), rank)
    except (CycloptsError, InputError) as error:
        return _print_error(str(error), rank)
    except BrokenPipeError:
        # The reader of our output has closed it (`| head`).
        sys.stdout = None
        return 0
    except OSError as error:
        found = error.strerror or str(error.errno)
        if error.errno in FULL:
            todo = "make room, then repeat the command (a run or a study resumes)"
            full = InputError(error.filename or "the disk", "a place that can be written", found, todo)
            return _print_error(str(full), rank)
        if error.errno not in UNUSABLE or error.filename is None:
            raise
        unusable = InputError(error.filename, "a path that can be used", found, "choose another")
        return _print_error(str(unusable), rank)
    except KeyboardInterrupt:
        return 130
    return 0


def _show_error_of_thread(arguments: threading.ExceptHookArgs) -> None:
    """A full disk is reported once, by whoever waits for the thread."""
    if not (isinstance(arguments.exc_value, OSError) and arguments.exc_value.errno in FULL):
        threading.__excepthook__(arguments)


def _print_error(message: str, rank: str) -> int:
    """Print the message as one line on stderr, with the rank of a process other than the first."""
    if rank != FIRST:
        time.sleep(PATIENCE)
        message = f"process {rank}: {message}"
    lines = (line.strip() for line in message.splitlines())
    sys.stderr.write(to_terminal("; ".join(line for line in lines if line)) + "\n")
    return 2


def _version() -> str:
    from importlib.metadata import version

    return version("crosspath")
