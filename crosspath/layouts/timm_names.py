"""Heads and norms of timm's models by the `architecture` of a `config.json`, for families whose names state them."""

import re

from crosspath.layouts.layout import Norm

_HEADS = {"tiny": 3, "small": 6, "medium": 8, "base": 12, "large": 16, "huge": 16, "so400m": 16}
_SWIN_HEADS = {"tiny": (3, 6, 12, 24), "small": (3, 6, 12, 24), "base": (4, 8, 16, 32), "large": (6, 12, 24, 48)}
_VIT = re.compile(r"(?:vit_relpos|vit_srelpos|vit|deit|deit3|beit|beitv2|samvit|flexivit)_(\w+?)(?:_\w+)?")
_SWIN = re.compile(r"(swin|swinv2)_(\w+?)_window\w+|(swin)_(\w+?)_patch\w+")
_OTHERS = ("plus", "resnet", "patch16_gap_224", "pe_core")
"""Parts of names whose models differ from the others of their size."""


def heads_of_architecture(name: str) -> int | tuple[int, ...] | None:
    """The heads of every block, or of every stage; None where the name does not state them."""
    if any(part in name for part in _OTHERS):
        return None
    if swin := _SWIN.fullmatch(name):
        return _SWIN_HEADS.get(swin[2] or swin[4])
    vit = _VIT.fullmatch(name)
    return _HEADS.get(vit[1]) if vit else None


def norm_of_architecture(name: str) -> Norm | None:
    """Where the blocks normalise; None where the name does not state it."""
    if name.startswith("swinv2_") or "_rpn_" in name:
        return "res-post"
    return "pre" if _VIT.fullmatch(name) or _SWIN.fullmatch(name) else None
