"""What matching gives for a configuration: the row of the table in docs/layouts.md, and what is left unaccounted."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

import crosspath
from crosspath.pathway.locate import locate
from crosspath.pathway.report import MatchReport
from crosspath.pathway.sources import ModuleSource
from tests.layouts.zoo.configuration import Configuration

ACCEPT = {"norm", "heads"}


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """One model against a second one of the same configuration."""

    name: str
    blocks: int
    paired: int
    """Matrices of the blocks, each of whose rows pairs."""
    matrices: int
    share: float
    """Of the entries of the blocks' matrices, 0 to 1."""
    norm: str
    note: str
    """Why it is refused; else empty."""


def two_models(configuration: Configuration) -> tuple[nn.Module, nn.Module]:
    """Two models of one configuration, with weights drawn from different seeds."""
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(configuration.build())
    return models[0], models[1]


def measure(configuration: Configuration) -> Coverage:
    """The configuration's row."""
    target, auxiliary = two_models(configuration)
    anatomy = locate(ModuleSource(target))
    blocks, norm = (0, "") if anatomy is None else (len(anatomy.blocks), anatomy.norm or "")
    try:
        report = crosspath.match(target, auxiliary)
    except crosspath.PathwayError as error:
        return _row(configuration, 0, blocks, 0, 0.0, norm, str(error))
    inside = weights_in_blocks(target)
    paired = inside & paired_weights(target, report)
    note = "" if report.ok else "; ".join(map(str, report.mismatches))
    matrices = len(inside - left_out(report))
    return _row(configuration, len(paired), blocks, matrices, report.coverage or 0.0, norm, note)


def weights_in_blocks(model: nn.Module) -> set[str]:
    """Names of the matrices and kernels that stand in a located block."""
    anatomy = locate(ModuleSource(model))
    if anatomy is None:
        return set()
    paths = tuple(anatomy.paths.values())
    return {name for name, weight in model.named_parameters() if name.startswith(paths) and _is_matrix(name, weight)}


def _is_matrix(name: str, weight: Tensor) -> bool:
    """Whether it has two axes; a scale of shape (channels, 1, 1) is a vector, a linear layer of one output is none."""
    return sum(length > 1 for length in weight.shape) > 1 or (weight.dim() == 2 and name.endswith(".weight"))


def paired_weights(model: nn.Module, report: MatchReport) -> set[str]:
    """Weights each of whose rows is in a pair."""
    rows: dict[str, int] = {}
    for pair in report.pairs:
        slot = pair.target
        rows[slot.weight] = rows.get(slot.weight, 0) + slot.shape[0]
    axes = {pair.target.weight: 1 if pair.target.transposed else 0 for pair in report.pairs}
    return {name for name, count in rows.items() if count == model.get_parameter(name).shape[axes[name]]}


def left_out(report: MatchReport) -> set[str]:
    """Weights that the report names with the reason why they stay out."""
    return {entry.partition(" (")[0].partition("[")[0] for entry in report.not_chosen if entry.endswith(")")}


def _row(
    configuration: Configuration, paired: int, blocks: int, matrices: int, share: float, norm: str, note: str
) -> Coverage:
    return Coverage(
        name=configuration.name,
        blocks=blocks,
        paired=paired,
        matrices=matrices,
        share=share,
        norm=norm,
        note=note,
    )
