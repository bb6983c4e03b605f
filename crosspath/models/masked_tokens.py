"""Masked modelling of token sequences: the encoder sees all places, some of them hidden behind one mask token.

B batch, N tokens, M masked ones, D width, V vocabulary.
"""

import torch
from torch import Tensor, nn

from crosspath.models.encoder import Encoder, initialise_linear
from crosspath.tokenizers import TextTokenizer, Tokens, select
from crosspath.tokenizers.text import TABLE_STD


class MaskedTokens(nn.Module):
    """Keys: `tokenizer.*`, `encoder.*` (with its final norm), `mask_token` (1, 1, D), `predict.*`.

    As in BERT (arXiv 1810.04805, section 3.1) a linear layer on the encoder's features names the hidden tokens. Beside
    a frozen table the mask token is frozen, too.
    """

    def __init__(self, tokenizer: TextTokenizer, encoder: Encoder) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = encoder
        table = tokenizer.embedding.weight
        self.mask_token = nn.Parameter(torch.empty(1, 1, tokenizer.width), requires_grad=table.requires_grad)
        nn.init.normal_(self.mask_token, std=TABLE_STD)
        self.predict = nn.Linear(tokenizer.width, tokenizer.vocabulary)
        initialise_linear(self.predict)

    def forward(self, ids_BN: Tensor, masked_BM: Tensor, covered_BN: Tensor | None = None) -> Tensor:
        """Logits (B, M, V) for the places `masked_BM`. The mask token replaces those of `ids_BN` that are `covered_BN`,
        or, when that is not given, all of `masked_BM`."""
        tokens_BND, positions_1ND, real_BN = self.tokenizer(ids_BN)
        if covered_BN is None:
            covered_BN = torch.zeros_like(ids_BN, dtype=torch.bool).scatter(1, masked_BM, True)
        shown_BND = torch.where(covered_BN[:, :, None], self.mask_token.to(tokens_BND.dtype), tokens_BND)
        features_BND = self.encoder(Tokens(shown_BND, positions_1ND, real_BN))
        if self.encoder.has_cls:
            features_BND = features_BND[:, 1:]
        logits_BMV: Tensor = self.predict(select(features_BND, masked_BM))
        return logits_BMV
