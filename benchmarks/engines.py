"""A model of both engines with its optimizer, W' frozen or trained."""

from collections.abc import Mapping

import torch
from torch import nn

import crosspath
from crosspath.pathway.engines.engine import Engine

WITH_PATHWAYS = ("held-frozen", "held-trained", "live-frozen", "live-trained")
MEANINGS = "`held`: the optimizer's engine; `live`: the live sum; W′ frozen or trained; all train λ."


def connect_variant(variant: str, model: nn.Module, auxiliaries: Mapping[str, nn.Module]) -> crosspath.Pathways | None:
    """Connect the model, as one of `WITH_PATHWAYS` says; other variants are left plain."""
    if variant not in WITH_PATHWAYS:
        return None
    engine: Engine = "optimizer" if variant.startswith("held") else "live"
    train_auxiliary = variant.endswith("trained")
    return crosspath.connect(model, dict(auxiliaries), scale_init=0.1, train_auxiliary=train_auxiliary, engine=engine)


def optimizer_of(model: nn.Module, pathway: crosspath.Pathways | None) -> torch.optim.Optimizer:
    """Fused AdamW for the model and its pathways."""
    optimizer = torch.optim.AdamW(crosspath.param_groups(model, lr=1e-4, weight_decay=0.05), fused=True)
    if pathway is not None and pathway.engine == "optimizer":
        pathway.attach(optimizer)
    return optimizer
