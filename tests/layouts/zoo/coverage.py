"""What matching gives for a configuration: the row of the table in docs/layouts.md, and what is left unaccounted."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import crosspath
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.report import MatchReport
from crosspath.pathway.sources.source import ModuleSource
from tests.layouts.zoo.configuration import Configuration


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """One model against a second one of the same configuration."""

    name: str
    blocks: int
    matrices: int
    """Matrices of the blocks, each of whose rows pairs."""
    share: float
    """Of the entries of the blocks' matrices, those that pair: 0 to 1."""
    norms: str
    """Where its blocks normalise; empty where that is not known."""
    omissions: str
    """Why weights of the blocks stay out: tables of positions, depthwise kernels."""
    refusal: str
    """Why it is refused; empty where it is not."""


def two_models(configuration: Configuration) -> tuple[nn.Module, nn.Module]:
    """Two models of one configuration, with weights drawn from different seeds."""
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(configuration.build())
    return models[0], models[1]


def measure(configuration: Configuration, target: nn.Module, auxiliary: nn.Module) -> Coverage:
    """The configuration's row, from two models of it."""
    anatomy = locate(ModuleSource(target))
    norms = {} if anatomy is None else anatomy.norms
    refusal, report = configuration.refusal or "", None
    try:
        report = crosspath.match(target, auxiliary)
        refusal = refusal or "; ".join(map(str, report.mismatches))
    except crosspath.PathwayError as error:
        refusal = refusal or str(error)
    return Coverage(
        name=configuration.name,
        blocks=0 if anatomy is None else len(anatomy.blocks),
        matrices=0 if report is None else len(paired_weights(target, report)),
        share=0.0 if report is None else report.coverage or 0.0,
        norms=", ".join(dict.fromkeys(norms[index] for index in sorted(norms))),
        omissions="" if report is None else ", ".join(reasons_left_out(report)),
        refusal=refusal,
    )


def weights_in_blocks(model: nn.Module) -> set[str]:
    """Names of the matrices and kernels that stand in a located block."""
    anatomy = locate(ModuleSource(model))
    if anatomy is None:
        return set()
    paths = tuple(anatomy.paths.values())
    return {name for name, weight in model.named_parameters() if name.startswith(paths) and _is_matrix(name, weight)}


def paired_weights(model: nn.Module, report: MatchReport) -> set[str]:
    """Weights each of whose rows is in a pair."""
    rows: dict[str, int] = {}
    axes = {pair.target.weight: 1 if pair.target.transposed else 0 for pair in report.pairs}
    for pair in report.pairs:
        rows[pair.target.weight] = rows.get(pair.target.weight, 0) + pair.target.shape[0]
    shapes = ModuleSource(model).shapes()
    return {name for name, count in rows.items() if count == shapes[name][axes[name]]}


def named_with_reason(report: MatchReport) -> set[str]:
    """Weights that the report names with the reason why they stay out."""
    return {entry.partition(" (")[0] for entry in report.not_chosen if entry.endswith(")")}


def reasons_left_out(report: MatchReport) -> list[str]:
    """Each reason once, in words."""
    found = (re.search(r"\((.+)\)$", entry) for entry in report.not_chosen)
    return sorted({match[1].removeprefix("a ") for match in found if match})


def _is_matrix(name: str, weight: Tensor) -> bool:
    """Whether it has two axes; a scale of shape (channels, 1, 1) is a vector, a linear layer of one output is not."""
    return sum(length > 1 for length in weight.shape) > 1 or (weight.dim() == 2 and name.endswith(".weight"))
