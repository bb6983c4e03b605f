"""What a race shows on stderr while it runs: what is tried, what leads, and how much time is left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crosspath.counts import quantity
from crosspath.escape import to_terminal
from crosspath.study.arms import NONE
from crosspath.study.cells import Job
from crosspath.study.race.trials import Trial
from crosspath.study.rows import score
from crosspath.training.result import Result

MOST_WAYS = 6
"""Ways in the table, the best first, and `none`."""


@dataclass
class RaceDisplay:
    """The display; `rich` draws it anew twice a second on a terminal, elsewhere only its lines appear."""

    console: Console
    budget: float
    clock: Callable[[], float]
    """Seconds spent so far."""
    stage: str = "reading the data"
    runs: int = 0
    """Finished runs of this stage."""
    latest: str = ""
    scores: dict[str, list[float]] = field(default_factory=dict)
    """{way: validation scores in this stage}."""

    def begin(self, stage: str) -> None:
        """A new stage."""
        self.stage, self.runs, self.latest = stage, 0, ""
        self.scores.clear()
        self.line(f"{_minutes(self.clock())} of {_minutes(self.budget)}: {stage}")

    def line(self, text: str) -> None:
        """Print one line, above what is drawn."""
        self.console.print(to_terminal(text), highlight=False, markup=False, soft_wrap=True)

    def report(self, job: Job, result: Result | None) -> None:
        """One run is done; None for one that diverged."""
        self.runs += 1
        self.latest = _words(job)
        if result is not None and isinstance(job, Trial) and not job.pretrains:
            self.scores.setdefault(_way(job), []).append(score(result, "validation"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        seconds = self.clock()
        yield Text(self.stage)
        if self.runs:
            yield Text(f"{quantity(self.runs, 'run')} done; the last: {to_terminal(self.latest)}")
        if self.scores:
            table = Table("way", "best on validation so far", box=None, padding=(0, 2, 0, 0))
            best = sorted(self.scores.items(), key=lambda entry: max(entry[1]), reverse=True)
            entries = [entry for place, entry in enumerate(best) if place < MOST_WAYS or entry[0] == NONE.name]
            for way, values in entries:
                table.add_row(to_terminal(way), f"{100 * max(values):.1f} %")
            yield table
        line = Table.grid(padding=(0, 1, 0, 0))
        remainder = f"{_minutes(self.budget - seconds)} left" if seconds <= self.budget else "longer than planned"
        bar = ProgressBar(total=self.budget, completed=min(seconds, self.budget), width=40)
        line.add_row(bar, f"{_minutes(seconds)} of {_minutes(self.budget)}, {remainder}")
        yield line


@contextmanager
def open_display(show: bool, budget: float, clock: Callable[[], float]) -> Iterator[RaceDisplay]:
    """A display that is on the screen inside the block; silent unless `show`."""
    console = Console(file=sys.stderr, quiet=not show)
    display = RaceDisplay(console, budget, clock)
    if not (show and console.is_terminal):
        yield display
        return
    with Live(display, console=console, refresh_per_second=2, transient=True):
        yield display


def _way(trial: Trial) -> str:
    cell = trial.cell
    return cell.arm.name if cell.auxiliary is None else f"{cell.arm.name} from {cell.auxiliary}"


def _words(job: Job) -> str:
    """A run, for a line of the display."""
    if not isinstance(job, Trial):
        return job.label
    if job.pretrains:
        return f"pretraining of {job.way}" if job.auxiliary else "masked modelling"
    return f"{_way(job)}, learning rate {job.rate:g}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
