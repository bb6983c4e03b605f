"""Time series to tokens: runs of values of a group of channels, as PatchTST (arXiv 2211.14730) with any groups."""

from torch import Tensor

from crosspath.errors import InputError
from crosspath.tokenizers.patches import PatchTokenizer, PositionKind
from crosspath.tokenizers.tokens import Tokens


class SeriesTokenizer(PatchTokenizer):
    """Tokens of series (B, C, T): `patch` values of `group` channels each; all of them by one projection.

    The group is the row and time the column: group g and run t, of T' in number, give token g * T' + t, and sine-cosine
    positions use the same axes.

    Raises
    ------
    InputError
        When `group` does not divide the channels or `patch` the length, or sine-cosine positions do not fit `width`.
    """

    def __init__(
        self, channels: int, length: int, group: int, patch: int, width: int, positions: PositionKind = "sincos"
    ) -> None:
        if channels % group:
            where, expected = "model.tokenizer.channels_per_group", f"a divisor of the {channels} channels"
            raise InputError(where, expected, str(group), "choose another")
        super().__init__((channels, length), (group, patch), width, 1, positions)

    def forward(self, series_BCT: Tensor) -> Tokens:
        """Tokens (B, N, D); `InputError` on another number of channels or values."""
        if series_BCT.ndim != 3:
            raise InputError("batch", "3 axes (batch, channels, time)", f"{series_BCT.ndim}", "add or remove an axis")
        return self.embed(series_BCT[:, None])

    def resize(self, length: int) -> None:
        """Changes the length; learned positions are interpolated, fixed ones recomputed."""
        self._resize((self.sizes[0], length))
