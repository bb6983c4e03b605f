"""What a run shows on stderr: a bar with loss, rate and time left on a terminal, else a line an epoch."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Listener(Protocol):
    """What a run tells whoever follows it, in this order; each may be called on a terminal or without one."""

    def say(self, text: str) -> None:
        """One line for a person."""

    def preparing(self, done: int, total: int) -> None:
        """`done` of `total` files are decoded."""

    def training(self, total: int, done: int) -> None:
        """Training begins and takes `total` steps, `done` of which a resumed run has behind it."""

    def step(self, loss: float, samples_per_s: float) -> None:
        """One step is done."""

    def epoch(self, epoch: int, epochs: int, loss: float, metrics: Mapping[str, float], samples_per_s: float) -> None:
        """One epoch (from 1) is done; `metrics` are the validation part's, empty where it was not read."""


@dataclass(frozen=True)
class Reporter:
    """Speaks to the person who waits. Without a console it is silent."""

    console: Console | None
    bar: Progress | None = None
    task: TaskID | None = None

    def say(self, text: str) -> None:
        """One line."""
        if self.console is not None:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def preparing(self, done: int, total: int) -> None:
        """How many files are decoded; shown on a terminal only."""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=done, total=total, description="reading data", shown="")

    def training(self, total: int, done: int) -> None:
        """From now on the bar counts steps."""
        if self.bar is not None and self.task is not None:
            self.bar.reset(self.task, total=total, completed=done, description="training", shown="")

    def step(self, loss: float, samples_per_s: float) -> None:
        """One step is done."""
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=1, shown=f"loss {loss:.4f}  {samples_per_s:.0f} samples/s")

    def epoch(self, epoch: int, epochs: int, loss: float, metrics: Mapping[str, float], samples_per_s: float) -> None:
        """One epoch is done."""
        known = [name for name in ("map", "accuracy", "loss") if name in metrics]
        read = f"  validation {known[0]} {metrics[known[0]]:.4f}" if known else ""
        self.say(f"epoch {epoch}/{epochs}  loss {loss:.4f}{read}  {samples_per_s:.0f} samples/s")


@contextmanager
def reporter(show: bool | Listener) -> Iterator[Listener]:
    """A reporter on stderr, silent unless `show`; a listener given instead is used as it is."""
    if not isinstance(show, bool):
        yield show
        return
    if not show:
        yield Reporter(None)
        return
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield Reporter(console)
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        yield Reporter(console, bar, bar.add_task("preparing", total=None, shown=""))
