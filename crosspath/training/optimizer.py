"""AdamW over the parameter groups of a model, with or without pathways."""

import torch
from torch import nn

from crosspath.config.training import OptimizerSection
from crosspath.pathway import param_groups
from crosspath.training.schedule import PEAK


def build_optimizer(model: nn.Module, section: OptimizerSection) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) with the section's rates.

    Each group remembers its peak rate for the schedule. λ has its own rate, no weight decay and no layer decay.
    """
    groups = param_groups(
        model,
        lr=section.lr,
        weight_decay=section.weight_decay,
        layer_decay=section.layer_decay,
        scale_lr=section.scale_lr,
    )
    for group in groups:
        group[PEAK] = group["lr"]
    return torch.optim.AdamW(groups, lr=section.lr, betas=section.betas, eps=section.eps, fused=True)
