"""`crosspath rank`: order auxiliaries by scores that need no training, and say where they are no better than chance."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.nn.modules.batchnorm import _BatchNorm

from crosspath.checkpoints.foreign.start import fit_to_start, load_start
from crosspath.checkpoints.load import auxiliary_source
from crosspath.checkpoints.sources import Auxiliary
from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.data.decoding import Progress
from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.evaluation.devices import choose_compute
from crosspath.modalities.batches import prepare_held_out
from crosspath.modalities.calibration import calibrate
from crosspath.modalities.load import load_data, with_absolute_folder
from crosspath.modalities.memory import path_only
from crosspath.models import ModalityModel
from crosspath.objectives import objective_of
from crosspath.pathway.parameters import connections
from crosspath.starts import SETTING, start_named
from crosspath.study.rank_scores import (
    Score,
    connected_triples,
    gradient_alignment,
    linear_cka,
    score_of,
    shuffle_auxiliary,
    spectra,
)
from crosspath.study.sources import find_target
from crosspath.study.statistics import CONFIDENCE, false_discovery
from crosspath.training.demands import check_demands
from crosspath.training.pathways import connect_auxiliaries
from crosspath.training.processes import Processes
from crosspath.training.progress import open_bar

LEADING = "labels"
"""The score that orders where none is named: the one that agreed best with measured gains (docs/rank.md)."""
SCORES = ("labels", "gradient", "similarity", "effective_rank", "stable_rank", "spectrum")
FEWEST_COPIES = 3
STREAM = 0x7A4C
"""Keeps the choice of samples apart from every other use of the same seed."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One auxiliary."""

    name: str
    origin: str
    scores: Mapping[str, Score]
    """By the names in `SCORES`."""
    p_adjusted: float | None
    """Of the leading score, over all auxiliaries (Benjamini and Hochberg 1995)."""

    @property
    def beyond_chance(self) -> bool:
        """Whether its leading score differs from those of its shuffled copies."""
        return self.p_adjusted is not None and self.p_adjusted < 1 - CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Auxiliaries in the order of their leading score; printing it shows that order and what it is worth."""

    target: str
    rows: tuple[Row, ...]
    by: str
    start: str
    seeds: int
    copies: int
    batches: int
    samples: int

    @property
    def beyond_chance(self) -> bool:
        """Whether at least one auxiliary differs from its shuffled copies."""
        return any(row.beyond_chance for row in self.rows)

    @property
    def sentence(self) -> str:
        """The order in words."""
        score = _words(self.by)
        if not self.beyond_chance:
            return f"no ordering beyond chance: no auxiliary differs from its shuffled copies in {score}"
        kinds: dict[str, list[str]] = {"above": [], "below": [], "like": []}
        for row in self.rows:
            kind = "above" if (row.scores[self.by].z or 0.0) > 0 else "below"
            kinds[kind if row.beyond_chance else "like"].append(row.name)
        above = " > ".join(kinds["above"])
        text = f"by {score}: {above}, above shuffled copies" if above else f"by {score}: none above shuffled copies"
        text += f"; below them: {' > '.join(kinds['below'])}" if kinds["below"] else ""
        return text + (f"; not distinguishable from them: {', '.join(kinds['like'])}" if kinds["like"] else "")

    def __str__(self) -> str:
        return self.sentence

    def to_json(self) -> dict[str, Any]:
        """The ranking as plain data."""
        return {**asdict(self), "beyond_chance": self.beyond_chance, "sentence": self.sentence}


def _words(score: str) -> str:
    return score.replace("_", " ")


def rank(
    target: str | Path,
    *,
    auxiliaries: Mapping[str, str | Path | Auxiliary],
    data: str | Path | None = None,
    start_from: str | Path | None = None,
    start: str | None = None,
    settings: Settings = (),
    seeds: int = 3,
    copies: int = 12,
    batches: int = 4,
    samples: int = 128,
    by: str = LEADING,
    progress: bool = True,
) -> Ranking:
    """Order auxiliaries by how their weights lie to a target that has not been trained: minutes, and no promise.

    Every score is set beside that of copies of the same W' whose values are shuffled within each output's row. Only the
    training part is used. docs/rank.md tells how far each score has predicted measured gains.

    Parameters
    ----------
    target
        A recipe's name or file, a folder of samples, or a checkpoint.
    auxiliaries
        {name: checkpoint, `timm:NAME`, `hf:OWNER/NAME`, or an `Auxiliary` in memory}.
    data
        As for `train`.
    start_from
        The target's own starting weights.
    start
        How the pathway starts where features are compared; `whole-body` when not given, `gentle` with own weights.
    settings
        What `--set` takes.
    seeds
        Initialisations, with as many draws of labels and batches.
    copies
        Shuffled copies of each auxiliary.
    batches, samples
        Training batches that the gradient is the mean of; training samples whose features are compared.
    by
        The score that orders: `labels`, `gradient`, `similarity`, `effective_rank`, `stable_rank` or `spectrum`.

    Raises
    ------
    InputError
        For a target, data or a checkpoint that `train` would refuse, and counts that are too small.
    crosspath.pathway.PathwayError
        For an auxiliary that does not fit the target.
    """
    for option, value, fewest in (
        ("seeds", seeds, 1),
        ("copies", copies, FEWEST_COPIES),
        ("batches", batches, 1),
        ("samples", samples, 2),
    ):
        if not isinstance(value, int) or value < fewest:
            raise InputError(f"--{option}", f"a whole number, {fewest} or more", repr(value), f"give at least {fewest}")
    if by not in SCORES:
        raise InputError("--by", f"one of {', '.join(SCORES)}", repr(by), "choose one of these")
    if not auxiliaries:
        raise InputError("--auxiliary", "an auxiliary to rank", "none", "add one, such as --auxiliary audio=runs/esc10")
    path_only(data, "rank, which draws labels anew for each seed")
    own = find_target(target, None if data is None else Path(data), setting_texts(settings))
    if start_from is not None and own.checkpoint is not None:
        raise InputError("--from", "no second checkpoint", f"{target}, which is one", "leave out --from")
    weights = own.checkpoint if start_from is None else start_from
    name = start_named(start or ("whole-body" if weights is None else "gentle"), "--start").name
    recipe = apply_overrides(own.recipe, (f"{SETTING}={name}",))
    recipe = fit_to_start(recipe, start_from, setting_texts(settings))
    if recipe.pathway.scale_init == 0:
        todo = "choose whole-body, frozen-anchor or gentle"
        raise InputError("--start", "a start with λ above 0, which changes features", name, todo)
    if recipe.pathway.fit == "learned":
        todo = "set pathway.fit=spectra, from which it begins"
        raise InputError(
            "pathway.fit", "slice, average or spectra", "learned, which has no W' of the target's shape", todo
        )
    if not objective_of(recipe).labelled:
        raise InputError("TARGET", "a classifier's recipe", f"one of {recipe.objective}", "name its training recipe")
    recipe = recipe.model_copy(update={"data": with_absolute_folder(recipe.data, own.data_root)})
    sources = {
        key: each if isinstance(each, Auxiliary) else auxiliary_source(each) for key, each in auxiliaries.items()
    }

    values: dict[str, list[list[dict[str, float]]]] = {key: [] for key in sources}
    finished, total = itertools.count(1), seeds * len(sources) * (copies + 1)
    with open_bar(progress) as bar:
        for seed in range(seeds):
            reading = partial(bar.count, "reading data")
            begin = _begin(recipe, own.data_root, weights, seed, batches, samples, reading)
            for key, source in sources.items():
                values[key].append(
                    _scores(begin, key, source, copies, lambda: bar.count("scoring", next(finished), total))
                )
    scores = {key: _against_copies(of_seeds) for key, of_seeds in values.items()}
    adjusted = _adjusted({key: of_one[by].p for key, of_one in scores.items()})
    rows = [
        Row(name=key, origin=sources[key].origin, scores=of_one, p_adjusted=adjusted[key])
        for key, of_one in scores.items()
    ]
    rows.sort(key=lambda row: -(row.scores[by].z or 0.0))
    return Ranking(
        target=recipe.name,
        rows=tuple(rows),
        by=by,
        start=name,
        seeds=seeds,
        copies=copies,
        batches=batches,
        samples=begin.samples,
    )


@dataclass(frozen=True, kw_only=True)
class _Beginning:
    """A target before its first step, under one seed."""

    recipe: Recipe
    model: nn.Module
    gradients: Mapping[str, Tensor]
    """∂L/∂W, by parameter, the mean over some batches."""
    inputs: Tensor
    labels_BK: Tensor  # noqa: N815
    features_BD: Tensor  # noqa: N815

    @property
    def samples(self) -> int:
        """How many samples' features are compared."""
        return len(self.inputs)


