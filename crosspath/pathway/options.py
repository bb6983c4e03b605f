"""The options of one `connect` call: what each may be, alone and beside the others."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from crosspath.errors import PathwayError, raise_as_pathway_error
from crosspath.pathway.arguments import Normalise, check_canonical, check_switch, number_of
from crosspath.starts import PAPER, start_named

ScalePer = Literal["layer", "role", "head", "channel"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one `connect` call."""

    scale_init: float
    scale_per: ScalePer
    train_scale: bool
    train_auxiliary: bool
    bias: bool
    canonical: bool = False
    normalise: Normalise | None = None
    shrink: float = 1.0
    start: str | None = None
    """The name of the start that the others come from, where one was given."""

    @property
    def record(self) -> dict[str, Any]:
        """What receipts and saved files repeat."""
        options = asdict(self)
        if self.start is None:
            del options["start"]
        for name, default in (("shrink", 1.0), ("canonical", False), ("normalise", None)):
            if options[name] == default:
                del options[name]
        return options

    def check(self) -> None:
        """Raise `PathwayError` for options that have no meaning, alone or together."""
        for argument in ("train_scale", "train_auxiliary", "bias"):
            check_switch(getattr(self, argument), argument)
        if self.scale_per not in ("layer", "role", "head", "channel"):
            found = repr(self.scale_per)
            raise PathwayError("scale_per", "layer, role, head or channel", found, "choose one of these")
        check_canonical(self.canonical, self.normalise)
        if self.scale_per == "head" and (self.bias or self.canonical):
            where = "canonical" if self.canonical else "bias"
            expected = "scale_per layer, role or channel beside it, since no head has the attention output's bias"
            raise PathwayError(where, expected, "'head'", "leave one of them out")
        if not math.isfinite(self.scale_init):
            raise PathwayError("scale_init", "a finite number", repr(self.scale_init), "choose another value")
        if not 0 < self.shrink < math.inf:
            raise PathwayError("shrink", "a factor above 0", repr(self.shrink), "choose another value")


def options_of(
    start: str | None,
    *,
    scale_init: float | None,
    shrink: float | None,
    train_auxiliary: bool | None,
    scale_per: ScalePer,
    train_scale: bool,
    bias: bool,
    canonical: bool = False,
    normalise: Normalise | None = None,
) -> Options:
    """The options of one `connect` call: what is None is the start's own; without a start, the paper's.

    Raises
    ------
    PathwayError
        For a start that does not exist, and options that have no meaning.
    """
    with raise_as_pathway_error():
        own = PAPER if start is None else start_named(start, "start")
    options = Options(
        scale_init=own.scale_init if scale_init is None else number_of(scale_init, "scale_init"),
        scale_per=scale_per,
        train_scale=train_scale,
        train_auxiliary=own.train_auxiliary if train_auxiliary is None else train_auxiliary,
        bias=bias,
        canonical=canonical,
        normalise=normalise,
        shrink=own.shrink if shrink is None else number_of(shrink, "shrink"),
        start=start,
    )
    options.check()
    return options
