"""Recordings to tokens: patches of the log-mel plane (AudioMAE, arXiv 2207.06405)."""

from torch import Tensor

from crosspath.errors import InputError
from crosspath.tokenizers.patches import PatchTokenizer, PositionKind
from crosspath.tokenizers.tokens import Tokens


class AudioTokenizer(PatchTokenizer):
    """Tokens of log-mel frames (B, T, F); `patch` is (frames, mel bins).

    Time is the row and frequency the column: time patch t and frequency patch f, of F' in number, give token
    t * F' + f, and sine-cosine positions use the same axes.

    Raises
    ------
    InputError
        When `patch` does not divide (frames, mels), or sine-cosine positions do not fit `width`.
    """

    def __init__(
        self, frames: int, mels: int, patch: tuple[int, int], width: int, positions: PositionKind = "sincos"
    ) -> None:
        super().__init__((frames, mels), patch, width, 1, positions)

    def forward(self, mels_BTF: Tensor) -> Tokens:
        """Tokens (B, N, D); `InputError` on another number of frames or mel bins."""
        if mels_BTF.ndim != 3:
            raise InputError("batch", "3 axes (batch, frames, mels)", f"{mels_BTF.ndim}", "remove the channel axis")
        return self.embed(mels_BTF[:, None])

    def resize(self, frames: int, mels: int) -> None:
        """Changes the input size; learned positions are interpolated, fixed ones recomputed."""
        self._resize((frames, mels))
