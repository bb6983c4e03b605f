"""The handle on a connected model: its scales, its switch, where its auxiliaries come from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.utils import parametrize

from crosspath.errors import PathwayError
from crosspath.files import sha256_of_tensors
from crosspath.pathway.parameters import connections
from crosspath.pathway.report import MatchReport

if TYPE_CHECKING:
    from crosspath.pathway.status import Status

ORIGINS = "_crosspath_origins"
"""The attribute of the target that remembers its auxiliaries' origins; plain data, so copies carry it along."""


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


class Pathways:
    """The pathways of one target. Holds the target, and no state of its own: any number of handles agree."""

    def __init__(self, target: nn.Module) -> None:
        self.target = target
        self.reports: dict[str, MatchReport] = {}
        """Per auxiliary connected through this handle: what paired, what was accepted, what is unverified."""

    @property
    def names(self) -> tuple[str, ...]:
        """The auxiliaries, in the order in which they were connected."""
        return tuple(dict.fromkeys(name for _, pathway in connections(self.target) for name in pathway.spreads))

    @property
    def origins(self) -> dict[str, Origin]:
        """Where each auxiliary came from."""
        return {name: origin for name, origin in _origins(self.target).items() if name in self.names}

    def scales(self) -> dict[tuple[str, str], nn.Parameter]:
        """{(weight name, auxiliary name): λ}, the Parameters themselves, each one-dimensional. A bias shares its
        weight's λ.
        """
        return {(holder.name, name): p.scale(name) for holder, p in connections(self.target) for name in p.scales}

    def auxiliaries(self) -> dict[tuple[str, str], nn.Parameter]:
        """{(weight name, auxiliary name): W'}, the Parameters themselves."""
        return {(holder.name, name): p.auxiliary(name) for holder, p in connections(self.target) for name in p.spreads}

    def digest(self, name: str) -> str:
        """sha256 of every W' of one auxiliary, by weight name."""
        parts = [(weight, value) for (weight, owner), value in self.auxiliaries().items() if owner == name]
        return sha256_of_tensors(sorted(parts, key=lambda part: part[0]))

    def status(self) -> "Status":
        """Per weight: λ, ‖λW'‖/‖W‖, what trains, where from. Printing it shows a table."""
        from crosspath.pathway.status import status

        return status(self.target)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The bare target inside the `with` block; always restored, also after an error and when nested.

        Raises
        ------
        PathwayError
            Inside `torch.nn.utils.parametrize.cached()`, which would go on answering with the sums.
        """
        if parametrize._cache_enabled:
            raise PathwayError("disabled: expected to stand outside of parametrize.cached(); leave that block first")
        before = [(pathway, pathway.enabled) for _, pathway in connections(self.target)]
        try:
            for pathway, _ in before:
                pathway.enabled = False
            yield
        finally:
            for pathway, enabled in before:
                pathway.enabled = enabled

    def describe(self, name: str, description: str, sha256: str | None = None) -> None:
        """Say better where an auxiliary came from than its class name does: status, receipts and files repeat it."""
        for module in self.target.modules():
            origins: dict[str, Origin] = module.__dict__.get(ORIGINS, {})
            if name in origins:
                origins[name] = replace(origins[name], description=description, sha256=sha256)

    def record(self, name: str, origin: Origin, report: MatchReport) -> None:
        """Remember where an auxiliary came from; `connect` and `load_pathway` call this."""
        self.target.__dict__.setdefault(ORIGINS, {})[name] = origin
        self.reports[name] = report

    def __repr__(self) -> str:
        return f"Pathways({type(self.target).__name__} <- {', '.join(self.names) or 'nothing'})"


def pathways(target: nn.Module) -> Pathways:
    """The handle on a model that is connected already. Raises `PathwayError` when it is not."""
    if not any(True for _ in connections(target)):
        raise PathwayError(f"{type(target).__name__}: expected a model with pathways, found none; connect it first")
    return Pathways(target)


def _origins(target: nn.Module) -> dict[str, Origin]:
    """Of the target and of any part of it that was connected by itself."""
    found: dict[str, Origin] = {}
    for module in target.modules():
        found |= module.__dict__.get(ORIGINS, {})
    return found


def forget_origins(target: nn.Module) -> None:
    """Nothing is connected any more."""
    for module in target.modules():
        module.__dict__.pop(ORIGINS, None)
