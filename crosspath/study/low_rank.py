"""Rank-1 adapters on a frozen body (LoRA; Hu et al. 2021, arXiv 2106.09685): what λ as an adapter is compared with."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from crosspath.checkpoints.start import Start
from crosspath.errors import InputError
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.sources.source import ModuleSource
from crosspath.training.scope import HEAD


class RankOne(nn.Module):
    """W + b·aᵀ, with b at 0 at first, as published, so that training begins at W."""

    def __init__(self, weight_OI: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = len(weight_OI), weight_OI[0].numel()
        bound = 1 / math.sqrt(columns)
        self.row_1I = nn.Parameter(torch.empty(1, columns).uniform_(-bound, bound, generator=generator))
        self.column_O1 = nn.Parameter(torch.zeros(rows, 1))

    def forward(self, weight_OI: Tensor) -> Tensor:
        """The sum."""
        return weight_OI + (self.column_O1 @ self.row_1I).view_as(weight_OI)


def low_rank_start(seed: int) -> Start:
    """Freeze all but the head, and give every matrix of a block an adapter, which is summed into it in the end.

    Raises
    ------
    InputError
        From `apply`, for a model without blocks of a known layout.
    """

    def apply(model: nn.Module) -> list[str]:
        anatomy = locate(ModuleSource(model))
        if anatomy is None:
            raise InputError("arm lora", "blocks of a known layout", type(model).__name__, "remove the arm")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(HEAD))
        generator = torch.Generator().manual_seed(seed)
        names = sorted({slot.weight for slot in anatomy.slots.values()})
        for name in names:
            layer, _, attribute = name.rpartition(".")
            adapter = RankOne(model.get_parameter(name).detach(), generator)
            parametrize.register_parametrization(model.get_submodule(layer), attribute, adapter)
        learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        return [
            f"the body is frozen: rank-1 adapters for {len(names)} matrices and the head learn, {learning:,} values"
        ]

    def finish(model: nn.Module) -> None:
        for name in [name for name, module in model.named_modules() if isinstance(module, RankOne)]:
            layer, attribute = name.split(".parametrizations.")
            parametrize.remove_parametrizations(model.get_submodule(layer), attribute.partition(".")[0])

    return Start(origin=f"rank-1 adapters (seed {seed})", sha256="", apply=apply, finish=finish)
