"""Random numbers for the samples of a batch, which do not depend on batch, worker or device."""

import torch
from torch import Tensor

from crosspath.data.randomness import normal, normal_at, uniform


class Draws:
    """The samples' random numbers, by stream."""

    def __init__(self, seed: int, epoch: int, sample_ids_B: Tensor, device: torch.device) -> None:
        self.seed, self.epoch = seed, epoch
        self.sample_ids_B = sample_ids_B.to(device)

    def uniform(self, stream: str, count: int = 1) -> Tensor:
        """(B, count) in [0, 1)."""
        return uniform(self.seed, self.epoch, self.sample_ids_B, stream, count)

    def integers(self, stream: str, bound: int) -> Tensor:
        """(B,) int64 in [0, bound), uniform for bounds far below 2^24."""
        return (self.uniform(stream)[:, 0] * bound).to(torch.int64)

    def normal(self, stream: str, count: int) -> Tensor:
        """(B, count) of the standard normal distribution."""
        return normal(self.seed, self.epoch, self.sample_ids_B, stream, count)

    def normal_at(self, stream: str, rows_N: Tensor, places_N: Tensor) -> Tensor:
        """(N,) of `normal`'s numbers, each by its row in the batch and its place, without the others."""
        return normal_at(self.seed, self.epoch, self.sample_ids_B[rows_N], stream, places_N)
