"""The one model class: tokenizer, encoder, head."""

from torch import Tensor, nn

from crosspath.models.encoder import Encoder
from crosspath.models.heads import ClassificationHead
from crosspath.tokenizers import Tokenizer


class ModalityModel(nn.Module):
    """A classifier of one modality. Keys: `tokenizer.*`, `encoder.*`, `head.*`."""

    def __init__(self, tokenizer: Tokenizer, encoder: Encoder, head: ClassificationHead) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.head = head

    def forward(self, batch: Tensor) -> Tensor:
        """Logits (B, K) of a prepared batch, whose shape the tokenizer names."""
        logits_BK: Tensor = self.head(self.features(batch), self.encoder.has_cls)
        return logits_BK

    def features(self, batch: Tensor) -> Tensor:
        """The encoder's features (B, N, D), or (B, N + 1, D) with the class token's first."""
        features_BND: Tensor = self.encoder(self.tokenizer(batch))
        return features_BND
