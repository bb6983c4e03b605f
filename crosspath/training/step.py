"""One optimisation step: forward and backward over the parts of a batch, one clip, one update."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from crosspath.evaluation.devices import Compute
from crosspath.objectives import Batch
from crosspath.pathway.sources.parameters import every_parameter
from crosspath.training.processes import Processes


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """What every step of a run has in common."""

    model: nn.Module
    """The model as `Processes.wrap` returns it."""
    optimizer: torch.optim.Optimizer
    losses: Callable[[nn.Module, Batch], Tensor]
    """The loss of each sample of a part (B,)."""
    compute: Compute
    clip_norm: float | None = None
    processes: Processes = field(default_factory=lambda: Processes(0, 1))
    scaler: torch.amp.GradScaler | None = None
    """Of float16: small gradients would round to zero."""

    def step(self, parts: Sequence[Batch], check: Callable[[Tensor], None] = lambda _: None) -> Tensor:
        """One update from this process's parts of a batch; returns the mean loss of the complete batch, detached.

        `check` is called with it before the update.

        Each part's loss is a sum divided by the size of the complete batch, so parts and processes of unequal size
        still give the gradient of the mean over the complete batch.
        """
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.compute.device)
        for number, part in enumerate(parts, 1):
            with self.processes.sync_context(self.model, number == len(parts)):
                with self.compute.autocast():
                    losses_B = self.losses(self.model, part)
                loss = losses_B.sum() / part.batch_size
                total += loss.detach()
                # Gradients of several processes are averaged, where their sum is meant.
                self._backward(loss * self.processes.count if self.processes.count > 1 else loss)
        total = self.processes.sum(total)
        check(total)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        if self.clip_norm is not None:
            # The norm is over W' and λ as well, whose gradients an optimizer that holds them computes in its step.
            # Imports torch's compiler, which the optimizer has imported already.
            from crosspath.pathway.engines.optimizer_steps import fill_gradients

            fill_gradients(self.model)
            nn.utils.clip_grad_norm_(every_parameter(self.model), self.clip_norm)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return total

    def _backward(self, loss: Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
