"""`crosspath rank`: order auxiliaries by scores that need no training, and say where they are no better than chance."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.checkpoints.load import auxiliary_source
from crosspath.checkpoints.sources import Auxiliary
from crosspath.config import Recipe, Settings, apply_overrides, setting_texts
from crosspath.config.starts import require_one_start, start_in
from crosspath.errors import InputError
from crosspath.modalities.load import with_absolute_folder
from crosspath.modalities.memory import path_only
from crosspath.objectives import objective_of
from crosspath.starts import SETTING, start_named
from crosspath.study.ranking.measure import begin, scores_of
from crosspath.study.ranking.ranking import Ranking, Row
from crosspath.study.ranking.scores import SCORES, Score, score_of
from crosspath.study.sources import find_target
from crosspath.study.statistics import false_discovery
from crosspath.training.progress import open_bar

LEADING = "labels"
"""The score that orders where none is named: the one that agreed best with measured gains (docs/rank.md)."""
FEWEST_COPIES = 3


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
    counts = {"seeds": (seeds, 1), "copies": (copies, FEWEST_COPIES), "batches": (batches, 1), "samples": (samples, 2)}
    for option, (value, fewest) in counts.items():
        if not isinstance(value, int) or value < fewest:
            raise InputError(f"--{option}", f"a whole number, {fewest} or more", repr(value), f"give at least {fewest}")
    if by not in SCORES:
        raise InputError("--by", f"one of {', '.join(SCORES)}", repr(by), "choose one of these")
    if not auxiliaries:
        raise InputError("--auxiliary", "an auxiliary to rank", "none", "add one, such as --auxiliary audio=runs/esc10")
    subject = _understand(target, data, start_from, start, setting_texts(settings))
    sources = {
        key: each if isinstance(each, Auxiliary) else auxiliary_source(each) for key, each in auxiliaries.items()
    }

    values: dict[str, list[list[dict[str, float]]]] = {key: [] for key in sources}
    numbers, total = itertools.count(1), seeds * len(sources) * (copies + 1)
    with open_bar(progress) as bar:
        for seed in range(seeds):
            reading = partial(bar.count, "reading data")
            beginning = begin(subject.recipe, subject.root, subject.weights, seed, batches, samples, reading)
            for key, source in sources.items():
                values[key].append(
                    scores_of(beginning, key, source, copies, lambda: bar.count("scoring", next(numbers), total))
                )
    scores = {key: _against_copies(of_seeds) for key, of_seeds in values.items()}
    p_values = _adjust_p_values({key: of_one[by].p for key, of_one in scores.items()})
    rows = [
        Row(name=key, origin=sources[key].origin, scores=of_one, p_adjusted=p_values[key])
        for key, of_one in scores.items()
    ]
    rows.sort(key=lambda row: -(row.scores[by].z or 0.0))
    return Ranking(
        target=subject.recipe.name,
        rows=tuple(rows),
        by=by,
        start=subject.start,
        seeds=seeds,
        copies=copies,
        batches=batches,
        samples=beginning.samples,
    )


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """The target as `rank` reads it."""

    recipe: Recipe
    root: Path | None
    """Where its data lie."""
    weights: str | Path | None
    """The checkpoint that it begins with."""
    start: str


def _understand(
    target: str | Path,
    data: str | Path | None,
    start_from: str | Path | None,
    start: str | None,
    settings: tuple[str, ...],
) -> _Subject:
    """What is asked for, or `InputError` where no features could be compared."""
    path_only(data, "rank, which draws labels anew for each seed")
    own = find_target(target, None if data is None else Path(data), settings)
    if start_from is not None and own.checkpoint is not None:
        raise InputError("--from", "no second checkpoint", f"{target}, which is one", "leave out --from")
    weights = own.checkpoint if start_from is None else start_from
    require_one_start(start, settings)
    name = start or start_in(settings) or ("whole-body" if weights is None else "gentle")
    name = start_named(name, "--start").name
    recipe = apply_overrides(own.recipe, (f"{SETTING}={name}", *settings))
    recipe = fit_to_start(recipe, start_from, settings)
    if recipe.pathway.scale_init == 0:
        todo = "choose whole-body, frozen-anchor or gentle"
        raise InputError("--start", "a start with λ above 0, which changes features", name, todo)
    if recipe.pathway.fit == "learned":
        found, todo = "learned, which has no W' of the target's shape", "set pathway.fit=spectra, from which it begins"
        raise InputError("pathway.fit", "slice, average or spectra", found, todo)
    if not objective_of(recipe).pools:
        raise InputError("TARGET", "a classifier's recipe", f"one of {recipe.objective}", "name its training recipe")
    recipe = recipe.model_copy(update={"data": with_absolute_folder(recipe.data, own.data_root)})
    return _Subject(recipe=recipe, root=own.data_root, weights=weights, start=name)


def _against_copies(of_seeds: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, Score]:
    """Each score, the mean over seeds, against that of the shuffled copies, each the mean over the same seeds."""
    scores = {}
    for name in SCORES:
        values = np.mean([[one[name] for one in of_seed] for of_seed in of_seeds], axis=0)
        scores[name] = score_of(float(values[0]), values[1:].tolist())
    return scores


def _adjust_p_values(values: Mapping[str, float | None]) -> dict[str, float | None]:
    present = {name: value for name, value in values.items() if value is not None}
    result = dict(zip(present, false_discovery(list(present.values())), strict=True)) if present else {}
    return {name: result.get(name) for name in values}
