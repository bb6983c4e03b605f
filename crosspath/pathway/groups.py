"""Parameter groups for an optimizer: λ has its own rate and no decay, W' goes with its W."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from crosspath.errors import PathwayError
from crosspath.layouts import Layout
from crosspath.pathway.anatomy.anatomy import Anatomy
from crosspath.pathway.anatomy.layout_by_hand import check_stem
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.resolve_layout import resolve_layout
from crosspath.pathway.arguments import number_of
from crosspath.pathway.engines.engine import held_weights
from crosspath.pathway.origins import origins_of
from crosspath.pathway.sources.parameters import connections, holders
from crosspath.pathway.sources.source import ModuleSource
from crosspath.pathway.sources.wrappers import check_module, plain_name, unwrap
from crosspath.starts import STARTS


def param_groups(
    target: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    layer_decay: float | None = None,
    scale_lr: float | None = None,
    auxiliary_lr: float | None = None,
    layout: Layout | str | None = None,
) -> list[dict[str, Any]]:
    """Groups of every parameter that requires a gradient, for any `torch.optim` optimizer.

    Each group has `params`, `lr`, `weight_decay` and a `name`. Biases, norms and other one-dimensional parameters
    have no weight decay. W' has the decay and the layer-wise rate of its W, starting from `auxiliary_lr` (by default
    that of the start with which it was connected, such as 1e-4 of `whole-body`, else `lr`). λ has the rate `scale_lr`
    (by default `lr`), no decay and no layer decay.

    With `layer_decay` d and n blocks the rates are lr·dⁿ⁺¹ before the blocks, lr·dⁿ⁻ⁱ in block i, lr after them (the
    rule of MAE's fine-tuning). Blocks in stages are numbered consecutively; other weights of a stage have the rate of
    its first block. The blocks are recognised automatically, or are those of `layout` (its name, or a `Layout`).

    Raises
    ------
    PathwayError
        For `layer_decay` that is no factor above 0 and at most 1, or on a model in which no known layout, or not the
        one named, finds blocks; for `layout` without `layer_decay`.
    """
    check_module(target)
    target = unwrap(target)
    if layout is not None and layer_decay is None:
        raise PathwayError("layout", "layer_decay to go with it", "none", "give both, or leave it out")
    if layer_decay is not None:
        layer_decay = number_of(layer_decay, "layer_decay")
        if not 0 < layer_decay <= 1:
            raise PathwayError("layer_decay", "a factor above 0, at most 1", repr(layer_decay), "choose another value")
    table = resolve_layout(layout, "layout")
    anatomy = locate(ModuleSource(target), table) if layer_decay is not None else None
    if layer_decay is not None and anatomy is None:
        expected = "blocks of a known layout" if table is None else f"blocks of the layout {table.name!r}"
        raise PathwayError("layer_decay", expected, "none", "name another with layout=")
    if anatomy is not None and table is not None:
        check_stem(table, ModuleSource(target).shapes())
    layers = None if anatomy is None else _layers(target, anatomy)
    rates = _rates_of_starts(target)
    groups: dict[tuple[float, float, str], dict[str, Any]] = {}
    ids: set[int] = set()
    for name, parameter, kind in parameters_by_kind(target):
        if not parameter.requires_grad or id(parameter) in ids:
            continue
        ids.add(id(parameter))
        if kind == "scale":
            rate, decay, title = lr if scale_lr is None else scale_lr, 0.0, "scales"
        else:
            layer, last = (0, 0) if layers is None or anatomy is None else (layers[name], len(anatomy.blocks) + 1)
            base = rates.get(id(parameter), lr) if auxiliary_lr is None or kind != "auxiliary" else auxiliary_lr
            rate = base * (1.0 if layer_decay is None else layer_decay) ** (last - layer)
            decay = 0.0 if parameter.dim() < 2 or name.endswith(".bias") else weight_decay
            title = f"layer {layer}" if anatomy is not None else "weights"
            title += "" if decay or not weight_decay else ", no decay"
        group = groups.setdefault(
            (rate, decay, title), {"params": [], "lr": rate, "weight_decay": decay, "name": title}
        )
        group["params"].append(parameter)
    return list(groups.values())


def _rates_of_starts(target: nn.Module) -> dict[int, float]:
    """{id of W': the learning rate of the start with which it was connected}, where that states one."""
    starts = {name: STARTS.get(origin.options.get("start", "")) for name, origin in origins_of(target).items()}
    rates = {name: start.auxiliary_lr for name, start in starts.items() if start is not None}
    return {
        id(parameter): rate
        for _, pathway in connections(target)
        for name in pathway.overlays
        if (rate := rates.get(name)) is not None
        for parameter in pathway.leaves(name)
    }


def parameters_by_kind(target: nn.Module) -> Iterator[tuple[str, nn.Parameter, str]]:
    """(plain name of the target weight it belongs to, parameter, `target`, `auxiliary` or `scale`)."""
    for holder in holders(target):
        if isinstance(holder.parameter, nn.Parameter):
            yield holder.name, holder.parameter, "target"
        pathway = holder.pathway
        if pathway is not None:
            for name in pathway.overlays:
                yield from ((holder.name, leaf, "auxiliary") for leaf in pathway.leaves(name))
            yield from ((holder.name, pathway.scale(name), "scale") for name in pathway.scales)
    # Those inside another library's parametrization; the caller skips the ones above.
    yield from ((plain_name(name), parameter, "target") for name, parameter in target.named_parameters())


def leaf_parameters(target: nn.Module) -> Iterator[tuple[nn.Parameter, str]]:
    """(parameter, `target`, `auxiliary` or `scale`), each once: W, W' and λ of connected weights, never the sum that a
    module keeps for its optimizer, whose `requires_grad` says nothing of them.
    """
    originals = {id(weight.parameter): weight.original for weight in held_weights(target)}
    ids: set[int] = set()
    for _, parameter, kind in parameters_by_kind(target):
        leaf = originals.get(id(parameter), parameter)
        if id(leaf) not in ids:
            ids.add(id(leaf))
            yield leaf, kind


def _layers(target: nn.Module, anatomy: Anatomy) -> dict[str, int]:
    """{weight: its layer}: 0 before the blocks, i + 1 for block i, depth + 1 after them. Without a layout's table,
    weights between two blocks belong to the one before them in the order of the model's parameters.
    """
    names = [*dict.fromkeys(name for name, _, _ in parameters_by_kind(target))]
    if anatomy.layout.roles:
        return {name: _layer(name, anatomy) for name in names}
    positions = {path: position + 1 for position, path in enumerate(anatomy.paths.values())}
    inside = [max((path for path in positions if name.startswith(path)), key=len, default=None) for name in names]
    final = max((index for index, path in enumerate(inside) if path is not None), default=-1)
    layers, latest = {}, 0
    for index, (name, path) in enumerate(zip(names, inside, strict=True)):
        latest = positions[path] if path is not None else latest
        layers[name] = latest if index <= final else len(positions) + 1
    return layers


def _layer(name: str, anatomy: Anatomy) -> int:
    last = len(anatomy.blocks) + 1
    for position, index in enumerate(anatomy.blocks):
        if name.startswith(anatomy.paths[index]):
            return position + 1
    for position, index in enumerate(anatomy.blocks if anatomy.layout.stage is not None else ()):
        stage, _, _ = anatomy.paths[index].rpartition(str(anatomy.layout.block))
        if name.startswith(stage):
            return position + 1
    inside, first = name.removeprefix(anatomy.prefix), anatomy.blocks[0]
    post = anatomy.norms.get(first, anatomy.norm) == "post"
    stems = anatomy.layout.stem + (anatomy.layout.post_stem if post else ())
    before = any(part.startswith(stem) for stem in stems for part in (name, inside))
    return 0 if before else last
