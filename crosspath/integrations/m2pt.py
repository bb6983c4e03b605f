"""For code that has a copy of the published `multimodal_pathway.py` (M2PT, commit 57cd821): the same call, and the
state dicts that its models were saved with.

A copied layer keeps λ as `LAYER.cross_modal_scale` and W' as `LAYER.aux_weight` beside `LAYER.weight`.
"""

import warnings
from collections.abc import Sequence

from torch import nn

from crosspath.checkpoints.reparameterized import load_reparameterized, merge_reparameterized
from crosspath.pathway import PathwayError, Pathways, connect
from crosspath.pathway.sources.wrappers import unwrap, unwrap_auxiliary

__all__ = ["DIFFERENCES", "load_reparameterized", "merge_reparameterized", "reparameterize_aux_into_target_model"]

SEQUENCES = (nn.ModuleList, nn.Sequential)

DIFFERENCES = (
    "the auxiliary model is only copied; it is neither trained nor changed, and its requires_grad stays as it is",
    "layers stay the target's own, with their device, dtype, hooks and frozen weights; none is replaced",
    "attention that reads qkv.weight itself gets its pathway, too",
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
    is_aux_trainable: bool = True,
) -> Pathways:
    """The published function with its own signature, over `crosspath.connect`: one λ for each layer, 0 at the start; W,
    W' and λ are all trained.

    New code calls `crosspath.connect(target, auxiliary)`, which recognises the layers automatically.

    Parameters
    ----------
    layer_names
        The layers of a block, by their dotted names inside it; the same in both models.
    main_body_name
        The dotted name of the sequence of blocks; the same in both models. Where the models passed are such sequences
        themselves, it is not looked at.
    is_aux_trainable
        Whether W' is trained, as copies of the file have it.

    Raises
    ------
    PathwayError
        For everything that does not pair, in one message. The target is untouched.
    """
    warnings.warn(
        "crosspath: this differs from the published multimodal_pathway.py: " + "; ".join(DIFFERENCES), stacklevel=2
    )
    if not isinstance(main_body_name, str):
        todo = "pass it as is_aux_trainable="
        raise PathwayError("main_body_name", "a dotted name", repr(main_body_name), todo)
    wrapper, target_model, aux_model = target_model, unwrap(target_model), unwrap_auxiliary(aux_model)
    target_blocks = _blocks(target_model, main_body_name, "target")
    aux_blocks = _blocks(aux_model, main_body_name, "auxiliary")
    starts = [f"{main_body_name}." * (not isinstance(model, SEQUENCES)) for model in (target_model, aux_model)]
    if len(target_blocks) != len(aux_blocks):
        found = f"{len(target_blocks)} in the target and {len(aux_blocks)} in the auxiliary"
        todo = "choose pairs with crosspath.connect(blocks={target: auxiliary})"
        raise PathwayError(main_body_name, "as many blocks in the auxiliary", found, todo)
    names: dict[str, str] = {}
    faults: list[str] = []
    for (name, block), (aux_name, aux_block) in zip(target_blocks.items(), aux_blocks.items(), strict=True):
        heads, aux_heads = _heads(block), _heads(aux_block)
        if heads and aux_heads and heads != aux_heads:
            faults.append(
                f"{main_body_name}.{name}: target has {sorted(heads)} heads, auxiliary has {sorted(aux_heads)}; "
                'crosspath.connect(accept={"heads"}) pairs them anyway'
            )
        for layer in layer_names:
            names[f"{starts[0]}{name}.{layer}.weight"] = f"{starts[1]}{aux_name}.{layer}.weight"
    if faults:
        raise PathwayError.of(main_body_name, faults)
    return connect(wrapper, aux_model, names=names, train_auxiliary=is_aux_trainable)


def _blocks(model: nn.Module, name: str, side: str) -> dict[str, nn.Module]:
    if isinstance(model, SEQUENCES):
        return dict(model.named_children())
    try:
        return dict(model.get_submodule(name).named_children())
    except AttributeError:
        found = f"no {name!r} in {type(model).__name__}"
        raise PathwayError("main_body_name", f"a sequence of blocks in the {side}", found, "correct the name") from None


def _heads(block: nn.Module) -> set[int]:
    counts = (getattr(module, "num_heads", None) for module in block.modules())
    return {count for count in counts if isinstance(count, int)}
