"""The class of each pixel of a picture: tokenizer, encoder and a light decoder."""

from torch import Tensor
from torch.nn import functional

from crosspath.models.dense_decoders import LinearDecoder, PyramidDecoder, level_blocks
from crosspath.models.encoder import Encoder
from crosspath.models.modality_model import ModalityModel
from crosspath.tokenizers.image import ImageTokenizer


class PixelSegmenter(ModalityModel):
    """Tokenizer, encoder and a decoder. Keys: `tokenizer.*`, `encoder.*`, `head.*`."""

    tokenizer: ImageTokenizer
    head: LinearDecoder | PyramidDecoder  # type: ignore[assignment]  # another head than a classifier's

    def __init__(self, tokenizer: ImageTokenizer, encoder: Encoder, head: LinearDecoder | PyramidDecoder) -> None:
        super().__init__(tokenizer, encoder, head)  # type: ignore[arg-type]
        self.blocks = level_blocks(len(encoder.blocks), head.levels)

    def forward(  # type: ignore[override]  # all tokens are visible, and training reads two classifiers
        self, batch_BCHW: Tensor, with_auxiliary: bool = False
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Logits (B, K, H, W) of the pixels of prepared pictures (B, 3, H, W), of the size that the tokenizer has;
        `with_auxiliary` also those of the auxiliary classifier, or None where the decoder has none.
        """
        levels = self.encoder.levels(self.tokenizer(batch_BCHW), self.blocks)
        rows, columns = self.tokenizer.grid
        logits, auxiliary = self.head(levels, (rows, columns), with_auxiliary)
        size = (batch_BCHW.shape[-2], batch_BCHW.shape[-1])
        logits_BKHW = _to_pixels(logits, size)
        if not with_auxiliary:
            return logits_BKHW
        return logits_BKHW, None if auxiliary is None else _to_pixels(auxiliary, size)


def _to_pixels(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
