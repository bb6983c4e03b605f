"""The pathways of one target weight: each auxiliary's W', its λ, and how they lie on W."""

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from torch import Tensor, nn

from crosspath.errors import PathwayError
from crosspath.pathway.engines.combine import effective_weight
from crosspath.pathway.engines.learned_pair import LearnedPair
from crosspath.pathway.engines.overlay import Overlay
from crosspath.pathway.records import Records

INSIDE = "parametrizations"
"""The name under which a module's state dict holds W, W' and λ: that of `torch.nn.utils.parametrize`, for both engines.
"""


class PathwayWeight(nn.Module):
    """All pathways of one target weight (or bias): each auxiliary W' with its scales λ.

    The target's own weight stands beside it: in PyTorch's `ParametrizationList.original`, or in `HeldWeight.original`.
    """

    def __init__(self, parameter_order: Iterable[str]) -> None:
        super().__init__()
        self.auxiliaries = nn.ParameterDict()
        self.scales = nn.ParameterDict()
        self.overlays: dict[str, Overlay] = {}
        self.lenders: dict[str, tuple[PathwayWeight]] = {}
        """A bias borrows λ from its weight's pathways. In a tuple, so that nn.Module does not register λ twice: under
        two names it would become two when parameters are replaced (`assign=True`, a move to the meta device)."""
        self.pieces: dict[str, tuple[str, ...]] = {}
        """Of each auxiliary: the weights that W' was cut from, such as `blocks.0.attn.qkv.weight[0:192]`."""
        self.derived: dict[str, Records] = {}
        """What was done to each of these pieces, of the auxiliaries whose W' is made from them."""
        self.learned: nn.ModuleDict | None = None
        """P and Q of the auxiliaries whose W' is in their own shape and read through these; made with the first."""
        self.enabled = True
        self.off: frozenset[str] = frozenset()
        """Auxiliaries that are switched off while the others compute."""
        self.parameter_order = tuple(parameter_order)
        """The module's parameter names before it was connected; merging restores this order."""

    def add(
        self, name: str, auxiliary: nn.Parameter, scale: nn.Parameter, overlay: Overlay, pieces: tuple[str, ...]
    ) -> None:
        """Add one pathway under `name`; sums run in the order of adding."""
        self.auxiliaries[name] = auxiliary
        self.scales[name] = scale
        self.overlays[name] = overlay
        self.pieces[name] = pieces

    def borrow(
        self, name: str, auxiliary: nn.Parameter, lender: "PathwayWeight", overlay: Overlay, pieces: tuple[str, ...]
    ) -> None:
        """Add one pathway that computes with the λ of another tensor's pathway of this name."""
        self.auxiliaries[name] = auxiliary
        self.lenders[name] = (lender,)
        self.overlays[name] = overlay
        self.pieces[name] = pieces

    def auxiliary(self, name: str) -> nn.Parameter:
        """W'."""
        # The dict itself: a ParameterDict takes ten times as long, at every read of a weight.
        value = self.auxiliaries._parameters[name]
        assert value is not None
        return value

    def learn(self, name: str, pair: LearnedPair) -> None:
        """Read W' of this auxiliary through P and Q."""
        self.learned = nn.ModuleDict() if self.learned is None else self.learned
        self.learned[name] = pair

    def learned_pair(self, name: str) -> LearnedPair | None:
        """P and Q of this auxiliary, where its W' is read through them."""
        pair = None if self.learned is None else self.learned._modules.get(name)
        assert pair is None or isinstance(pair, LearnedPair)
        return pair

    def leaves(self, name: str) -> Iterator[nn.Parameter]:
        """W', and P and Q where it is read through them."""
        yield self.auxiliary(name)
        pair = self.learned_pair(name)
        if pair is not None:
            yield from pair.parameters()

    def value(self, name: str) -> Tensor:
        """W' in the target's shape: the parameter itself, or P·W'·Q."""
        pair = self.learned_pair(name)
        result: Tensor = self.auxiliary(name) if pair is None else pair(self.auxiliary(name))
        return result

    def scale(self, name: str) -> nn.Parameter:
        """λ, its own or borrowed."""
        lender = self.lenders.get(name)
        value = (self if lender is None else lender[0]).scales._parameters[name]
        assert value is not None
        return value

    def own_leaves(self) -> Iterator[nn.Parameter]:
        """Each W', and each λ that is not borrowed."""
        for entries in (self._modules["auxiliaries"], self._modules["scales"]):  # Faster than by attribute.
            assert entries is not None
            yield from (leaf for leaf in entries._parameters.values() if leaf is not None)

    def terms(self) -> tuple[list[Tensor], list[nn.Parameter], list[Overlay]]:
        """Each W' that is switched on, its λ and how they lie on W, in the order in which they are summed."""
        return self.terms_of([name for name in self.overlays if name not in self.off] if self.off else self.overlays)

    def terms_of(self, names: Collection[str]) -> tuple[list[Tensor], list[nn.Parameter], list[Overlay]]:
        """As `terms`, of these auxiliaries."""
        read = self.auxiliary if self.learned is None else self.value
        return [*map(read, names)], [*map(self.scale, names)], [self.overlays[name] for name in names]

    def remove(self, names: Collection[str]) -> None:
        """Remove the pathways from these auxiliaries."""
        for entries in (self.auxiliaries, self.scales, self.lenders, self.overlays, self.pieces, self.derived):
            for name in names:
                if name in entries:
                    del entries[name]
        if self.learned is not None:
            for name in names:
                self.learned._modules.pop(name, None)

    def enabled_terms(self) -> tuple[list[Tensor], list[nn.Parameter], list[Overlay]]:
        """`terms`, or nothing while the pathways are disabled."""
        return self.terms() if self.enabled else ([], [], [])

    def _replicate_for_data_parallel(self) -> NoReturn:
        todo = "wrap the model in DistributedDataParallel, or train it on one device"
        raise PathwayError("DataParallel", "a model without pathways", "a connected one", todo)

    def forward(self, weight: Tensor) -> Tensor:
        """W + Σ λ·W', or W itself while the pathways are disabled."""
        if not self.enabled or not self.overlays:
            return weight
        auxiliaries, scales, overlays = self.terms()
        return effective_weight(weight, auxiliaries, scales, overlays) if overlays else weight


def warn_of_other_state(weight: str, start: str, pathway: PathwayWeight, state: Mapping[str, Any]) -> None:
    """Say where a state dict passes over W that is there under its plain name, or over missing λ and W': with
    `strict=False` PyTorch would in silence. `start` is what the names of W, W' and λ begin with.
    """
    own = [f"{start}0.{name}" for name, _ in pathway.named_parameters()]
    missing = [name for name in own if name not in state]
    if f"{start}original" not in state and weight in state:
        reason, todo = "the state dict is a plain model's, and its W is not loaded", "load it before `connect`"
    elif f"{start}original" in state and missing:
        attribute = weight.rpartition(".")[2]
        names = ", ".join(f"{attribute}.{name.removeprefix(start)}" for name in missing)
        reason, todo = f"it lacks {names}", "connect as the saved model was, or use load_pathway"
    else:
        return
    # The same words for every weight: Python shows them once.
    warnings.warn(f"crosspath: load_state_dict of a connected model: {reason}; {todo}", stacklevel=3)
