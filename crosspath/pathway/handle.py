"""The handle on a connected model: its scales, its switch, where its auxiliaries came from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import nn
from torch.nn.utils import parametrize

from crosspath.errors import PathwayError
from crosspath.files import sha256_of_tensors
from crosspath.pathway.origins import Origin, add_origin, origins_of, replace_origin
from crosspath.pathway.parameters import connections
from crosspath.pathway.report import MatchReport
from crosspath.pathway.status import Status, status
from crosspath.pathway.wrappers import check_module, unwrapped


class Pathways:
    """The pathways of one target. Holds the target, and no state of its own: any number of handles agree."""

    def __init__(self, target: nn.Module) -> None:
        check_module(target)
        self.target = unwrapped(target)
        self.reports: dict[str, MatchReport] = {}
        """Of each auxiliary connected through this handle: what paired, what was accepted, what is unverified."""

    @property
    def names(self) -> tuple[str, ...]:
        """The auxiliaries, in the order in which they were connected."""
        return tuple(dict.fromkeys(name for _, pathway in connections(self.target) for name in pathway.spreads))

    @property
    def origins(self) -> dict[str, Origin]:
        """Where each auxiliary came from."""
        return {name: origin for name, origin in origins_of(self.target).items() if name in self.names}

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
        values = {weight: value for (weight, auxiliary), value in self.auxiliaries().items() if auxiliary == name}
        return sha256_of_tensors(sorted(values.items()))

    def status(self) -> Status:
        """Of each weight: λ, ‖λW'‖/‖W‖, what trains, where from. Printing it shows a table."""
        return status(self.target)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The bare target inside the `with` block; always restored, also after an error and when nested.

        Raises
        ------
        PathwayError
            Inside `torch.nn.utils.parametrize.cached()`, which would keep returning the sums.
        """
        if parametrize._cache_enabled:
            raise PathwayError("disabled()", "no parametrize.cached() around it", "one", "leave that block first")
        before = [(pathway, pathway.enabled) for _, pathway in connections(self.target)]
        try:
            for pathway, _ in before:
                pathway.enabled = False
            yield
        finally:
            for pathway, enabled in before:
                pathway.enabled = enabled

    def describe(self, name: str, description: str, sha256: str | None = None) -> None:
        """Replace the description of an auxiliary (at first its class name), which status, receipts and files show."""
        origin = self.origins.get(name)
        if origin is not None:
            replace_origin(self.target, name, replace(origin, description=description, sha256=sha256))

    def record(self, name: str, origin: Origin, report: MatchReport) -> None:
        """Remember an auxiliary's origin and report; `connect` and `load_pathway` call this."""
        add_origin(self.target, name, origin)
        self.reports[name] = report

    def __repr__(self) -> str:
        return f"Pathways({type(self.target).__name__} <- {', '.join(self.names) or 'nothing'})"


def pathways(target: nn.Module) -> Pathways:
    """The handle on a connected model. Raises `PathwayError` for a model without pathways, and for no model at all."""
    check_module(target)
    if not any(True for _ in connections(target)):
        raise PathwayError(type(target).__name__, "a model with pathways", "none", "connect it first")
    return Pathways(target)
