"""Tokens, what every tokenizer returns and every encoder reads, and the class all tokenizers share."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class Tokens(NamedTuple):
    """A batch of token sequences, positions apart because some encoders add them before every block."""

    tokens_BND: Tensor  # noqa: N815
    """Contents (B, N, D), without positions."""
    positions_BND: Tensor  # noqa: N815
    """Positions (1, N, D) when all samples share them, else (B, N, D)."""


class Tokenizer(nn.Module, ABC):
    """Turns a prepared batch of one modality into tokens."""

    width: int
    """Size D of a token."""
    num_tokens: int
    """Tokens N of a sample."""

    @abstractmethod
    def forward(self, batch: Tensor) -> Tokens:
        """The tokens of a batch whose shape the subclass names."""
