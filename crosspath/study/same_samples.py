"""Runs that are compared have the same data: a file added between two of them would pass for an arm's merit."""

from pathlib import Path

from crosspath.errors import InputError
from crosspath.study.cells import Job
from crosspath.training.result import Result


class SampleCheck:
    """Looks at one result after the other. Of runs with equal data settings, the first says what the samples are."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._first: dict[tuple[object, ...], tuple[str, str]] = {}

    def add(self, job: Job, result: Result) -> None:
        """Raise `InputError` for a run whose samples are not those of the runs before it."""
        own = str(result.data["fingerprint"])
        first, label = self._first.setdefault(job.samples, (own, job.label))
        if own != first:
            expected, found = (
                f"the samples of {label}",
                f"others in {job.label}: files were added, removed or changed, or are decoded otherwise",
            )
            raise InputError(self._runs, expected, found, "restore them, or choose another --out")
