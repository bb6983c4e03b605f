"""The one classifier: tokenizer, encoder, head."""

from torch import Tensor, nn

from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead
from crosspath.tokenizers import Tokenizer, Tokens


class ModalityModel(nn.Module):
    """A classifier of one modality. Keys: `tokenizer.*`, `encoder.*`, `head.*`."""

    def __init__(self, tokenizer: Tokenizer, encoder: Encoder, head: ClassificationHead) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.head = head

    def forward(self, batch: Tensor, kept_BV: Tensor | None = None) -> Tensor:
        """Logits (B, K) of a prepared batch, whose shape the tokenizer names.

        `kept_BV` are the tokens that the encoder sees of each sample; all of them when not given.
        """
        logits_BK: Tensor = self.head(self.features(batch, kept_BV), self.encoder.has_cls)
        return logits_BK

    def features(self, batch: Tensor, kept_BV: Tensor | None = None) -> Tensor:
        """The encoder's features (B, N, D), or (B, N + 1, D) with the class token's first."""
        tokens = self.tokenizer(batch)
        features_BND: Tensor = self.encoder(tokens if kept_BV is None else subset(tokens, kept_BV))
        return features_BND


def subset(tokens: Tokens, kept_BV: Tensor) -> Tokens:
    """Some of each sample's tokens, with their positions."""
    positions_BND = tokens.positions_BND.expand(len(kept_BV), -1, -1)
    return Tokens(chosen(tokens.tokens_BND, kept_BV), chosen(positions_BND, kept_BV))


def chosen(rows_BNX: Tensor, places_BK: Tensor) -> Tensor:
    """The rows at `places_BK` of each sample: (B, K, X)."""
    return rows_BNX.gather(1, places_BK[:, :, None].expand(-1, -1, rows_BNX.shape[2]))
