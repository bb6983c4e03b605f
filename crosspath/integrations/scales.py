"""The scales of a model as numbers for a trainer's log."""

import torch
from torch import Tensor, nn

from crosspath.pathway import pathways


@torch.no_grad()
def scales_to_log(target: nn.Module) -> tuple[list[str], Tensor]:
    """Names `pathway/WEIGHT/AUXILIARY`, and as many λ in float32 on the model's device.

    Where a weight has several λ (`scale_per` role, head or channel), the mean of their absolute values stands for
    them.

    Raises
    ------
    PathwayError
        Without pathways.
    """
    found = pathways(target).scales()
    means = [scale.mean() if scale.numel() == 1 else scale.abs().mean() for scale in found.values()]
    return [f"pathway/{weight}/{name}" for weight, name in found], torch.stack([mean.float() for mean in means])
