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
    """Tokens of number sequences (B, N); keys `embedding.weight` (vocabulary, D) and, when learned, `positions`.

    With `frozen` the table keeps its random initial values, so that only the encoder learns. Fixed positions are the
    one-axis sinusoid, a buffer outside the state dict.
    """

    positions: Tensor

    def __init__(
        self, vocabulary: int, length: int, width: int, *, frozen: bool = False, positions: PositionKind = "sincos"
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.num_tokens = length
        self.width = width
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=TABLE_STD)
        self.embedding.weight.requires_grad_(not frozen)
        if positions == "learned":
            self.positions = nn.Parameter(torch.empty(1, length, width))
            nn.init.trunc_normal_(self.positions, std=0.02)
        else:
            # A fixed table has values even if the model is built on the meta device.
            self.register_buffer("positions", sincos_1d(length, width)[None], persistent=False)

    def forward(self, ids_BN: Tensor) -> Tokens:
        """Tokens (B, N, D) of whole numbers below `vocabulary`.

        Raises
        ------
        InputError
            For a batch of another length or of floating-point numbers.
        """
        if ids_BN.ndim != 2 or ids_BN.shape[1] != self.num_tokens or ids_BN.dtype.is_floating_point:
            actual = f"{tuple(ids_BN.shape)} of {ids_BN.dtype}"
            raise InputError("batch", f"whole numbers (batch, {self.num_tokens})", actual, "set data.length")
        return Tokens(self.embedding(ids_BN), self.positions.to(ids_BN.device))
