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

from crosspath.escape import to_terminal
from crosspath.study.plan import Job
from crosspath.study.table import score
from crosspath.study.trials import Trial
from crosspath.training.result import Result

SHOWN = 6
"""Ways in the table, the best first."""


@dataclass
class RaceDisplay:
    """The display; `rich` draws it anew twice a second on a terminal, elsewhere only its lines appear."""

    console: Console
    budget: float
    clock: Callable[[], float]
    """Seconds spent so far."""
    stage: str = "measuring"
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
        self.latest = job.label
        if result is not None and isinstance(job, Trial) and not job.pretrains:
            way = job.cell.arm.name if job.cell.auxiliary is None else f"{job.cell.arm.name} from {job.cell.auxiliary}"
            self.scores.setdefault(way, []).append(score(result, "validation"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        spent = self.clock()
        yield Text(
            f"{self.stage}: {self.runs} runs done, the last {to_terminal(self.latest)}" if self.runs else self.stage
        )
        if self.scores:
            table = Table("way", "validation so far", box=None, padding=(0, 2, 0, 0))
            for way, values in sorted(self.scores.items(), key=lambda entry: max(entry[1]), reverse=True)[:SHOWN]:
                table.add_row(to_terminal(way), f"{100 * max(values):.1f} %")
            yield table
        yield ProgressBar(total=self.budget, completed=min(spent, self.budget), width=40)
        yield Text(f"{_minutes(spent)} of {_minutes(self.budget)}, {_minutes(max(0.0, self.budget - spent))} left")


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


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
