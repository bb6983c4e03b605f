"""One optimisation step."""

import torch
from torch import Tensor, nn

from crosspath.evaluation.devices import Compute
from crosspath.objectives.classification import soft_cross_entropy


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Tensor,
    targets_BK: Tensor,
    *,
    compute: Compute,
    smoothing: float,
    clip_norm: float | None,
) -> Tensor:
    """Forward, loss, backward, clip, update; returns the loss (a scalar on the device, detached)."""
    with compute.autocast():
        logits_BK = model(batch)
    loss = soft_cross_entropy(logits_BK, targets_BK, smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    return loss.detach()
