"""Puts W' and λ of a target whose optimizer holds its pathways into that optimizer's parameter groups."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from crosspath.errors import PathwayError
from crosspath.pathway.engines.held_weight import HeldWeight

OWN = ("params", "name", "param_names")
"""Entries of a group that are no settings."""


def add_leaves(
    optimizer: Optimizer,
    weights: Sequence[HeldWeight],
    scale_lr: float | None,
    auxiliary_lr: float | None,
    names: Mapping[int, str],
) -> None:
    """Add each W' and λ that trains and is not there yet.

    W' joins the group of its weight; λ a group without weight decay, at the highest rate of the weights' groups. With a
    rate of their own both get groups of their own. `crosspath.param_groups` has all of them in place already. `names`
    has that of each W' and λ by id, for an optimizer of named parameters.

    Raises
    ------
    PathwayError
        Where a new group is needed, and a scheduler has been made for the groups that there are.
    """
    home = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    groups = {id(home[id(weight.parameter)]): home[id(weight.parameter)] for weight in weights}
    auxiliaries: dict[int, list[nn.Parameter]] = {key: [] for key in groups}
    scales: list[nn.Parameter] = []
    for weight in weights:
        pathway = weight.pathway
        own = [pathway.auxiliary(name) for name in pathway.overlays]
        auxiliaries[id(home[id(weight.parameter)])] += [leaf for leaf in own if leaf.requires_grad]
        scales += [leaf for leaf in pathway.scales.values() if leaf.requires_grad]
    for key, group in groups.items():
        missing = [leaf for leaf in auxiliaries[key] if id(leaf) not in home]
        rates = {} if auxiliary_lr is None else {"lr": auxiliary_lr}
        _place(optimizer, missing, group, rates, "auxiliaries", names)
    missing = [leaf for leaf in scales if id(leaf) not in home]
    # timm's layer decay is a factor beside the rate; an optimizer that finds its own rate has None.
    fastest = max(groups.values(), key=lambda group: float(group["lr"] or 0.0) * float(group.get("lr_scale", 1.0)))
    rate = fastest["lr"] if scale_lr is None else scale_lr
    _place(optimizer, missing, fastest, {"lr": rate, "weight_decay": 0}, "scales", names)


def _place(
    optimizer: Optimizer,
    leaves: list[nn.Parameter],
    like: dict[str, Any],
    changes: dict[str, Any],
    name: str,
    names: Mapping[int, str],
) -> None:
    """Put the leaves into the group with the settings of `like` and these changes; a new one where there is none."""
    changes = {key: value for key, value in changes.items() if key in like and like[key] != value}
    settings = {key: value for key, value in like.items() if key not in OWN} | changes
    same = (group for group in optimizer.param_groups if all(group.get(key) == settings[key] for key in settings))
    group = next(same, None) if changes else like
    if group is not None:
        group["params"].extend(leaves)
        if "param_names" in group:
            group["param_names"].extend(names[id(leaf)] for leaf in leaves)
    elif leaves and "initial_lr" in like:
        todo = "attach before the scheduler is made, or make the optimizer from crosspath.param_groups(model, lr=...)"
        raise PathwayError("attach", f"a group for the {name} of pathways", "groups that a scheduler has taken", todo)
    elif leaves:
        params = [(names[id(leaf)], leaf) for leaf in leaves] if "param_names" in like else leaves
        optimizer.add_param_group({**settings, "params": params, "name": name})
