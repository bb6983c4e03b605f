"""Images to tokens: square images cut into patches (ViT, arXiv 2010.11929)."""

from torch import Tensor

from crosspath.tokenizers.patches import PatchTokenizer, PositionKind
from crosspath.tokenizers.tokens import Tokens


class ImageTokenizer(PatchTokenizer):
    """Tokens of images (B, C, H, W), row by row; `patch` is (height, width) in pixels.

    Raises
    ------
    InputError
        When `patch` does not divide the image, or sine-cosine positions do not fit `width`.
    """

    def __init__(
        self,
        image_size: int,
        patch: tuple[int, int],
        width: int,
        channels: int = 3,
        positions: PositionKind = "sincos",
    ) -> None:
        super().__init__((image_size, image_size), patch, width, channels, positions)

    def forward(self, images_BCHW: Tensor) -> Tokens:
        """Tokens (B, N, D); `InputError` on another image shape."""
        return self.embed(images_BCHW)

    def resize(self, image_size: int) -> None:
        """Changes the input size; learned positions are interpolated, fixed ones recomputed."""
        self._resize((image_size, image_size))
