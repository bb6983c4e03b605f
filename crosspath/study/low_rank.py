"""Low-rank adapters on a frozen body (LoRA; Hu et al. 2021, arXiv 2106.09685), to compare λ as an adapter with."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from crosspath.checkpoints.start import Start
from crosspath.errors import InputError
from crosspath.models.heads import HEAD
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.sources.source import ModuleSource


class LowRank(nn.Module):
    """W + B·A of rank R, with B at 0 at first, as published, so that training begins at W. The factor α / R is 1: the
    learning rate is searched.
    """

    def __init__(self, weight_OI: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = len(weight_OI), weight_OI[0].numel()
        bound = 1 / math.sqrt(columns)
        self.inner_RI = nn.Parameter(torch.empty(rank, columns).uniform_(-bound, bound, generator=generator))
        self.outer_OR = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight_OI: Tensor) -> Tensor:
        """The sum."""
        return weight_OI + (self.outer_OR @ self.inner_RI).view_as(weight_OI)


def low_rank_start(rank: int, seed: int) -> Start:
    """Freeze all but the head, and give every matrix of a block an adapter, which is summed into it in the end.

    Raises
    ------
    InputError
        From `apply`, for a model without blocks of a known layout.
    """

    origin = f"rank-{rank} adapters (seed {seed})"

    def apply(model: nn.Module) -> list[str]:
        anatomy = locate(ModuleSource(model))
        if anatomy is None:
            raise InputError(origin, "blocks of a known layout", type(model).__name__, "leave the arm out")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(HEAD))
        generator = torch.Generator().manual_seed(seed)
        names = sorted({slot.weight for slot in anatomy.slots.values()})
        for name in names:
            layer, _, attribute = name.rpartition(".")
            adapter = LowRank(model.get_parameter(name).detach(), rank, generator)
            parametrize.register_parametrization(model.get_submodule(layer), attribute, adapter)
        learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        adapters = f"rank-{rank} adapters for {len(names)} matrices"
        return [f"the body is frozen: {adapters} and the head learn, {learning:,} values"]

    def finish(model: nn.Module) -> None:
        for name in [name for name, module in model.named_modules() if isinstance(module, LowRank)]:
            layer, attribute = name.split(".parametrizations.")
            parametrize.remove_parametrizations(model.get_submodule(layer), attribute.partition(".")[0])

    return Start(origin=origin, sha256="", apply=apply, finish=finish)
