"""For code that carries a copy of the published `multimodal_pathway.py` (M2PT, commit 57cd821): the same call, and the
state dicts that the copy leaves behind.

A copied layer keeps λ as `LAYER.cross_modal_scale` and W' as `LAYER.aux_weight` beside `LAYER.weight`.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from crosspath.pathway import PathwayError, Pathways, connect
from crosspath.pathway.combine import Spread, effective_weight
from crosspath.pathway.parameters import plain_state

SCALE, WEIGHT = "cross_modal_scale", "aux_weight"
"""What the published layer calls λ and W'. (An older copy of it, in the point segmentation, says `pretrained_scale` and
`pretrained_weight`.)"""

DIFFERENCES = (
    "the auxiliary model is copied from; it is neither trained nor changed, and its requires_grad stays as it is",
    "layers stay the target's own, with their device, dtype, hooks and frozen weights; none is replaced",
    "attention that reads qkv.weight itself has its pathway, too",
    "a layer without bias works",
    "other depths, other head counts, other shapes and missing layers are one error before anything is touched",
    "a second call adds an auxiliary; it does not drop the first",
    "the state dict's keys are ….parametrizations.weight.…; load older ones with "
    "crosspath.integrations.m2pt.load_reparameterized, and save with crosspath.save_pathway or after crosspath.merge",
)
"""How `reparameterize_aux_into_target_model` differs from the published function; each call warns of them."""


def reparameterize_aux_into_target_model(
    target_model: nn.Module,
    aux_model: nn.Module,
    layer_names: Sequence[str] = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"),
    main_body_name: str = "blocks",
) -> Pathways:
    """The published function by its own signature, over `crosspath.connect`: λ = 0, one a layer, all of it trained.

    New code calls `crosspath.connect(target, auxiliary)`, which finds the layers itself.

    Parameters
    ----------
    layer_names
        The layers of a block, by their dotted names inside it; the same in both models.
    main_body_name
        The dotted name of the sequence of blocks; the same in both models.

    Raises
    ------
    PathwayError
        For everything that does not pair, in one message; the target is untouched.
    """
    warnings.warn(
        "crosspath: this differs from the published multimodal_pathway.py: " + "; ".join(DIFFERENCES), stacklevel=2
    )
    target_blocks = _blocks(target_model, main_body_name, "target")
    aux_blocks = _blocks(aux_model, main_body_name, "auxiliary")
    if len(target_blocks) != len(aux_blocks):
        raise PathwayError(
            f"{main_body_name}: expected as many blocks in the auxiliary, found {len(target_blocks)} in the target and "
            f"{len(aux_blocks)} in the auxiliary; choose pairs with crosspath.connect(blocks={{target: auxiliary}})"
        )
    names: dict[str, str] = {}
    faults: list[str] = []
    for (name, block), (aux_name, aux_block) in zip(target_blocks.items(), aux_blocks.items(), strict=True):
        heads, aux_heads = _heads(block), _heads(aux_block)
        if heads and aux_heads and heads != aux_heads:
            faults.append(
                f"{main_body_name}.{name}: target has {sorted(heads)} heads, auxiliary has {sorted(aux_heads)}; "
                'crosspath.connect(accept={"heads"}) takes the rows as they are'
            )
        for layer in layer_names:
            names[f"{main_body_name}.{name}.{layer}.weight"] = f"{main_body_name}.{aux_name}.{layer}.weight"
    if faults:
        raise PathwayError("\n".join(faults))
    return connect(target_model, aux_model, names=names)


def load_reparameterized(
    target: nn.Module, state: Mapping[str, Tensor], *, scale_key: str = SCALE, weight_key: str = WEIGHT
) -> Pathways:
    """Fill a plain target from a state dict of swapped layers, and connect it with the λ and W' found there.

    `crosspath.merge` or `crosspath.save_pathway` may follow.

    Parameters
    ----------
    target
        The plain model; its layers not swapped, and not connected.
    state
        `model.state_dict()` of the model with swapped layers, or the entry `model` of a published checkpoint.
    scale_key, weight_key
        What the swapped layer calls λ and W', where a copy renamed them.

    Raises
    ------
    PathwayError
        For a state dict without such layers, or one that does not fit the target. The target is untouched.
    """
    plain, layers = _split(state, scale_key, weight_key)
    own = plain_state(target)
    wrong = [f"{name} missing" for name in own if name not in plain]
    wrong += [f"{name} unexpected" for name in plain if name not in own]
    wrong += [
        f"{name} {tuple(plain[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in plain and plain[name].shape != own[name].shape
    ]
    if wrong:
        raise PathwayError(f"state dict: expected the tensors of this target, found {'; '.join(wrong)}")
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
    """The plain state dict in which each weight is W + λ·W', for a model without swapped layers.

    Raises
    ------
    PathwayError
        For a state dict without such layers, or one in which a part of a layer is missing or of another shape.
    """
    plain, layers = _split(state, scale_key, weight_key)
    for layer, (scale, auxiliary) in layers.items():
        weight = plain[f"{layer}.weight"]
        rows = len(weight)
        spread = Spread(((0, rows),), rows, 0, ((0, 1, rows),))
        with torch.no_grad():
            plain[f"{layer}.weight"] = effective_weight(weight, [auxiliary], [scale], [spread])
    return plain


def _blocks(model: nn.Module, name: str, side: str) -> dict[str, nn.Module]:
    try:
        return dict(model.get_submodule(name).named_children())
    except AttributeError:
        raise PathwayError(
            f"main_body_name: expected a sequence of blocks in the {side}, found no {name!r} in {type(model).__name__}"
        ) from None


def _heads(block: nn.Module) -> set[int]:
    found = (getattr(module, "num_heads", None) for module in block.modules())
    return {heads for heads in found if isinstance(heads, int)}


def _split(
    state: Mapping[str, Tensor], scale_key: str, weight_key: str
) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]:
    """The plain tensors, and {layer: (λ, W')}."""
    layers = {name.removesuffix(f".{scale_key}") for name in state if name.endswith(f".{scale_key}")}
    layers |= {name.removesuffix(f".{weight_key}") for name in state if name.endswith(f".{weight_key}")}
    if not layers:
        raise PathwayError(
            f"state dict: expected layers with {scale_key} and {weight_key}, found none; pass the model's own state "
            "dict (the entry `model` of a published checkpoint), or name the keys of the copy"
        )
    faults = list(_faults(state, sorted(layers), scale_key, weight_key))
    if faults:
        raise PathwayError("\n".join(faults))
    extra = {f"{layer}.{key}" for layer in layers for key in (scale_key, weight_key)}
    plain = {name: value for name, value in state.items() if name not in extra}
    return plain, {layer: (state[f"{layer}.{scale_key}"], state[f"{layer}.{weight_key}"]) for layer in sorted(layers)}


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
