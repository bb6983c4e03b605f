"""Trackers that log a run's numbers: TensorBoard, wandb or trackio, each imported only where a recipe names it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.files import writing

TENSORBOARD = "tensorboard"
"""The folder of the events, inside the run folder."""
EVENTS = "events.out.tfevents.*"
"""The files in there."""


class Tracker(Protocol):
    """Takes numbers by name and step."""

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Log the numbers of one step."""

    def close(self) -> None:
        """Close the tracker when the run is over."""


def trackers(recipe: Recipe, folder: Path, resumed_at: int) -> list[Tracker]:
    """One for each of `train.loggers`; what an interrupted run logged after step `resumed_at` is removed. Where one
    cannot be opened, those before it are closed.

    Raises
    ------
    InputError
        For one that is not installed.
    """
    open_trackers: list[Tracker] = []
    with ExitStack() as stack:
        for name in recipe.train.loggers:
            try:
                tracker: Tracker = (
                    _TensorBoard(folder, resumed_at) if name == "tensorboard" else _HostedTracker(name, recipe, folder)
                )
            except ImportError:
                raise _missing_error(name) from None
            stack.callback(tracker.close)
            open_trackers.append(tracker)
        stack.pop_all()
    return open_trackers


def check_trackers(recipe: Recipe) -> None:
    """Raise `InputError` for one of `train.loggers` that is not installed; nothing is imported."""
    for name in recipe.train.loggers:
        if find_spec(name) is None:
            raise _missing_error(name)


def _missing_error(name: str) -> InputError:
    todo = f"install {name}, or leave it out with --set train.loggers=[]"
    return InputError("train.loggers", "installed loggers", f"{name}, which is not", todo)


def flatten(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a nested log entry by name, such as `validation/accuracy` or `scales/<weight>/<auxiliary>`.

    Of several values under one name (one λ a role, head or channel) each gets its number.
    """
    for key, value in entry.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}/")
        elif isinstance(value, list | tuple):
            by_name = {name: value[0]} if len(value) == 1 else {f"{name}/{i}": one for i, one in enumerate(value)}
            yield from flatten(by_name)
        elif isinstance(value, int | float) and name not in {"step", "epoch"}:
            yield name, float(value)


class _TensorBoard:
    def __init__(self, folder: Path, resumed_at: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge = resumed_at + 1 if resumed_at else None
        self._folder = folder / TENSORBOARD
        with writing(self._folder):
            self._writer: Any = SummaryWriter(str(self._folder), purge_step=purge)

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        with writing(self._folder):  # its thread writes now and then, and hands what failed to a later call
            for name, number in numbers.items():
                self._writer.add_scalar(name, number, step)

    def close(self) -> None:
        with writing(self._folder):
            self._writer.close()


class _HostedTracker:
    """wandb, and trackio, which has the same functions."""

    def __init__(self, name: str, recipe: Recipe, folder: Path) -> None:
        self._module: Any = import_module(name)
        settings = recipe.model_dump(mode="json")
        self._module.init(project="crosspath", name=f"{recipe.name} {folder.name}", config=settings)

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        self._module.log(dict(numbers), step=step)

    def close(self) -> None:
        self._module.finish()
