"""What a run ends with: its weights, their moving average, and what its losses are computed of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.objectives import Batch, Objective
from crosspath.training.features import Features, PooledHead
from crosspath.training.processes import Processes

if TYPE_CHECKING:
    from timm.utils.model_ema import ModelEmaV3


@dataclass
class Outcome:
    """The weights that a run ends with, and how good they are."""

    model: nn.Module
    epoch: int = 0
    """From 1; 0 before the validation part was read for the first time."""
    metrics: dict[str, float] = field(default_factory=dict)
    """On the validation part."""
    steps: int = 0
    best_state: dict[str, Tensor] = field(default_factory=dict)
    """A copy of the best epoch's state, where `train.select` is `best`."""

    def consider(
        self,
        epoch: int,
        metrics: dict[str, float],
        score: Callable[[dict[str, float]], float],
        select: str,
        processes: Processes | None = None,
    ) -> None:
        """Take this epoch; with `best`, only if it is better than all before (a tie keeps the earlier)."""
        if select == "best":
            new = score(metrics)  # at the first epoch too: a part that gives no score is refused
            if self.epoch and new <= score(self.metrics):
                return
        self.epoch, self.metrics = epoch, metrics
        if select == "best":
            full = self.model if processes is None else processes.full_model(self.model)
            self.best_state.update({name: value.detach().cpu().clone() for name, value in full.state_dict().items()})


def losses_of(objective: Objective, recipe: Recipe, features: Features | None) -> Callable[[nn.Module, Batch], Tensor]:
    """The losses (B) of a model for a batch of the feed; of its head alone, where the feed holds features.

    It does not know the `Training` that it belongs to. In such a circle, a run's weights and moments would outlive the
    run until Python next looks for circles, and a study would grow by them with every run.
    """

    def losses(model: nn.Module, batch: Batch) -> Tensor:
        return objective.losses(model if features is None else PooledHead(model), recipe, batch)

    return losses


def moving_average(model: nn.Module, decay: float | None) -> "ModelEmaV3 | None":
    """timm's moving average of W, λ and W′ each, whose sum is EMA(W) + EMA(λ)·EMA(W′); None without a decay."""
    if not decay:
        return None
    # timm takes longer to import than torch.
    from timm.utils.model_ema import ModelEmaV3

    return ModelEmaV3(model, decay=decay, use_warmup=True)
