"""Do weights fit a plain model? Every name and shape, or an error that lists what does not."""

from collections.abc import Mapping

from torch import Tensor, nn

from crosspath.errors import InputError
from crosspath.files import tensor_faults


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], where: object) -> None:
    """Fill every parameter and buffer of a plain model, in place. Raises `InputError` listing what does not fit."""
    faults = tensor_faults(tensors, model.state_dict())
    if faults:
        raise InputError(
            where, "the weights of the recipe's model", "; ".join(faults), "name the recipe it was made with"
        )
    model.load_state_dict(dict(tensors), strict=True)
