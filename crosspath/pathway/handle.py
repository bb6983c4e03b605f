"""The handle on a connected model: its scales, its switch, where its auxiliaries came from."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import torch
from torch import nn
from torch.nn.utils import parametrize

from crosspath.errors import PathwayError, suggest
from crosspath.files import sha256_of_tensors
from crosspath.pathway.engines.engine import Engine, engine_of
from crosspath.pathway.groups import leaf_parameters
from crosspath.pathway.origins import Origin, add_origin, origins_of, replace_origin
from crosspath.pathway.report import MatchReport
from crosspath.pathway.sources.parameters import connections, require_pathways
from crosspath.pathway.sources.wrappers import check_module, unwrap
from crosspath.pathway.status import Status, status


class Pathways:
    """The pathways of one target. Holds the target, and no state of its own: any number of handles agree."""

    def __init__(self, target: nn.Module) -> None:
        check_module(target)
        self.target = unwrap(target)
        self.reports: dict[str, MatchReport] = {}
        """Of each auxiliary connected through this handle: what paired, what was accepted, what is unverified."""

    @property
    def engine(self) -> Engine | None:
        """How the target is connected; None where nothing is."""
        return engine_of(self.target)

    @property
    def names(self) -> tuple[str, ...]:
        """The auxiliaries, in the order in which they were connected."""
        return tuple(dict.fromkeys(name for _, pathway in connections(self.target) for name in pathway.overlays))

    @property
    def origins(self) -> dict[str, Origin]:
        """Where each auxiliary came from."""
        return {name: origin for name, origin in origins_of(self.target).items() if name in self.names}

    def weights(self) -> dict[str, nn.Parameter]:
        """{weight name: W}, the target's own Parameters of connected weights: freeze these to train λ alone."""
        return {holder.name: cast(nn.Parameter, holder.original) for holder, _ in connections(self.target)}

    def scales(self) -> dict[tuple[str, str], nn.Parameter]:
        """{(weight name, auxiliary name): λ}, the Parameters themselves, each one-dimensional. A bias shares its
        weight's λ.
        """
        return {(holder.name, name): p.scale(name) for holder, p in connections(self.target) for name in p.scales}

    def auxiliaries(self) -> dict[tuple[str, str], nn.Parameter]:
        """{(weight name, auxiliary name): W'}, the Parameters themselves."""
        return {(holder.name, name): p.auxiliary(name) for holder, p in connections(self.target) for name in p.overlays}

    def learned_pairs(self) -> dict[tuple[str, str], dict[str, nn.Parameter]]:
        """{(weight name, auxiliary name): {`left.0`: P, `right.0`: Q of the first role, ...}} of `fit="learned"`, the
        Parameters themselves.
        """
        return {
            (holder.name, name): pair.entries()
            for holder, pathway in connections(self.target)
            for name in pathway.overlays
            if (pair := pathway.learned_pair(name)) is not None
        }

    def digest(self, name: str) -> str:
        """sha256 of every W' of one auxiliary, and of its P and Q, by weight name."""
        values = {weight: value for (weight, auxiliary), value in self.auxiliaries().items() if auxiliary == name}
        for (weight, auxiliary), pair in self.learned_pairs().items():
            if auxiliary == name:
                values |= {f"{weight}.{part}": value for part, value in pair.items()}
        return sha256_of_tensors(sorted(values.items()))

    def status(self) -> Status:
        """Of each weight: λ, ‖λW'‖/‖W‖, what trains, where from. Printing it shows a table."""
        return status(self.target)

    @contextmanager
    def disabled(self, *names: str) -> Iterator[None]:
        """The bare target inside the `with` block, or the target without these auxiliaries; always restored, also after
        an error and when nested.

        Raises
        ------
        PathwayError
            For a name that is not connected; inside `torch.nn.utils.parametrize.cached()`, which would keep returning
            the sums.
        """
        if parametrize._cache_enabled:
            raise PathwayError("disabled()", "no parametrize.cached() around it", "one", "leave that block first")
        self.check_names(names, "disabled()")
        before = [
            (holder.held_weight, pathway, pathway.enabled, pathway.off) for holder, pathway in connections(self.target)
        ]
        for weight, *_ in before:
            if weight is not None:
                weight.check_sum()
        try:
            for weight, pathway, enabled, off in before:
                pathway.enabled, pathway.off = enabled and bool(names), off.union(names)
                if weight is not None and enabled:
                    weight.write_sum()
            yield
        finally:
            try:
                for weight, *_ in before:
                    if weight is not None and weight.in_place:
                        weight.check_sum() if names else weight.adopt_write()
            finally:
                for weight, pathway, enabled, off in before:
                    pathway.enabled, pathway.off = enabled, off
                    if weight is not None and weight.in_place:  # not disconnected inside the block
                        weight.write_sum()

    def check_names(self, names: Iterable[object], where: str) -> None:
        """Raise `PathwayError` unless all of these are names of connected auxiliaries."""
        for name in names:
            if name not in self.names:
                todo = suggest(str(name), self.names, "use one of these names")
                found = repr(name) if isinstance(name, str) else f"a {type(name).__name__}"
                raise PathwayError(where, f"names of auxiliaries ({', '.join(self.names)})", found, todo)

    def parameter_counts(self) -> dict[str, dict[str, int]]:
        """{"target", "auxiliaries", "scales": {"all": number of values, "trained": those that require gradients}}."""
        kinds = {"target": "target", "auxiliary": "auxiliaries", "scale": "scales"}
        counts = {kind: {"all": 0, "trained": 0} for kind in kinds.values()}
        for parameter, kind in leaf_parameters(self.target):
            counts[kinds[kind]]["all"] += parameter.numel()
            counts[kinds[kind]]["trained"] += parameter.numel() * parameter.requires_grad
        return counts

    def attach(
        self, optimizer: torch.optim.Optimizer, *, scale_lr: float | None = None, auxiliary_lr: float | None = None
    ) -> None:
        """Let an optimizer hold the pathways of a target connected with `engine="optimizer"`: once, before schedulers
        are made, before `load_state_dict` of the optimizer, and before the first step. An optimizer that is attached
        later takes the weights that it has from the one before, whose steps are then refused.

        W' joins the parameter group of its weight; λ one without weight decay, at the same rate (with layer decay: the
        highest). Groups of `crosspath.param_groups` stay as they are.

        Parameters
        ----------
        scale_lr, auxiliary_lr
            Rates of λ and W' of their own.

        Raises
        ------
        PathwayError
            For an optimizer that holds no weight of the target, has a state already, or reads or moves weights outside
            of one plain step (LBFGS, SAM, Lookahead, schedule-free ones); for a target connected with
            `engine="live"`, sharded weights, and where a new group is needed after a scheduler was made.
        """
        # Imports torch's compiler, which an optimizer has imported already.
        from crosspath.pathway.engines.optimizer_steps import attach_optimizer

        attach_optimizer(self.target, optimizer, scale_lr, auxiliary_lr)

    def fill_gradients(self) -> None:
        """Write λ's and W''s gradients, which otherwise appear with the next step: to look at them, or to clip them
        together with the others. With `engine="live"` they are there after `backward`.
        """
        from crosspath.pathway.engines.optimizer_steps import fill_gradients

        fill_gradients(self.target)

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
        try:
            names = ", ".join(self.names) or "nothing"
        except PathwayError as error:
            names = error.found
        return f"Pathways({type(self.target).__name__} <- {names})"


def pathways(target: nn.Module) -> Pathways:
    """The handle on a connected model. Raises `PathwayError` for a model without pathways, and for no model at all."""
    check_module(target)
    require_pathways(target)
    return Pathways(target)
