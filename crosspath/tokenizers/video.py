"""Clips to tokens: tubelets of a few frames (VideoMAE, arXiv 2203.12602)."""

from torch import Tensor

from crosspath.tokenizers.patches import PatchTokenizer, PositionKind
from crosspath.tokenizers.tokens import Tokens


class VideoTokenizer(PatchTokenizer):
    """Tokens of clips (B, C, T, H, W); `patch` is (frames, height, width).

    Tokens are ordered by time, then row, then column. Sine-cosine positions are the one-axis sinusoid over that
    flattened index; learned ones are resized within each frame, then over time.

    Raises
    ------
    InputError
        When `patch` does not divide the clip.
    """

    def __init__(
        self,
        frames: int,
        image_size: int,
        patch: tuple[int, int, int],
        width: int,
        channels: int = 3,
        positions: PositionKind = "sincos",
    ) -> None:
        super().__init__((frames, image_size, image_size), patch, width, channels, positions)

    def forward(self, clips_BCTHW: Tensor) -> Tokens:
        """Tokens (B, N, D); `InputError` on another clip shape."""
        return self.embed(clips_BCTHW)

    def resize(self, frames: int, image_size: int) -> None:
        """Changes the input size; learned positions are interpolated, fixed ones recomputed."""
        self._resize((frames, image_size, image_size))
