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

from crosspath.checkpoints.load import auxiliary_source
from crosspath.checkpoints.start import load_weights_from
from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.data.examples import DataSet
from crosspath.errors import InputError, PathwayError
from crosspath.modalities.load import load_data, with_absolute_folder
from crosspath.modalities.memory import path_only
from crosspath.models.sizes import SIZES
from crosspath.objectives import objective_of
from crosspath.recipes import RECIPES
from crosspath.study.race_folder import BUDGET
from crosspath.study.sources import AuxiliarySource, Target, find_auxiliaries, find_target
from crosspath.study.ways import Way, ways_of
from crosspath.training.demands import check_alone
from crosspath.training.pathways import connect_auxiliaries

DECIDED = (
    "train.seed",
    "data.split_seed",
    "data.held_out_fold",
    "data.unlabelled",
    "evaluate.test",
    "pathway.start",
)
"""Settings that every run of a race has of its own."""
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
    definition: Mapping[str, Any]
    """As written into the folder: a resumed `try` must be asked the same."""

    def command(self, more: float, out: Path) -> str:
        """The command that asks the same of another folder, with `more` times the budget."""
        parts = ["crosspath", "try", self.definition["target"]]
        for name, source in self.definition["auxiliaries"].items():
            parts += ["--auxiliary", f"{name}={source}"]
        options = {"data": self.definition["data"], "labels": self.labels, "from": self.definition["from"]}
        for option, value in options.items():
            parts += [] if value is None else [f"--{option}", str(value)]
        for setting in self.definition["settings"]:
            parts += ["--set", setting]
        minutes = max(1, math.ceil(more * self.budget / 60))
        return shlex.join([*parts, "--budget", f"{minutes}m", "--out", f"{out}-{minutes}m"])

    @property
    def shipped(self) -> bool:
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
    _refuse_decided(texts, labels)
    own = (*texts, *(() if labels is None else (f"{LABELS}={labels}",)))
    for place in (target, data):
        path_only(place, "try, whose runs are processes of their own")
    found = find_target(target, None if data is None else Path(data), own)
    if start_from is not None and found.checkpoint is not None:
        todo = "leave out --from, or name the folder of its data instead of the checkpoint"
        raise InputError("--from", "no second checkpoint", f"{target}, which is one", todo)
    sources = tuple(find_auxiliaries(auxiliaries, found.recipe))
    pretrained = None if start_from is None else Path(start_from).resolve()
    names = [source.name for source in sources]
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
        ways=tuple(ways_of(names, target=found.checkpoint, pretrained=pretrained)),
        labels=labels,
        budget=seconds,
        settings=own,
        workers=count,
        threads=threads,
        definition=definition,
    )


def check(request: Request) -> dict[str, DataSet]:
    """Read all data, and connect every auxiliary that is there once; {name: data}, of the target `target` with its
    labels, and `unlabelled` without a limit to them.

    Raises
    ------
    InputError
        For data that no run of this recipe could read, too few of them, and checkpoints that do not fit.
    """
    recipe = request.target.recipe
    if recipe.data.several_labels:
        # No sample has a share of a mean average precision, and the interval is one over seeds and samples.
        todo = f"compare by mean average precision: crosspath compare {recipe.name} --auxiliary NAME=CHECKPOINT"
        raise InputError(recipe.name, "a set with one label a sample", "several", todo)
    section = with_absolute_folder(recipe.data, request.target.data_root)
    data = load_data(section, request.target.data_root, recipe.train.seed)
    recipe = recipe.model_copy(update={"data": section})
    check_alone(recipe, data)
    counts = {name: int((data.train.labels == index).sum()) for index, name in enumerate(data.classes)}
    fewest = min(counts, key=counts.__getitem__)
    if counts[fewest] < FEWEST_LABELS:
        found = f"{counts[fewest]} of {fewest}, beside the held-out parts"
        raise InputError(
            request.definition["target"], f"{FEWEST_LABELS} training samples of every class", found, "add files"
        )
    whole = section.model_copy(update={"labels_per_class": None})
    everything = {"target": data, "unlabelled": load_data(whole, request.target.data_root, recipe.train.seed)}
    for way in request.ways:
        if way.from_ is not None and way.arm.name in ("none", "pretrained"):
            load_weights_from(_build(recipe, len(data.classes)), way.from_)
    for source in request.sources:
        if source.checkpoint is not None:
            _connect_once(recipe, len(data.classes), source, fixed=any(way.from_ is not None for way in request.ways))
        elif source.recipe is not None:
            section = with_absolute_folder(source.recipe.data, source.data_root)
            everything[source.name] = load_data(section, source.data_root, 0)
    return everything


def _connect_once(recipe: Recipe, classes: int, source: AuxiliarySource, *, fixed: bool) -> None:
    """Raise `InputError` for an auxiliary that does not fit the target; `fixed` where that has weights of its own."""
    checkpoint = str(source.checkpoint)
    weights = auxiliary_source(checkpoint).weights
    try:
        connect_auxiliaries(_build(recipe, classes), recipe.pathway, {source.name: weights})
    except PathwayError as error:
        found = str(error).splitlines()[0].removeprefix(f"{source.name}: ")
        size = None if fixed else _size_that_fits(recipe, classes, source.name, weights)
        todo = f"add --set model.size={size}, name another or leave it out"
        if size is None:
            todo = "name a model of the target's size, or leave it out"
        everything = f"crosspath match {recipe.name} --auxiliary {source.name}={checkpoint}"
        todo += f"; {everything} shows all"
        raise InputError(f"--auxiliary {source.name}", f"weights that fit {recipe.name}", found, todo) from None


def _size_that_fits(recipe: Recipe, classes: int, name: str, weights: Any) -> str | None:
    """The named size of a target that this auxiliary fits; None where there is no such size."""
    tensors = weights.state_dict() if isinstance(weights, torch.nn.Module) else weights
    widths = {size for tensor in tensors.values() for size in tensor.shape}
    for size, (width, *_) in SIZES.items():
        if width not in widths or size == recipe.model.size:
            continue
        sized = apply_overrides(recipe, (f"model.size={size}",))
        try:
            connect_auxiliaries(_build(sized, classes), sized.pathway, {name: weights})
        except PathwayError:
            continue
        return size
    return None


def _refuse_decided(settings: Iterable[str], labels: int | None) -> None:
    """Raise `InputError` for settings that a race would replace, and labels that are given twice."""
    for setting in settings:
        name, _, value = setting.partition("=")
        if name.strip() in DECIDED:
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


def _build(recipe: Recipe, classes: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        return objective_of(recipe).build(recipe, classes)
