"""Recordings to tokens: patches of the log-mel plane (AudioMAE, arXiv 2207.06405)."""

from torch import Tensor

from crosspath.errors import InputError
from crosspath.tokenizers.patches import PatchTokenizer, PositionKind
from crosspath.tokenizers.tokens import Tokens


class AudioTokenizer(PatchTokenizer):
    """Tokens of log-mel frames (B, T, F); `patch` is (frames, mel bins).

    Time is the row and frequency the column: the token of time patch t and frequency patch f is number t * F' + f,
    and sine-cosine positions read the plane that way.

    Raises
    ------
    InputError
        When `patch` does not divide the plane, or sine-cosine positions do not fit `width`.
    """

    def __init__(
        self, frames: int, mels: int, patch: tuple[int, int], width: int, positions: PositionKind = "sincos"
    ) -> None:
        super().__init__((frames, mels), patch, width, 1, positions)

    def forward(self, mels_BTF: Tensor) -> Tokens:
        """Tokens (B, N, D); `InputError` on another number of frames or mel bins."""
        if mels_BTF.ndim != 3:
            raise InputError("batch", "3 axes (batch, frames, mels)", f"{mels_BTF.ndim}", "leave the channel out")
        return self.embed(mels_BTF[:, None])

    def resize(self, frames: int, mels: int) -> None:
        """Takes planes of another size from now on; learned positions are interpolated, fixed ones computed anew."""
        self._resize((frames, mels))
