"""Decoded samples to tensors on the device, with the fixed normalisation of their modality."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The fixed normalisation of decoded samples: `(x - shift) / factor`, or with `divide_first` `x / factor - shift`,
    which rounds differently.
    """

    factor: Sequence[float]
    """One value, or one for each channel."""
    shift: Sequence[float]
    divide_first: bool = False

    def __call__(self, batch: Tensor) -> Tensor:
        """The normalised batch (B, ...) or (B, C, ...), in place; an annotation behind the channels stays as it is."""
        factor, shift = self.tensors(batch.ndim, batch.device)
        values = batch if len(self.factor) == 1 else batch[:, : len(self.factor)]
        _ = values.div_(factor).sub_(shift) if self.divide_first else values.sub_(shift).div_(factor)
        return batch

    def tensors(self, axes: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
        """Factor and shift in float32, shaped to fit a batch with that many axes."""
        factor, shift = (torch.tensor(list(values), device=device) for values in (self.factor, self.shift))
        if len(self.factor) == 1:
            return factor[0], shift[0]
        shape = (-1, *[1] * (axes - 2))
        return factor.view(shape), shift.view(shape)


def normalised_batch(
    inputs: NDArray[Any], scaling: Scaling | None, device: torch.device, dtype: torch.dtype = torch.float32
) -> Tensor:
    """A batch of `dtype` on `device`, of the shape of `inputs`, which are copied, never modified."""
    batch = torch.tensor(inputs, device=device).to(dtype)
    return batch if scaling is None else scaling(batch)
