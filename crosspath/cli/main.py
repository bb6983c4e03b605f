"""The table of verbs, and the exit codes: 0; 2, with one line, for invalid input; 130 when interrupted."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO

from cyclopts import App

from crosspath.cli.baseline import baseline
from crosspath.cli.compare import compare
from crosspath.cli.convert import convert
from crosspath.cli.data import data
from crosspath.cli.demo import demo
from crosspath.cli.error_lines import is_full, line_of
from crosspath.cli.evaluate import evaluate
from crosspath.cli.export import export
from crosspath.cli.features import features
from crosspath.cli.fit import fit
from crosspath.cli.inspect import inspect
from crosspath.cli.match import match
from crosspath.cli.merge import merge
from crosspath.cli.output import FIRST, rank_of_process
from crosspath.cli.predict import predict
from crosspath.cli.pretrain import pretrain
from crosspath.cli.rank import rank
from crosspath.cli.status import status
from crosspath.cli.study import report, study
from crosspath.cli.train import train
from crosspath.cli.verify import verify
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
    rank = rank_of_process()
    try:
        with nullcontext() if rank == FIRST else redirect_stdout(StringIO()):
            build_app()(list(arguments))
    except BrokenPipeError:
        # The reader of our output has closed it (`| head`).
        sys.stdout = None
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        line = line_of(error)
        if line is None:
            raise
        return _print_error(line, rank)
    return 0


def _show_error_of_thread(arguments: threading.ExceptHookArgs) -> None:
    """A full disk is reported once, by whoever waits for the thread."""
    if not is_full(arguments.exc_value):
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
