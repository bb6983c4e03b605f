"""The masked autoencoder of every modality: the encoder sees visible tokens only, a light decoder predicts the rest.

B batch, N tokens, V visible ones, M masked ones, D the encoder's width, E the decoder's, P values of a token's target.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from crosspath.models.block import Block
from crosspath.models.encoder import Encoder, initialise_linear
from crosspath.tokenizers import ChooseMask, Mask, MaskableTokenizer, fixed_positions, select


class Reconstruction(NamedTuple):
    """The decoder's predictions of the hidden tokens, and their true values."""

    predicted_BMP: Tensor  # noqa: N815
    target_BMP: Tensor  # noqa: N815
    mask: Mask
    real_BM: Tensor | None = None  # noqa: N815
    """Which of the hidden tokens are real and count; None where all are."""


class MaskedAutoencoder(nn.Module):
    """Keys: `tokenizer.*`, `encoder.*` (with its final norm), `decoder.*`.

    A class token, where the recipe's classifier has one, takes part in the encoder and is not shown to the decoder.
    """

    def __init__(self, tokenizer: MaskableTokenizer, encoder: Encoder, decoder: "Decoder") -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, batch: Tensor, choose_mask: ChooseMask) -> Reconstruction:
        """Hide, encode what is left, decode what was hidden; `batch` is what the tokenizer reads."""
        view = self.tokenizer.mask(batch, choose_mask)
        features_BVD = self.encoder(view.visible)
        if self.encoder.has_cls:
            features_BVD = features_BVD[:, 1:]
        predicted_BMP = self.decoder(features_BVD, view.mask, view.centres_BN3, view.real_BN)
        masked_BM = view.mask.masked_BM
        real_BM = None if view.real_BN is None else view.real_BN.gather(1, masked_BM)
        return Reconstruction(predicted_BMP, select(view.target_BNP, masked_BM), view.mask, real_BM)


class Decoder(nn.Module):
    """Blocks of global attention over the encoder's features and, in the hidden places, one learned token.

    Positions are a fixed table on `grid` for tokens on a grid, and a small network on the centre for groups of points
    (`grid` None). `every_block` adds them before every block.
    """

    positions_1NE: Tensor  # noqa: N815

    def __init__(
        self,
        encoder_width: int,
        width: int,
        depth: int,
        heads: int,
        values: int,
        grid: tuple[int, ...] | None,
        *,
        norm_eps: float = 1e-6,
        every_block: bool = False,
    ) -> None:
        super().__init__()
        self.every_block = every_block
        self.embed = nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        nn.init.normal_(self.mask_token, std=0.02)
        if grid is None:
            self.centres: nn.Module | None = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, width))
        else:
            self.centres = None
            self.register_buffer("positions_1NE", fixed_positions(grid, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads, norm_eps=norm_eps) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=norm_eps)
        self.predict = nn.Linear(width, values)
        for module in (self.embed, self.blocks, self.predict):
            module.apply(initialise_linear)

    def forward(
        self, features_BVD: Tensor, mask: Mask, centres_BN3: Tensor | None, real_BN: Tensor | None = None
    ) -> Tensor:
        """Predictions (B, M, P) for the hidden tokens, in the order of `mask.masked_BM`."""
        visible_BVE = self.embed(features_BVD)
        hidden_count = mask.masked_BM.shape[1]
        token_BME = self.mask_token.to(visible_BVE.dtype).expand(len(visible_BVE), hidden_count, -1)
        # Attention does not mind the order: hidden tokens first, so that the predictions are one slice.
        x_BNE = torch.cat([token_BME, visible_BVE], dim=1)
        places_BN = torch.cat([mask.masked_BM, mask.visible_BV], dim=1)
        if self.centres is None:
            positions_BNE = select(self.positions_1NE.to(x_BNE.device).expand(len(x_BNE), -1, -1), places_BN)
        else:
            assert centres_BN3 is not None
            positions_BNE = self.centres(select(centres_BN3, places_BN))
        if not self.every_block:
            x_BNE = x_BNE + positions_BNE
        real_BN = None if real_BN is None else real_BN.gather(1, places_BN)
        for block in self.blocks:
            x_BNE = block(x_BNE + positions_BNE if self.every_block else x_BNE, real_BN)
        predicted_BMP: Tensor = self.predict(self.norm(x_BNE[:, :hidden_count]))
        return predicted_BMP
