"""What stands around a block's matrices, by the names of a file's weights: nothing is there to be run."""

from collections.abc import Iterable, Mapping

from crosspath.layouts import Norm, Role
from crosspath.layouts.norms import (
    ACTIVATION_NAMES,
    ACTIVATIONS,
    ATTENTION_NORMS,
    ATTENTION_SCALES,
    EPS,
    MLP_NORMS,
    MLP_SCALES,
    NORM_SCALES,
    NORM_SHIFTS,
)
from crosspath.layouts.words import BUFFERS
from crosspath.pathway.anatomy.slot import Slot
from crosspath.pathway.canonical.surroundings import NormBefore, Surroundings, Unfoldable
from crosspath.pathway.sources.description import Description

PASS_MODULE = 'pass the module, which shows it; or accept={"fold"} takes these weights as they are'


def named_surroundings(
    vectors: Iterable[str],
    slots: Mapping[Role, Slot],
    placement: Norm | None,
    description: Description | None,
    path: str,
) -> Surroundings | Unfoldable:
    """What the names say.

    Parameters
    ----------
    vectors
        The block's parameters that are no matrices, by names inside the block.
    slots
        Its roles, by names inside the block.
    placement
        Where the block normalises, as far as that is known.
    path
        The block's name in the file.
    """
    if placement is None:
        return Unfoldable("nothing states where its blocks normalise", PASS_MODULE)
    if placement != "pre":
        return Unfoldable("it is post-norm: its norms stand on the residual stream, and scale it")
    vectors = [name for name in vectors if not any(part in name for part in BUFFERS)]
    eps, activation = _settings(description, path)
    norms: dict[str, NormBefore] = {}
    layer_scales: dict[str, str] = {}
    sides = (
        (("query", "key", "value"), "attention_output", ATTENTION_NORMS, ATTENTION_SCALES),
        (("mlp_in", "mlp_gate"), "mlp_out", MLP_NORMS, MLP_SCALES),
    )
    for readers, writer, norm_names, scale_names in sides:
        own = [slots[role] for role in readers if role in slots]
        norm = next((norm for name in norm_names if (norm := _norm(name, vectors, eps)) is not None), None)
        if own and norm is None:
            return Unfoldable(f"none of its norms has a name that says that it feeds {own[0].weight}", PASS_MODULE)
        if norm is not None and norm.shift is None:
            return Unfoldable(f"whether {norm.scale} is a LayerNorm's or an RMSNorm's, names do not tell", PASS_MODULE)
        norms |= {slot.weight: norm for slot in own if norm is not None}
        scale = next((name for name in scale_names if name in vectors), None)
        if scale is not None and writer in slots:
            layer_scales[slots[writer].weight] = scale
    covered_names = {
        *(slot.bias.weight for slot in slots.values() if slot.bias is not None),
        *(name for norm in norms.values() for name in (norm.scale, norm.shift)),
        *layer_scales.values(),
        *(slot.weight for slot in slots.values()),
    }
    others = tuple(name for name in vectors if name not in covered_names)
    caveat = "which norm feeds which weight of the auxiliary: by names alone"
    return Surroundings(norms, layer_scales, others, activation, caveats=(caveat,))


def _norm(name: str, vectors: list[str], eps: float | None) -> NormBefore | None:
    scale = next((f"{name}.{word}" for word in NORM_SCALES if f"{name}.{word}" in vectors), None)
    shift = next((f"{name}.{word}" for word in NORM_SHIFTS if f"{name}.{word}" in vectors), None)
    return None if scale is None else NormBefore("layer", scale, shift, eps)


def _settings(description: Description | None, path: str) -> tuple[float | None, str | None]:
    """ε of the norms and the activation, where a `config.json` states them."""
    if description is None:
        return None, None
    eps, activation = description.setting(EPS, path), description.setting(ACTIVATIONS, path)
    return eps if isinstance(eps, float) else None, ACTIVATION_NAMES.get(str(activation))
