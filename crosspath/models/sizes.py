"""Named sizes of the encoder: `micro` for a CPU, the others as in ViT (arXiv 2010.11929)."""

from typing import NamedTuple

from crosspath.config.model import ModelSection


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


def size_of(section: ModelSection) -> Size:
    """Width, depth and heads of a `model` section: its own where it gives them, else those of its named size."""
    size = SIZES[section.size]
    return Size(section.width or size.width, section.depth or size.depth, section.heads or size.heads)
