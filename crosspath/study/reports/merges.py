"""Merged runs of a study, and whether they compute what the connected ones did: a section of its report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from crosspath.checkpoints import load_checkpoint, merge_checkpoint
from crosspath.checkpoints.equality import compare_outputs
from crosspath.evaluation.cost import count_parameters
from crosspath.evaluation.devices import choose_compute
from crosspath.evaluation.held_out import held_out_metrics, predict_logits
from crosspath.files import read_json_as, write_json
from crosspath.modalities.load import load_data

MERGES = "merges.json"
"""The file, in the folder of a study."""


@dataclass(frozen=True)
class Merge:
    """One merged run; outputs and metrics are those of the test part."""

    target: str
    connected: str
    """Folders of the run and of the merged model."""
    merged: str
    samples: int
    bitwise: bool
    max_difference: float
    parameters_connected: int
    parameters_merged: int
    metrics_connected: dict[str, float]
    metrics_merged: dict[str, float]


@dataclass(frozen=True)
class Merges:
    """The content of the file."""

    merges: tuple[Merge, ...]


def merge_and_compare(target: str, run: Path, merged: Path) -> Merge:
    """Merge a connected run, and compare all logits of the test part before and after."""
    merge_checkpoint(run, merged)
    before, after = load_checkpoint(run), load_checkpoint(merged)
    data = load_data(before.recipe.data, None, before.recipe.train.seed)
    compute = choose_compute(before.recipe)
    logits = [predict_logits(checkpoint.model, before.recipe, data.test, compute) for checkpoint in (before, after)]
    difference = compare_outputs(logits[0], logits[1])
    return Merge(
        target=target,
        connected=str(run),
        merged=str(merged),
        samples=len(data.test),
        bitwise=difference.bitwise,
        max_difference=difference.max_difference,
        parameters_connected=count_parameters(before.model),
        parameters_merged=count_parameters(after.model),
        metrics_connected=held_out_metrics(logits[0], before.recipe, data.test),
        metrics_merged=held_out_metrics(logits[1], before.recipe, data.test),
    )


def write_merges(folder: Path, merges: Sequence[Merge]) -> None:
    """Write the file into the folder of a study."""
    write_json(folder / MERGES, asdict(Merges(tuple(merges))))


def read_merges(folder: Path) -> tuple[Merge, ...]:
    """The merges of a study; none without a file. Raises `InputError` for a damaged one."""
    path = folder / MERGES
    return read_json_as(path, Merges).merges if path.is_file() else ()
