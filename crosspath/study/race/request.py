"""What `try` is asked, understood and checked before any work: bad input costs a line, not a budget."""

import math
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from crosspath.config import Settings, setting_texts
from crosspath.errors import InputError
from crosspath.modalities.memory import path_only
from crosspath.recipes import RECIPES
from crosspath.starts import PLACES, SETTING
from crosspath.study.race.folder import BUDGET
from crosspath.study.race.ways import Way, ways_of
from crosspath.study.sources import AuxiliarySource, Target, absolute_place, find_auxiliaries, find_target

RACE_SETTINGS = (
    "train.seed",
    "data.split_seed",
    "data.held_out_fold",
    "data.unlabelled",
    "evaluate.test",
    SETTING,
    *PLACES.values(),
)
"""Settings that every run of a race has of its own: pathways start in each of the ways that it tries."""
LABELS = "data.labels_per_class"
FEWEST_LABELS = 2
"""Of a class: one to train on, one to choose by."""
UNITS = {"h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked."""

    target: Target
    sources: tuple[AuxiliarySource, ...]
    ways: tuple[Way, ...]
    labels: int | None
    budget: float
    """Seconds."""
    settings: tuple[str, ...]
    """For every run: the user's, and the number of labels."""
    workers: int
    threads: int
    stated_workers: int | None
    """As asked for; None where the machine decided."""
    definition: Mapping[str, Any]
    """As written into the folder: a resumed `try` must be asked the same."""

    def command(self, more: float, out: Path) -> str:
        """The command that asks the same of another folder, with `more` times the budget."""
        parts = ["crosspath", "try", self.definition["target"]]
        for name, source in self.definition["auxiliaries"].items():
            parts += ["--auxiliary", f"{name}={source}"]
        options = {"data": self.definition["data"], "labels": self.labels, "from": self.definition["from"]}
        options |= {"threads": None if self.threads == 1 else self.threads, "workers": self.stated_workers}
        for option, value in options.items():
            parts += [] if value is None else [f"--{option}", str(value)]
        for setting in self.definition["settings"]:
            parts += ["--set", setting]
        minutes = max(1, math.ceil(more * self.budget / 60))
        return shlex.join([*parts, "--budget", f"{minutes}m", "--out", f"{out}-{minutes}m"])

    @property
    def is_shipped(self) -> bool:
        """Whether the target's recipe is found by its name."""
        return self.target.checkpoint is None and self.target.recipe.name in RECIPES


def understand(
    target: str | Path,
    auxiliaries: Mapping[str, str | Path] | Iterable[str | Path],
    labels: int | None,
    budget: str | float,
    data: str | Path | None,
    start_from: str | Path | None,
    settings: Settings,
    workers: int | None,
    threads: int,
) -> Request:
    """The request behind the arguments of `fit`.

    Raises
    ------
    InputError
        For arguments that mean nothing; files are only looked for, not read.
    """
    for option, value, fewest in (
        ("--labels", labels, FEWEST_LABELS),
        ("--workers", workers, 1),
        ("--threads", threads, 1),
    ):
        if value is not None and (not isinstance(value, int) or value < fewest):
            raise InputError(option, f"a whole number, {fewest} or more", repr(value), f"give at least {fewest}")
    texts = setting_texts(settings)
    _refuse_race_settings(texts, labels)
    own = (*texts, *(() if labels is None else (f"{LABELS}={labels}",)))
    for place in (target, data):
        path_only(place, "try, whose runs are processes of their own")
    found = find_target(target, None if data is None else Path(data), own)
    if found.recipe.data.few_shot:
        expected = "none for a race, whose runs draw labels and folds of their own"
        todo = "add --set data.way=null --set data.shot=null, or use `crosspath compare`"
        raise InputError("data.way", expected, str(found.recipe.data.way), todo)
    if start_from is not None and found.checkpoint is not None:
        todo = "leave out --from, or name the folder of its data instead of the checkpoint"
        raise InputError("--from", "no second checkpoint", f"{target}, which is one", todo)
    sources = tuple(find_auxiliaries(auxiliaries, found.recipe))
    pretrained = None if start_from is None else Path(absolute_place(str(start_from)))
    names = [source.name for source in sources]
    by_user = any(text.startswith("pathway.canonical=") for text in texts)
    canonical = [source.name for source in sources if source.foreign and not by_user]
    count = (torch.cuda.device_count() or _processors()) if workers is None else workers
    seconds = seconds_of(budget)
    definition = {
        "target": str(Path(target).resolve()) if Path(target).exists() else str(target),
        "data": None if data is None else str(Path(data).resolve()),
        "auxiliaries": {source.name: source.text for source in sources},
        "labels": labels,
        BUDGET: seconds,
        "from": None if pretrained is None else str(pretrained),
        "settings": list(texts),
        "workers": count,
        "threads": threads,
    }
    return Request(
        target=found,
        sources=sources,
        ways=tuple(ways_of(names, target=found.checkpoint, pretrained=pretrained, canonical=canonical)),
        labels=labels,
        budget=seconds,
        settings=own,
        workers=count,
        threads=threads,
        stated_workers=workers,
        definition=definition,
    )


def _refuse_race_settings(settings: Iterable[str], labels: int | None) -> None:
    """Raise `InputError` for settings that a race would replace, and labels that are given twice."""
    for setting in settings:
        name, _, value = setting.partition("=")
        if name.strip() in RACE_SETTINGS:
            raise InputError(name.strip(), "none for a race, whose runs have their own", value, "leave it out")
        if name.strip() == LABELS and labels is not None:
            raise InputError(LABELS, "one value", f"{value}, and --labels {labels}", "leave one of them out")


def seconds_of(budget: str | float) -> float:
    """The seconds of `20m`, `1h30m`, `90s`, or a number. Raises `InputError` for anything else."""
    text = str(budget).strip().lower()
    if not isinstance(budget, str):
        seconds = float(budget)
    else:
        parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?", text)
        seconds = (
            0.0 if parts is None else sum(int(n or 0) * UNITS[u] for n, u in zip(parts.groups(), "hms", strict=True))
        )
    if not 0 < seconds < math.inf:
        todo = f"write {text}m for minutes" if text.isdecimal() else "write it like that"
        raise InputError("--budget", "a time such as 20m or 1h30m", repr(str(budget)), todo)
    return seconds


def _processors() -> int:
    """Those that this process may use; not every system can say so."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
