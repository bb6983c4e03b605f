"""The verb table, and how every command ends: 0, 2 and one line for what the user can mend, 130 when interrupted."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from io import StringIO

from cyclopts import App, CycloptsError

from crosspath.cli.compare import compare
from crosspath.cli.convert import convert
from crosspath.cli.data import data
from crosspath.cli.demo import demo
from crosspath.cli.evaluate import evaluate
from crosspath.cli.export import export
from crosspath.cli.inspect import inspect
from crosspath.cli.merge import merge
from crosspath.cli.predict import predict
from crosspath.cli.pretrain import pretrain
from crosspath.cli.status import status
from crosspath.cli.study import report, study
from crosspath.cli.train import train
from crosspath.cli.verify import verify
from crosspath.errors import InputError

VERBS: dict[str, Callable[..., None] | App] = {
    "demo": demo,
    "data": data,
    "pretrain": pretrain,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "compare": compare,
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
"""The rank of the first process, as `torchrun` writes it; a value of another tool's is not looked into."""
PATIENCE = 3.0
"""Seconds that a process which is not the first waits before it says why it ends: where the first ends as well,
`torchrun` has ended this one by then, and the reason stands there once."""


def build_app() -> App:
    """The application with every verb."""
    app = App(
        name="crosspath",
        help="Make a network for one modality better with the weights of a network trained on another one.",
        help_format="markdown",
        version=_version,
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for place, (verb, command) in enumerate(VERBS.items()):
        if isinstance(command, App):  # a verb with verbs of its own
            command.sort_key = place
            app.command(command, name=verb)
        else:
            app.command(command, name=verb, sort_key=place)
    return app


def run(arguments: Sequence[str] | None = None) -> None:
    """The `crosspath` command. Ends the process with the command's code."""
    sys.exit(main(sys.argv[1:] if arguments is None else arguments))


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an unforeseen error keeps its traceback."""
    # Of several processes, which torchrun numbers, the first speaks for all.
    rank = os.environ.get("RANK", FIRST)
    try:
        with nullcontext() if rank == FIRST else redirect_stdout(StringIO()):
            build_app()(list(arguments))
    except (CycloptsError, InputError) as error:
        return _refuse(str(error), rank)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has closed it (`| head`): nothing is left to say.
        sys.stdout = None
        return 0
    return 0


def _refuse(message: str, rank: str) -> int:
    """One line on stderr, however many the message has; what happened to another process than the first, it says."""
    if rank != FIRST:
        time.sleep(PATIENCE)
        message = f"process {rank}: {message}"
    lines = (line.strip() for line in message.splitlines())
    sys.stderr.write("; ".join(line for line in lines if line) + "\n")
    return 2


def _version() -> str:
    from importlib.metadata import version

    return version("crosspath")
