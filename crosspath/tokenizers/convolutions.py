"""Recordings to tokens by convolutions over time instead of patches (Whisper, arXiv 2212.04356)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from crosspath.errors import InputError
from crosspath.tokenizers.patches import PositionKind
from crosspath.tokenizers.positions import sincos_1d
from crosspath.tokenizers.tokens import Tokenizer, Tokens

KERNEL = 3
STRIDE = 2
"""Of the second convolution."""


class ConvolutionTokenizer(Tokenizer):
    """Tokens of log-mel frames (B, T, F), one for every two frames.

    Two convolutions over time with kernel 3, all mel bins at once, each followed by GELU; the second has stride 2.
    Keys: `conv1`, `conv2` and, when learned, `positions` (1, N, D). Fixed positions are the one-axis sinusoid, a buffer
    outside the state dict. Tokens overlap, so that none can be hidden: masked modelling needs patches.
    """

    positions: Tensor

    def __init__(self, frames: int, mels: int, width: int, positions: PositionKind = "sincos") -> None:
        super().__init__()
        self.frames, self.mels, self.width = frames, mels, width
        self.num_tokens = -(-frames // STRIDE)
        self.conv1 = nn.Conv1d(mels, width, KERNEL, padding=1)
        self.conv2 = nn.Conv1d(width, width, KERNEL, stride=STRIDE, padding=1)
        if positions == "learned":
            self.positions = nn.Parameter(torch.empty(1, self.num_tokens, width))
            nn.init.trunc_normal_(self.positions, std=0.02)
        else:
            # A fixed table has values even if the model is built on the meta device.
            self.register_buffer("positions", sincos_1d(self.num_tokens, width)[None], persistent=False)

    def forward(self, mels_BTF: Tensor) -> Tokens:
        """Tokens (B, N, D); `InputError` on another number of frames or mel bins."""
        if tuple(mels_BTF.shape[1:]) != (self.frames, self.mels):
            expected, found = f"samples of shape {(self.frames, self.mels)}", str(tuple(mels_BTF.shape[1:]))
            raise InputError("batch", expected, found, "set data.frames and data.mels")
        hidden_BDT = functional.gelu(self.conv1(mels_BTF.transpose(1, 2)))
        tokens_BDN = functional.gelu(self.conv2(hidden_BDT))
        return Tokens(tokens_BDN.transpose(1, 2), self.positions.to(mels_BTF.device))
