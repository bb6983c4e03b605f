"""One bar over all runs of a study: which run, its loss, how far, how long still."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn


@dataclass(frozen=True)
class Overall:
    """Shows the bar on a terminal, else one line a finished run; silent without a console."""

    console: Console | None
    bar: Progress | None = None
    task: TaskID | None = None

    def run(self, label: str, work_per_step: float) -> "RunProgress":
        """The listener of one run, whose every step is `work_per_step` of the whole."""
        return RunProgress(self, label, work_per_step)

    def show(self, label: str, detail: str = "", work: float = 0.0) -> None:
        """Say what is going on, and that `work` more of the whole is done."""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=work, description=label, shown=detail)

    def finished(self, text: str) -> None:
        """One line for good; on a terminal it stands above the bar."""
        if self.console is not None:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class RunProgress:
    """What one run tells, passed on to the bar over all of them; see `crosspath.training.progress.Listener`."""

    overall: Overall
    label: str
    work_per_step: float

    def say(self, text: str) -> None:
        """Nothing: what a run notes stands in its result."""

    def preparing(self, done: int, total: int) -> None:
        """The data of this run are being read."""
        self.overall.show(self.label, "reading data")

    def training(self, total: int, done: int) -> None:
        """The steps of this run begin."""
        self.overall.show(self.label)

    def step(self, loss: float, samples_per_s: float) -> None:
        """One step is done."""
        self.overall.show(self.label, f"loss {loss:.3f}", self.work_per_step)

    def epoch(self, epoch: int, epochs: int, loss: float, metrics: Mapping[str, float], samples_per_s: float) -> None:
        """Nothing more than the bar shows."""


@contextmanager
def overall_progress(show: bool, work: float) -> Iterator[Overall]:
    """A bar on stderr over `work` units; silent unless `show`."""
    if not show:
        yield Overall(None)
        return
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield Overall(console)
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[shown]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        yield Overall(console, bar, bar.add_task("preparing", total=work, shown=""))
