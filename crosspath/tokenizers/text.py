"""Token numbers to tokens: an embedding table with a row for each entry of the vocabulary."""

import torch
from torch import Tensor, nn

from crosspath.errors import InputError
from crosspath.tokenizers.patches import PositionKind
from crosspath.tokenizers.positions import sincos_1d
from crosspath.tokenizers.tokens import Tokenizer, Tokens

TABLE_STD = 0.5
"""Of the table's initial entries: about the size of the sine-cosine positions (0.71) that are added."""


class TextTokenizer(Tokenizer):
    """Tokens of number sequences (B, N); keys `embedding.weight` (vocabulary, D); when learned, `positions` (1, N, D);
    and with `token_type` a row of that name (1, 1, D), which is added to every token. A norm of their sum, as BERT has
    it, is the encoder's (`norm_pre`).

    With `freeze` the table keeps its random initial values, so that only the encoder learns. Fixed positions are the
    one-axis sinusoid, a buffer outside the state dict. With `padded` sequences may be shorter, and numbers below 0
    after them are no tokens.
    """

    positions: Tensor

    def __init__(
        self,
        vocabulary: int,
        length: int,
        width: int,
        *,
        freeze: bool = False,
        positions: PositionKind = "sincos",
        token_type: bool = False,
        padded: bool = False,
    ) -> None:
        super().__init__()
        self.padded = padded
        self.vocabulary = vocabulary
        self.num_tokens = length
        self.width = width
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=TABLE_STD)
        self.embedding.weight.requires_grad_(not freeze)
        if positions == "learned":
            self.positions = nn.Parameter(torch.empty(1, length, width))
            nn.init.trunc_normal_(self.positions, std=0.02)
        else:
            # A fixed table has values even if the model is built on the meta device.
            self.register_buffer("positions", sincos_1d(length, width)[None], persistent=False)
        self.token_type = nn.Parameter(torch.zeros(1, 1, width)) if token_type else None

    def forward(self, ids_BN: Tensor) -> Tokens:
        """Tokens (B, N, D) of whole numbers below `vocabulary`.

        Raises
        ------
        InputError
            For a batch of another length or of floating-point numbers.
        """
        fits = ids_BN.ndim == 2 and (
            ids_BN.shape[1] == self.num_tokens or (self.padded and ids_BN.shape[1] < self.num_tokens)
        )
        if not fits or ids_BN.dtype.is_floating_point:
            actual, most = f"{tuple(ids_BN.shape)} of {ids_BN.dtype}", " at most" if self.padded else ""
            raise InputError("batch", f"whole numbers (batch, {self.num_tokens}{most})", actual, "set data.length")
        real_BN = ids_BN >= 0 if self.padded else None
        tokens_BND = self.embedding(ids_BN if real_BN is None else ids_BN.clamp(min=0))
        if self.token_type is not None:
            tokens_BND = tokens_BND + self.token_type
        return Tokens(tokens_BND, self.positions.to(ids_BN.device)[:, : ids_BN.shape[1]], real_BN)
