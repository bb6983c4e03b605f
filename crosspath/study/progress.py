"""A run as part of a longer job: its steps advance the bar of that job."""

from collections.abc import Mapping
from dataclasses import dataclass

from crosspath.training.progress import Bar


@dataclass(frozen=True)
class PartialRun:
    """The `Listener` of one run whose every step is `work_per_step` of that job; it prints no lines of its own."""

    bar: Bar
    label: str
    work_per_step: float

    def say(self, text: str) -> None:
        """Nothing: the notes of a run are in its result."""

    def preparing(self, count: int, total: int) -> None:
        self.bar.advance(0, self.label, "reading data")

    def training(self, total: int, count: int) -> None:
        self.bar.advance(0, self.label)

    def step(self, loss: float, samples_per_s: float) -> None:
        self.bar.advance(self.work_per_step, self.label, f"loss {loss:.3f}")

    def epoch(self, epoch: int, epochs: int, loss: float, metrics: Mapping[str, float], samples_per_s: float) -> None:
        """Nothing beyond the bar."""
