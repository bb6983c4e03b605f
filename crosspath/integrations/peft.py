"""peft's LoRA adapters on a connected model: both merge, in either order, to W + B·A·s + λ·W'.

Pathways first: `crosspath.merge(model)`, then peft's own `merge_and_unload()`. Adapters first: `merge_lora(model)`,
then `crosspath.merge`. peft's own merge on a connected layer would be lost: it adds to the weight that it reads, and a
connected layer computes its weight at every read.

`get_peft_model` freezes everything except its adapters, and so λ too: connect after it.
"""

from typing import Any, cast

from peft import PeftModel
from peft.tuners import lora
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from crosspath.pathway import MatchReport, PathwayError
from crosspath.pathway.handle import Pathways
from crosspath.pathway.safeguards import guard
from crosspath.pathway.sources.parameters import connections

ADDITIVE = (lora.Linear, lora.Conv2d, lora.Embedding)
"""Adapters that only add B·A to the target's own weight."""


def merge_lora(model: PeftModel) -> nn.Module:
    """Merge the LoRA adapters into the target's own weights. Returns the model without peft; its pathways stay.

    On a model without pathways this is peft's `merge_and_unload`.

    Raises
    ------
    PathwayError
        For an adapter on a connected layer that does more than add (DoRA, IA3): merge the pathways first.
    """
    ids = {id(holder.module) for holder, _ in connections(model)}
    for name, layer in model.named_modules():
        if not isinstance(layer, BaseTunerLayer) or id(layer.get_base_layer()) not in ids:
            continue
        if not isinstance(layer, ADDITIVE) or layer.lora_variant:
            kinds = {type(part).__name__ for part in (layer, *getattr(layer, "lora_variant", {}).values())}
            raise PathwayError(name, "plain LoRA", " with ".join(sorted(kinds)), "call crosspath.merge before it")
    handle = Pathways(model)
    # While disabled, a connected layer's weight is the target's own Parameter, which peft adds to in place.
    with handle.disabled():
        plain = cast(Any, model).merge_and_unload()
    assert isinstance(plain, nn.Module)
    for auxiliary, origin in handle.origins.items():
        Pathways(plain).record(auxiliary, origin, MatchReport((), ()))
    if ids:
        guard(plain)
    return plain
