"""The masked autoencoder, one for every modality: the encoder sees visible tokens only, a light decoder finds the rest.

B batch, N tokens, V visible ones, M masked ones, D the encoder's width, E the decoder's, P values of a token's target.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from crosspath.models.encoder import Encoder, initialise_linear
from crosspath.models.modality_model import chosen, subset
from crosspath.tokenizers import PointTokenizer, Tokenizer, Tokens, fixed_positions
from crosspath.tokenizers.patches import PatchTokenizer, patches_of


class Mask(NamedTuple):
    """Two sets of token positions that together are all; each row ascends."""

    visible_BV: Tensor  # noqa: N815
    masked_BM: Tensor  # noqa: N815


ChooseMask = Callable[[Tensor | None], Mask]
"""Given the centres of the groups (B, G, 3), or None where tokens lie on a grid: what to hide."""


class Reconstruction(NamedTuple):
    """What the decoder says of the hidden tokens, beside what they hold."""

    predicted_BMP: Tensor  # noqa: N815
    target_BMP: Tensor  # noqa: N815
    mask: Mask


class MaskedAutoencoder(nn.Module):
    """Keys: `tokenizer.*`, `encoder.*` (with its final norm), `decoder.*`.

    Groups of points that are hidden are not even embedded: Point-MAE embeds all and then leaves them out, which gives
    its batch normalisation more samples and the encoder the same. A class token, where the recipe's classifier has
    one, takes part in the encoder and is not shown to the decoder.
    """

    def __init__(self, tokenizer: Tokenizer, encoder: Encoder, decoder: "Decoder") -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, batch: Tensor, choose_mask: ChooseMask) -> Reconstruction:
        """Hide, encode what is left, decode what was hidden; `batch` is what the tokenizer reads."""
        if isinstance(self.tokenizer, PointTokenizer):
            groups_BGM3, centres_BG3 = self.tokenizer.group(batch)
            mask = choose_mask(centres_BG3)
            shown_BVM3 = chosen(groups_BGM3.flatten(2), mask.visible_BV).view(len(batch), -1, *groups_BGM3.shape[2:])
            tokens = Tokens(
                self.tokenizer.embed(shown_BVM3), self.tokenizer.pos_embed(chosen(centres_BG3, mask.visible_BV))
            )
            target_BNP, places_BN = groups_BGM3.flatten(2), centres_BG3
        else:
            assert isinstance(self.tokenizer, PatchTokenizer)
            mask = choose_mask(None)
            tokens = subset(self.tokenizer(batch), mask.visible_BV)
            target_BNP, places_BN = patches_of(self.tokenizer, batch), None
        features_BVD = self.encoder(tokens)
        if self.encoder.has_cls:
            features_BVD = features_BVD[:, 1:]
        predicted_BMP = self.decoder(features_BVD, mask, places_BN)
        return Reconstruction(predicted_BMP, chosen(target_BNP, mask.masked_BM), mask)


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
        norm_layer = partial(nn.LayerNorm, eps=norm_eps)
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_ratio=4.0, qkv_bias=True, norm_layer=norm_layer)  # type: ignore[arg-type]
            for _ in range(depth)
        )
        self.norm = norm_layer(width)
        self.predict = nn.Linear(width, values)
        for module in (self.embed, self.blocks, self.predict):
            module.apply(initialise_linear)

    def forward(self, features_BVD: Tensor, mask: Mask, centres_BN3: Tensor | None) -> Tensor:
        """Predictions (B, M, P) for the hidden tokens, in the order of `mask.masked_BM`."""
        visible_BVE = self.embed(features_BVD)
        hidden = mask.masked_BM.shape[1]
        token_BME = self.mask_token.to(visible_BVE.dtype).expand(len(visible_BVE), hidden, -1)
        # Attention does not mind the order: hidden tokens first, so that the predictions are one slice.
        x_BNE = torch.cat([token_BME, visible_BVE], dim=1)
        places_BN = torch.cat([mask.masked_BM, mask.visible_BV], dim=1)
        if self.centres is None:
            positions_BNE = chosen(self.positions_1NE.to(x_BNE.device).expand(len(x_BNE), -1, -1), places_BN)
        else:
            assert centres_BN3 is not None
            positions_BNE = self.centres(chosen(centres_BN3, places_BN))
        if not self.every_block:
            x_BNE = x_BNE + positions_BNE
        for block in self.blocks:
            x_BNE = block(x_BNE + positions_BNE if self.every_block else x_BNE)
        predicted_BMP: Tensor = self.predict(self.norm(x_BNE[:, :hidden]))
        return predicted_BMP
