"""LARS (You et al. 2017, arXiv 1708.03888), the optimizer of the published linear probes."""

from typing import Any

from timm.optim.lars import Lars

from crosspath.config.training import OptimizerSection


def lars(groups: list[dict[str, Any]], section: OptimizerSection) -> Lars:
    """timm's LARS over parameter groups with their own rate and decay, set as MAE's probes use it.

    Weights with two axes or more have their gradient scaled by `trust` · ‖w‖ / ‖gradient‖, with or without decay;
    biases and scales λ get plain momentum without decay.
    """
    lars_groups = []
    for group in groups:
        for adapt in (True, False):
            own = [parameter for parameter in group["params"] if (parameter.ndim > 1) == adapt]
            decay = group["weight_decay"] if adapt else 0.0
            if own:
                lars_groups.append({**group, "params": own, "weight_decay": decay, "always_adapt": adapt})
    return Lars(lars_groups, lr=section.lr, momentum=section.momentum, trust_coeff=section.trust)
