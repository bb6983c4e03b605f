"""Do weights fit a plain model? Every name and shape, or an error that lists what does not."""

from collections.abc import Mapping

from torch import Tensor, nn

from crosspath.errors import InputError

LISTED = 3
"""Weight names a message shows before it only counts."""


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], where: object) -> None:
    """Fill every parameter and buffer of a plain model, in place. Raises `InputError` listing what does not fit."""
    faults = mismatches(model, tensors)
    if faults:
        raise InputError(
            where, "the weights of the recipe's model", "; ".join(faults), "name the recipe it was made with"
        )
    model.load_state_dict(dict(tensors), strict=True)


def mismatches(model: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """What stands between `tensors` and a strict load: other shapes, missing and unexpected names, each in words."""
    own = model.state_dict()
    shapes = [
        f"{name} {tuple(tensors[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    missing = [name for name in own if name not in tensors]
    unexpected = [name for name in tensors if name not in own]
    kinds = (("other shapes", shapes), ("missing", missing), ("unexpected", unexpected))
    return [f"{kind}: {_listed(names)}" for kind, names in kinds if names]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
