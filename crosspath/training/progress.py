"""Progress on stderr: one bar on a terminal, for a run, a study or a download; plain lines elsewhere."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from crosspath.escape import to_terminal
from crosspath.metrics import metric_of, plain_text


class Listener(Protocol):
    """Follows a run. The methods are called in this order, on a terminal or without one."""

    def say(self, text: str) -> None:
        """Show one line."""

    def preparing(self, count: int, total: int) -> None:
        """`count` of `total` files are decoded."""

    def training(self, total: int, count: int) -> None:
        """Training begins and takes `total` steps; a resumed run has taken `count` of them before."""

    def step(self, loss: float, samples_per_s: float) -> None:
        """One step is done."""

    def epoch(self, epoch: int, epochs: int, loss: float, metrics: Mapping[str, float], samples_per_s: float) -> None:
        """Epoch number `epoch`, from 1, is done; `metrics` are the validation part's, empty without a validation."""


@dataclass(frozen=True)
class Bar:
    """The bar itself, and the lines above it. Only lines appear where stderr is not a terminal."""

    console: Console
    progress: Progress
    task: TaskID

    @property
    def label(self) -> str:
        """What is in progress."""
        return self.progress.tasks[self.task].description

    def line(self, text: str) -> None:
        """Print one line, above the bar where there is one."""
        self.console.print(to_terminal(text), highlight=False, markup=False, soft_wrap=True)

    def count(self, label: str, count: int, total: int | None) -> None:
        """Show `count` of `total`; a new label starts the clock again."""
        label = escape(to_terminal(label))
        if label != self.label:
            self.progress.reset(self.task, description=label, detail="")
        self.progress.update(self.task, completed=count, total=total)

    def advance(self, amount: float, label: str, detail: str = "") -> None:
        """Add `amount` to what is done, and show `detail` beside the bar."""
        self.progress.update(self.task, advance=amount, description=escape(to_terminal(label)), detail=detail)

    def expect(self, total: float) -> None:
        """Set what there is to do in all."""
        self.progress.update(self.task, total=total)


def make_bar(show: bool, total: float | None = None) -> Bar:
    """A bar over `total` units, not yet on the screen; silent unless `show`."""
    console = Console(file=sys.stderr, quiet=not show)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not show or not console.is_terminal,
    )
    return Bar(console, progress, progress.add_task("preparing", total=total, detail=""))


@contextmanager
def open_bar(show: bool = True, total: float | None = None) -> Iterator[Bar]:
    """A bar that is on the screen inside the block."""
    bar = make_bar(show, total)
    with bar.progress:
        yield bar


@dataclass(frozen=True)
class Reporter:
    """The listener that shows one run: its loss, speed and time left, and a line an epoch."""

    bar: Bar

    def say(self, text: str) -> None:
        self.bar.line(text)

    def preparing(self, count: int, total: int) -> None:
        self.bar.count("reading data", count, total)

    def training(self, total: int, count: int) -> None:
        self.bar.count("training", count, total)

    def step(self, loss: float, samples_per_s: float) -> None:
        self.bar.advance(1, "training", f"loss {loss:.4f}  {samples_per_s:.0f} samples/s")

    def epoch(self, epoch: int, epochs: int, loss: float, metrics: Mapping[str, float], samples_per_s: float) -> None:
        name = metric_of(metrics)
        validation = f"  validation {name} {plain_text(name, metrics[name])}" if name in metrics else ""
        self.say(f"epoch {epoch}/{epochs}  loss {loss:.4f}{validation}  {samples_per_s:.0f} samples/s")


@contextmanager
def reporter(show: bool | Listener) -> Iterator[Listener]:
    """The listener to use for `show`: a `Reporter`, silent when False; a listener is returned unchanged."""
    if not isinstance(show, bool):
        yield show
        return
    with open_bar(show) as bar:
        yield Reporter(bar)
