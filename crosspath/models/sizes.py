"""Named sizes of the encoder: `micro` for a CPU, the others as in ViT (arXiv 2010.11929)."""

from typing import NamedTuple


class Size(NamedTuple):
    """Width, number of blocks and number of heads; the MLP is four times as wide."""

    width: int
    depth: int
    heads: int


SIZES: dict[str, Size] = {
    "micro": Size(128, 6, 4),
    "tiny": Size(192, 12, 3),
    "small": Size(384, 12, 6),
    "base": Size(768, 12, 12),
    "large": Size(1024, 24, 16),
    "huge": Size(1280, 32, 16),
}
