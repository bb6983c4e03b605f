"""State dicts of models whose linear layers M2PT's `multimodal_pathway.py` (commit 57cd821) has replaced.

Such a layer keeps λ as `LAYER.cross_modal_scale` and W' as `LAYER.aux_weight` beside `LAYER.weight`.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from crosspath.files import tensor_faults
from crosspath.pathway import PathwayError, Pathways, connect
from crosspath.pathway.engines.combine import effective_weight
from crosspath.pathway.engines.overlay import Overlay
from crosspath.pathway.sources.parameters import plain_state

SCALE, WEIGHT = "cross_modal_scale", "aux_weight"
"""The published layer's names of λ and W'. (An older copy, in the point segmentation, has `pretrained_scale` and
`pretrained_weight`.)"""


def load_reparameterized(
    target: nn.Module, state: Mapping[str, Tensor], *, scale_key: str = SCALE, weight_key: str = WEIGHT
) -> Pathways:
    """Load a state dict of replaced layers into a plain target, connected with the state dict's λ and W'.

    `crosspath.merge` or `crosspath.save_pathway` may follow.

    Parameters
    ----------
    target
        The plain model: its own linear layers, not connected.
    state
        `model.state_dict()` of the model with replaced layers, or the entry `model` of a published checkpoint.
    scale_key, weight_key
        The layer's names of λ and W', where a copy has renamed them.

    Raises
    ------
    PathwayError
        For a state dict without such layers, or one that does not fit the target. The target is then unchanged.
    """
    plain, layers = split_reparameterized(state, scale_key, weight_key)
    faults = tensor_faults(plain, plain_state(target))
    if faults:
        found = "; ".join(faults)
        raise PathwayError("state dict", "the tensors of this target", found, "load it into the model it came from")
    auxiliary = {f"{layer}.weight": weight for layer, (_, weight) in layers.items()}
    pathway = connect(target, {"auxiliary": auxiliary}, names=list(auxiliary))
    with torch.no_grad():
        for name, tensor in plain_state(target).items():
            tensor.copy_(plain[name])
        for (name, _), scale in pathway.scales().items():
            scale.copy_(layers[name.removesuffix(".weight")][0])
    return pathway


def merge_reparameterized(
    state: Mapping[str, Tensor], *, scale_key: str = SCALE, weight_key: str = WEIGHT
) -> dict[str, Tensor]:
    """The plain state dict in which each weight is W + λ·W', for a model with plain linear layers.

    Raises
    ------
    PathwayError
        For a state dict without such layers, or one in which a part of a layer is missing or of another shape.
    """
    plain, layers = split_reparameterized(state, scale_key, weight_key)
    for layer, (scale, auxiliary) in layers.items():
        weight = plain[f"{layer}.weight"]
        with torch.no_grad():
            plain[f"{layer}.weight"] = effective_weight(weight, [auxiliary], [scale], [Overlay.single(len(weight))])
    return plain


def split_reparameterized(
    state: Mapping[str, Tensor], scale_key: str = SCALE, weight_key: str = WEIGHT
) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]:
    """The plain tensors, and {layer: (λ, W')}. Raises `PathwayError`: see `merge_reparameterized`."""
    state = _published_names(state, scale_key, weight_key)
    layers = {name.removesuffix(f".{scale_key}") for name in state if name.endswith(f".{scale_key}")}
    layers |= {name.removesuffix(f".{weight_key}") for name in state if name.endswith(f".{weight_key}")}
    if not layers:
        expected = f"layers with {scale_key} and {weight_key}"
        todo = "pass the model's own state dict (entry `model` of a published checkpoint), or name the copy's keys"
        raise PathwayError("state dict", expected, "none", todo)
    faults = list(_faults(state, sorted(layers), scale_key, weight_key))
    if faults:
        raise PathwayError.of("state dict", faults)
    extra = {f"{layer}.{key}" for layer in layers for key in (scale_key, weight_key)}
    plain = {name: value for name, value in state.items() if name not in extra}
    return plain, {layer: (state[f"{layer}.{scale_key}"], state[f"{layer}.{weight_key}"]) for layer in sorted(layers)}


def _published_names(state: Mapping[str, Tensor], scale_key: str, weight_key: str) -> dict[str, Tensor]:
    """Without the prefix of DistributedDataParallel, and without the layers inside a layer that some copies keep."""
    prefix = "module." * all(name.startswith("module.") for name in state)
    plain = {name.removeprefix(prefix): value for name, value in state.items()}
    for name in [name for name in plain if name.endswith(f".{scale_key}")]:
        layer = name.removesuffix(scale_key)
        if f"{layer}original_linear.weight" in plain and f"{layer}auxiliary_linear.weight" in plain:
            plain[f"{layer}{weight_key}"] = plain.pop(f"{layer}auxiliary_linear.weight")
            plain.pop(f"{layer}auxiliary_linear.bias", None)
            for attribute in ("weight", "bias"):
                if f"{layer}original_linear.{attribute}" in plain:
                    plain[layer + attribute] = plain.pop(f"{layer}original_linear.{attribute}")
    return plain


def _faults(state: Mapping[str, Tensor], layers: Sequence[str], scale_key: str, weight_key: str) -> Iterator[str]:
    for layer in layers:
        missing = [key for key in ("weight", scale_key, weight_key) if f"{layer}.{key}" not in state]
        if missing:
            yield f"{layer}: expected weight, {scale_key} and {weight_key}, found no {' and no '.join(missing)}"
            continue
        shapes = [tuple(state[f"{layer}.{key}"].shape) for key in ("weight", scale_key, weight_key)]
        if shapes[0] != shapes[2] or shapes[1] != (1,):
            yield (
                f"{layer}: expected {weight_key} {shapes[0]} like weight and {scale_key} (1,), "
                f"found {shapes[2]} and {shapes[1]}"
            )
