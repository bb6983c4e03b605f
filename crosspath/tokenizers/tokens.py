"""`Tokens`, the output of every tokenizer and input of every encoder, and the base classes of tokenizers.

B batch, N tokens, V visible ones, M masked ones, D width, P values of a token's target.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

from torch import Tensor, nn


class Tokens(NamedTuple):
    """A batch of token sequences. Positions are separate because some encoders add them before every block."""

    tokens_BND: Tensor  # noqa: N815
    """Contents (B, N, D), without positions."""
    positions_BND: Tensor  # noqa: N815
    """Positions (1, N, D) if all samples share them, else (B, N, D)."""
    real_BN: Tensor | None = None  # noqa: N815
    """Which tokens (B, N) are the sample's own, where samples have unequal lengths: no token attends to the others,
    and nothing is pooled or predicted from them. None where all are real."""


class Mask(NamedTuple):
    """Two sets of token positions that together are all; each row ascends."""

    visible_BV: Tensor  # noqa: N815
    masked_BM: Tensor  # noqa: N815


class ChooseMask(Protocol):
    """What to hide."""

    def __call__(self, centres_BG3: Tensor | None, real_BN: Tensor | None = None, /) -> Mask:
        """Given the centres of groups (None where tokens lie on a grid), and which tokens are real (None: all)."""


class MaskedView(NamedTuple):
    """A batch as masked modelling sees it."""

    visible: Tokens
    """Of the visible tokens alone."""
    target_BNP: Tensor  # noqa: N815
    """What each token holds."""
    centres_BN3: Tensor | None  # noqa: N815
    """Where each token lies in space; None where tokens lie on a grid."""
    mask: Mask
    real_BN: Tensor | None = None  # noqa: N815
    """Which of all tokens are real; None where all are."""


class Tokenizer(nn.Module, ABC):
    """Turns a prepared batch of one modality into tokens."""

    width: int
    """Size D of a token."""
    num_tokens: int
    """Tokens N of a sample."""

    @property
    def grid(self) -> tuple[int, ...]:
        """How the tokens are arranged: one axis, unless a subclass says otherwise."""
        return (self.num_tokens,)

    @abstractmethod
    def forward(self, batch: Tensor) -> Tokens:
        """The tokens of a batch whose shape the subclass names."""


class MaskableTokenizer(Tokenizer):
    """A tokenizer whose tokens a decoder can reconstruct."""

    target_values: int
    """Values P that a token's target holds."""
    fixed_grid: tuple[int, ...] | None
    """The grid on which the decoder's positions are fixed; None where tokens lie anywhere in space."""

    @abstractmethod
    def mask(self, batch: Tensor, choose_mask: ChooseMask) -> MaskedView:
        """Hide tokens of a batch and embed the others."""


def select(rows_BNX: Tensor, places_BK: Tensor) -> Tensor:
    """The rows at `places_BK` of each sample: (B, K, X)."""
    return rows_BNX.gather(1, places_BK[:, :, None].expand(-1, -1, rows_BNX.shape[2]))


def select_tokens(tokens: Tokens, places_BK: Tensor) -> Tokens:
    """Some of each sample's tokens, with their positions."""
    positions_BND = tokens.positions_BND.expand(len(places_BK), -1, -1)
    real_BK = None if tokens.real_BN is None else tokens.real_BN.gather(1, places_BK)
    return Tokens(select(tokens.tokens_BND, places_BK), select(positions_BND, places_BK), real_BK)
