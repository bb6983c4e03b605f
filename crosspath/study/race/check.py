"""What a race needs, read and checked before its first run: all data, and every checkpoint."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crosspath.checkpoints.foreign.start import fit_to_start, load_start
from crosspath.checkpoints.load import auxiliary_source
from crosspath.config import Recipe, apply_overrides
from crosspath.data.examples import DataSet
from crosspath.errors import InputError, PathwayError
from crosspath.modalities.load import load_data, with_absolute_folder
from crosspath.models.sizes import SIZES
from crosspath.objectives import objective_of
from crosspath.study.race.request import FEWEST_LABELS, Request
from crosspath.study.race.ways import CANONICAL
from crosspath.study.sources import AuxiliarySource, pretraining_of
from crosspath.training.demands import check_alone
from crosspath.training.pathways import connect_auxiliaries


def check(request: Request) -> dict[str, DataSet]:
    """Read all data, and connect every auxiliary that is there once; {name: data}, of the target `target` with its
    labels, and `unlabelled` without a limit to them.

    Raises
    ------
    InputError
        For data that no run of this recipe could read, too few of them, and checkpoints that do not fit.
    """
    recipe = request.target.recipe
    if recipe.data.several_labels or recipe.data.label_kind != "classes":
        # No sample has a share of a mean average precision or of R², and the interval is one over seeds and samples.
        found = "several" if recipe.data.several_labels else str(recipe.data.label_kind)
        root = request.target.data_root or (recipe.data.folder if request.target.checkpoint else None)
        where = [] if root is None else ["--data", str(root)]
        todo = f"compare by the metric of these labels: {_command('compare', request, *where)}"
        raise InputError(recipe.name, "a set with one label a sample", found, todo)
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
        if way.from_ is not None and way.auxiliary is None:
            start_recipe = pretraining_of(recipe) if way.pretrains else recipe
            start_recipe = fit_to_start(start_recipe, way.from_, request.settings)
            load_start(_build(start_recipe, len(data.classes)), start_recipe, way.from_)
    for source in request.sources:
        if source.checkpoint is not None:
            _connect_once(request, recipe, len(data.classes), source)
        elif source.recipe is not None:
            section = with_absolute_folder(source.recipe.data, source.data_root)
            everything[source.name] = load_data(section, source.data_root, 0)
    return everything


def without_unfit(request: Request, show: Callable[[str], None]) -> Request:
    """The request without canonical pathways from auxiliaries that have no canonical form here; `show` is told why."""
    recipe, unfit = request.target.recipe, set()
    for way in request.ways:
        if way.arm is not CANONICAL:
            continue
        source = next(source for source in request.sources if source.name == way.auxiliary)
        section = apply_overrides(recipe, way.arm.settings).pathway
        try:
            weights = auxiliary_source(str(source.checkpoint)).weights
            connect_auxiliaries(_build(recipe, recipe.data.classes or 2), section, {source.name: weights})
        except PathwayError as error:
            unfit.add(way)
            show(f"{way.name} is left out: {str(error).splitlines()[0]}")
    return replace(request, ways=tuple(way for way in request.ways if way not in unfit))


def _command(verb: str, request: Request, *options: str, pair: str = "NAME=CHECKPOINT") -> str:
    """A command about the same target, with the same settings."""
    target, checkpoint = str(request.definition["target"]), request.target.checkpoint
    if Path(target).suffix not in {".yaml", ".yml"}:
        target = request.target.recipe.name
    settings = [word for setting in request.settings for word in ("--set", setting)]
    own = [] if checkpoint is None or verb == "match" else ["--from", str(checkpoint)]
    return shlex.join(["crosspath", verb, target, *options, *own, *settings, "--auxiliary", pair])


def _connect_once(request: Request, recipe: Recipe, classes: int, source: AuxiliarySource) -> None:
    """Raise `InputError` for an auxiliary that does not fit the target."""
    checkpoint = str(source.checkpoint)
    weights = auxiliary_source(checkpoint).weights
    try:
        connect_auxiliaries(_build(recipe, classes), recipe.pathway, {source.name: weights})
    except PathwayError as error:
        # Reason and remedy stand in one line; the remedies here are those of a race.
        found = str(error).splitlines()[0].removeprefix(f"{source.name}: ").partition("; ")[0]
        # A pretrained target has a size already.
        pretrained = any(way.from_ is not None for way in request.ways)
        size = None if pretrained else _size_that_fits(recipe, classes, source.name, weights)
        todo = f"add --set model.size={size}, name another or leave it out"
        if size is None:
            todo = "name a model of the target's size, or leave it out"
        todo += f"; {_command('match', request, pair=f'{source.name}={checkpoint}')} shows all"
        raise InputError(f"--auxiliary {source.name}", f"weights that fit {recipe.name}", found, todo) from None


def _size_that_fits(recipe: Recipe, classes: int, name: str, weights: Any) -> str | None:
    """The named size of a target that this auxiliary fits; None where there is no such size."""
    tensors = weights.state_dict() if isinstance(weights, torch.nn.Module) else weights
    widths = {size for tensor in tensors.values() for size in tensor.shape}
    for size, (width, *_) in SIZES.items():
        if width not in widths or size == recipe.model.size:
            continue
        resized = apply_overrides(recipe, (f"model.size={size}",))
        try:
            connect_auxiliaries(_build(resized, classes), resized.pathway, {name: weights})
        except PathwayError:
            continue
        return size
    return None


def _build(recipe: Recipe, classes: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        return objective_of(recipe).build(recipe, classes)
