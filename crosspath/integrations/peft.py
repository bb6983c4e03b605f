"""LoRA adapters of peft on a connected model: both merge, in either order, to W + B·A·s + λ·W'.

Pathways first: `crosspath.merge(model)`, then peft's own `merge_and_unload()`. Adapters first: `merge_lora(model)`,
then `crosspath.merge`. peft's own merge on a connected layer would be lost: it adds to the weight that it reads, and a
connected layer's weight is computed anew at every read.

`get_peft_model` freezes everything but its adapters, λ among it: connect after it.
"""

from typing import Any, cast

from peft import PeftModel
from peft.tuners import lora
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from crosspath.pathway import MatchReport, PathwayError
from crosspath.pathway.handle import Pathways
from crosspath.pathway.parameters import connections

ADDITIVE = (lora.Linear, lora.Conv2d, lora.Embedding)
"""Adapters that add B·A to the target's own weight, whatever else is added."""


def merge_lora(model: PeftModel) -> nn.Module:
    """Fold the LoRA adapters into the target's own weights; the pathways stay, and the model comes back without peft.

    On a model without pathways it is peft's `merge_and_unload`.

    Raises
    ------
    PathwayError
        For an adapter on a connected layer that is more than a sum (DoRA, IA3): merge the pathways first, then it is
        right.
    """
    changed = {id(holder.module) for holder, _ in connections(model)}
    for name, layer in model.named_modules():
        if not isinstance(layer, BaseTunerLayer) or id(layer.get_base_layer()) not in changed:
            continue
        if not isinstance(layer, ADDITIVE) or layer.lora_variant:
            kinds = {type(part).__name__ for part in (layer, *getattr(layer, "lora_variant", {}).values())}
            found = " with ".join(sorted(kinds))
            raise PathwayError(f"{name}: expected plain LoRA, found {found}; call crosspath.merge before it")
    handle = Pathways(model)
    # Switched off, a connected layer's weight is the target's own Parameter, which peft adds to in place.
    with handle.disabled():
        merged = cast(Any, model).merge_and_unload()
    assert isinstance(merged, nn.Module)
    for auxiliary, origin in handle.origins.items():
        Pathways(merged).record(auxiliary, origin, MatchReport((), ()))
    return merged
