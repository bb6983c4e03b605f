"""The scales of a model as numbers for a trainer's log."""

import torch
from torch import Tensor, nn

from crosspath.pathway import pathways


@torch.no_grad()
def scales_to_log(target: nn.Module) -> tuple[list[str], Tensor]:
    """Names `pathway/WEIGHT/AUXILIARY`, and as many λ, shape (names,), in float32 on the model's device.

    For a weight with several λ (`scale_per` role, head or channel) it is the mean of their absolute values.

    Raises
    ------
    PathwayError
        Without pathways.
    """
    scales = pathways(target).scales()
    means = [scale.mean() if scale.numel() == 1 else scale.abs().mean() for scale in scales.values()]
    return [f"pathway/{weight}/{name}" for weight, name in scales], torch.stack([mean.float() for mean in means])