def _begin(
    recipe: Recipe,
    root: Path | None,
    weights: str | Path | None,
    seed: int,
    batches: int,
    samples: int,
    reading: Progress | None = None,
) -> _Beginning:
    recipe = apply_overrides(recipe, (f"train.seed={seed}", "train.precision=float32"))
    data = load_data(recipe.data, root, seed, reading)
    recipe = calibrate(recipe, data)
    device = choose_compute(recipe).device
    feed = check_demands(recipe, data, Processes(0, 1), device)
    objective = objective_of(recipe)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = objective.build(recipe, len(data.classes))
        if weights is not None:
            load_start(model, recipe, weights)
        model.to(device).train()
        count = 0
        for parts, _ in zip(feed.epoch(0), range(batches), strict=False):
            for part in parts:
                (objective.losses(model, recipe, part).sum() / part.batch_size).backward()  # type: ignore[no-untyped-call]
            count += 1
    gradients = {
        name: parameter.grad / count for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    model.zero_grad(set_to_none=True)
    rows = np.random.default_rng((STREAM, seed)).permutation(len(data.train))[:samples]
    rows.sort()
    inputs = prepare_held_out(recipe.data, data.train.inputs[rows], device)
    return _Beginning(
        recipe=recipe,
        model=model,
        gradients=gradients,
        inputs=inputs,
        labels_BK=_label_rows(data, rows).to(device),
        features_BD=_features(model, inputs, recipe.train.batch_size),
    )


def _label_rows(data: DataSet, rows: Any) -> Tensor:
    labels = torch.as_tensor(np.asarray(data.train.labels[rows]))
    return labels.double() if labels.ndim > 1 else one_hot(labels, len(data.classes)).double()


@torch.no_grad()
def _features(model: nn.Module, inputs: Tensor, size: int) -> Tensor:
    """Pooled features (B, D). Batch normalisation goes by the batch: a target that has not trained knows no other
    statistics.
    """
    assert isinstance(model, ModalityModel)
    model.eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return torch.cat([model.pooled(batch) for batch in torch.split(inputs, size)])


def _scores(
    begin: _Beginning, name: str, source: Auxiliary, copies: int, done: Callable[[], None]
) -> list[dict[str, float]]:
    """The scores of an auxiliary, then those of its shuffled copies."""
    model = copy.deepcopy(begin.model)
    connect_auxiliaries(model, begin.recipe.pathway, {name: source.weights})
    originals = {holder.name: pathway.auxiliary(name).detach().clone() for holder, pathway in connections(model)}
    results = []
    for number in range(copies + 1):
        if number:
            shuffle_auxiliary(model, name, originals, number)
        triples = list(connected_triples(model, name, begin.gradients))
        features_BD = _features(model, begin.inputs, begin.recipe.train.batch_size)
        results.append(
            {
                "gradient": gradient_alignment(triples),
                "labels": linear_cka(features_BD, begin.labels_BK),
                "similarity": linear_cka(features_BD, begin.features_BD),
                **spectra(triples),
            }
        )
        done()
    return results


def _against_copies(of_seeds: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, Score]:
    """Each score, the mean over seeds, against that of the shuffled copies, each the mean over the same seeds."""
    scores = {}
    for name in SCORES:
        values = np.mean([[one[name] for one in of_seed] for of_seed in of_seeds], axis=0)
        scores[name] = score_of(float(values[0]), values[1:].tolist())
    return scores


def _adjusted(values: Mapping[str, float | None]) -> dict[str, float | None]:
    given = {name: value for name, value in values.items() if value is not None}
    adjusted = dict(zip(given, false_discovery(list(given.values())), strict=True)) if given else {}
    return {name: adjusted.get(name) for name in values}
