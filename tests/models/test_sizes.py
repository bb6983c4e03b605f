"""Named sizes: the names a recipe may give, and widths that heads and positions divide."""

from typing import get_args

import timm
import torch

from crosspath.config.model import ModelSection
from crosspath.models import SIZES


def test_every_name_a_recipe_may_give_has_a_size() -> None:
    assert set(SIZES) == set(get_args(ModelSection.model_fields["size"].annotation))


def test_widths_fit_heads_and_positions() -> None:
    for size in SIZES.values():
        assert size.width % size.heads == 0
        assert size.width % 4 == 0


def test_vit_sizes_are_timms() -> None:
    for name in ("tiny", "small", "base", "large"):
        with torch.device("meta"):
            vit = timm.create_model(f"vit_{name}_patch16_224")
        assert (vit.embed_dim, len(vit.blocks), vit.blocks[0].attn.num_heads) == SIZES[name]
