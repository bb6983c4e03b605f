"""A configuration of timm: a registered model with settings that make it tiny, or one of its classes by itself."""

from collections.abc import Callable, Mapping
from typing import Any

import timm
from torch import nn

from tests.layouts.zoo.configuration import Configuration

Settings = Mapping[str, Any]

VIT: Settings = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 32, "num_heads": 4}
"""Two blocks of width 32 with 4 heads, over 16 tokens."""


def timm_entry(
    model: str,
    settings: Settings,
    *,
    make: Callable[..., nn.Module] | None = None,
    variant: str = "",
    norm: str | None = None,
    roles: Mapping[str, str] | None = None,
    misleading: bool = False,
    refusal: str | None = None,
) -> Configuration:
    """A configuration of a registered model. `make`: its class, where timm's function fixes the sizes."""

    def build() -> nn.Module:
        return timm.create_model(model, **settings) if make is None else make(**settings)

    return Configuration(
        name=f"timm {model}{', ' if variant else ''}{variant}",
        build=build,
        refusal=refusal,
        roles=roles or {},
        complete=True,
        misleading=misleading,
        norm=norm,
    )
