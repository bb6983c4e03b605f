"""Where the auxiliaries of a model came from: plain data on the model itself, so that copies of it carry it along."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

ORIGINS = "_crosspath_origins"
"""The attribute of a connected module that holds {auxiliary: Origin}."""


@dataclass(frozen=True)
class Origin:
    """Where an auxiliary came from and how it was connected."""

    description: str
    file: str | None
    sha256: str | None
    """Of the file; None for an auxiliary given in memory."""
    options: Mapping[str, Any]
    sha256_of_frozen_values: str | None = None
    """Of every W' as connected, when it was connected frozen: an unchanged one is saved by reference."""


def origins_of(target: nn.Module) -> dict[str, Origin]:
    """Of the target, and of any submodule that was connected on its own."""
    origins: dict[str, Origin] = {}
    for module in target.modules():
        origins |= module.__dict__.get(ORIGINS, {})
    return origins


def add_origin(target: nn.Module, name: str, origin: Origin) -> None:
    """Add an auxiliary's origin to the target."""
    target.__dict__.setdefault(ORIGINS, {})[name] = origin


def replace_origin(target: nn.Module, name: str, origin: Origin) -> None:
    """Replace an auxiliary's origin in the module that holds it."""
    for module in target.modules():
        if name in module.__dict__.get(ORIGINS, {}):
            module.__dict__[ORIGINS][name] = origin


def forget_origins(target: nn.Module, names: Iterable[str]) -> None:
    """Remove the origins of auxiliaries that are no longer connected."""
    for module in target.modules():
        for name in names:
            module.__dict__.get(ORIGINS, {}).pop(name, None)
        if not module.__dict__.get(ORIGINS, True):
            del module.__dict__[ORIGINS]
