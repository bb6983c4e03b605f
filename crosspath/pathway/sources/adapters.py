"""Layers of an auxiliary that have adapters: what they compute with once these are merged."""

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.pathway.engines.engine import detach
from crosspath.pathway.sources.layer_values import Layer, Names, Values, read, refuse
from crosspath.pathway.sources.parameters import connections
from crosspath.pathway.sources.source import ModuleSource, Source
from crosspath.pathway.sources.wrappers import plain_name

ADAPTER = re.compile(
    r"(?:^|\.)(lora_(?:[AaBb]|embedding_[AB]|down|up|magnitude\w*)|(?:hada|lokr)_w\w+|oft_[rR]|boft_[RSs]|ia3_l|"
    r"vera_lambda_\w+|base_layer)(?:\.|$)"
)
"""Names of adapters' parts: peft, loralib, kohya."""
MERGE_ADAPTERS = "merge the adapters (peft: model.merge_and_unload()) and pass that model"


def refuse_adapter_names(where: str, names: Iterable[str]) -> None:
    """Raise `PathwayError` where stored names are those of adapters' parts."""
    name = next((name for name in names if ADAPTER.search(name) is not None), None)
    if name is not None:
        raise PathwayError(where, "plain weights", f"adapters ({name})", MERGE_ADAPTERS)


def adapter_layers(source: Source, names: Names) -> Iterator[Layer]:
    """Layers of peft: what they compute with when their active adapters are merged, as peft merges them."""
    if not isinstance(source, ModuleSource):
        return
    for path, module in source.module.named_modules():
        layer: Any = module
        prefix = plain_name(f"{path}.") if path else ""
        if ".base_layer." in f".{prefix}":
            continue
        if "base_layer" in module._modules and callable(getattr(layer, "merge", None)):
            inside = f"{prefix}base_layer."
            others = {name for name in names if name.startswith(prefix)}
            for name in others & source.shapes().keys():
                attribute = name.removeprefix(inside)
                if name.startswith(inside) and ADAPTER.search(attribute) is None:
                    yield prefix + attribute, name, others, _merged_weight(source, path, layer, attribute)
        elif "modules_to_save" in module._modules and "original_module" in module._modules:
            active = [name for name in layer.active_adapters if name in layer.modules_to_save]
            start = f"modules_to_save.{active[0]}." if active and not layer.disable_adapters else "original_module."
            others = {name for name in names if name.startswith(prefix)}
            for name in sorted(name for name in others if name.startswith(prefix + start)):
                yield prefix + name.removeprefix(prefix + start), name, others, read(source, name)
        elif {"lora_A", "lora_B"} <= module._parameters.keys() and getattr(layer, "merged", False):
            # loralib's layers; in eval mode their weight holds the adapter already.
            weight, others = f"{prefix}weight", {f"{prefix}lora_A", f"{prefix}lora_B"}
            yield weight, weight, others, read(source, weight)


def _merged_weight(source: Source, path: str, layer: nn.Module, attribute: str) -> Values:
    def values() -> Tensor:
        merged: Any = copy.deepcopy(layer)
        # peft adds to the weight that it reads; that of a connected layer is computed anew at every read.
        for holder, _ in list(connections(merged)):
            value = getattr(holder.module, holder.attribute).detach().clone()
            detach(holder.module, holder.attribute).copy_(value)
        try:
            if merged.disable_adapters:
                merged.unmerge()
            else:
                merged.merge()
        except Exception as error:
            found = f"an adapter that peft cannot merge ({type(error).__name__}: {error})"
            refuse(source, f"plain weights at {path}", found, "pass the model without it (model.unload())")
        path_inside, _, last = attribute.rpartition(".")
        result: Tensor = getattr(merged.get_base_layer().get_submodule(path_inside), last)
        return result

    return values
