"""The optimizer over the parameter groups of a model, with or without pathways."""

import torch
from torch import nn

from crosspath.config import Recipe
from crosspath.config.training import OptimizerSection
from crosspath.pathway import param_groups, pathways
from crosspath.pathway.engines.engine import engine_of
from crosspath.training.schedule import PEAK


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) or LARS, at the recipe's rates.

    Each group remembers its peak rate for the schedule. λ has its own rate, no weight decay and no layer decay.
    """
    section = recipe.optimizer
    factor = rate_factor(section, recipe.train.batch_size)
    groups = param_groups(
        model,
        lr=section.lr * factor,
        weight_decay=section.weight_decay,
        layer_decay=section.layer_decay,
        scale_lr=None if section.scale_lr is None else section.scale_lr * factor,
        # The recipe's own value, null included: the rate of its start is in it where it was not replaced.
        auxiliary_lr=(section.lr if section.auxiliary_lr is None else section.auxiliary_lr) * factor,
    )
    for group in groups:
        group[PEAK] = group["lr"]
    optimizer: torch.optim.Optimizer
    if section.name == "lars":
        # Of timm, which takes longer to import than torch.
        from crosspath.training.lars import lars

        optimizer = lars(groups, section)
    else:
        rate = section.lr * factor
        optimizer = torch.optim.AdamW(groups, lr=rate, betas=section.betas, eps=section.eps, fused=True)
    if engine_of(model) == "optimizer":
        pathways(model).attach(optimizer)
    return optimizer


def rate_factor(section: OptimizerSection, batch_size: int) -> float:
    """What the recipe's rates are multiplied with: the linear rule of Goyal et al. (2017, arXiv 1706.02677)."""
    return 1.0 if section.lr_per_samples is None else batch_size / section.lr_per_samples
