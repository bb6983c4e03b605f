"""The `pathway` section: how auxiliaries are connected."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PositiveFloat, model_validator

from crosspath.config.layout import OneLayout, SomeLayouts
from crosspath.config.section import Section
from crosspath.config.starts import check_start, fill_section


class PathwaySection(Section):
    """The keywords of `crosspath.connect`; see there for their meaning."""

    start: Annotated[str | None, BeforeValidator(check_start)] = None
    """A way to start by its name, such as `whole-body`: `scale_init`, `shrink`, `train_auxiliary` and
    `optimizer.auxiliary_lr` are then its own where they are not given."""
    roles: Literal["all", "attention", "mlp"] | tuple[str, ...] = "all"
    names: str | tuple[str, ...] | None = None
    blocks: Literal["same", "reversed", "spread", "repeat"] | Mapping[int, int] = "same"
    accept: tuple[str, ...] = ()
    fit: Literal["slice", "average", "spectra", "learned"] | None = None
    """How an auxiliary of another depth, width, head count or mlp is brought to the target's shape."""
    scale_init: float = 0.0
    scale_per: Literal["layer", "role", "head", "channel"] = "layer"
    train_scale: bool = True
    train_auxiliary: bool = True
    bias: bool = False
    canonical: bool = False
    normalise: Literal["rms"] | None = None
    target_layout: OneLayout = None
    """Of a model that is not recognised automatically: a shipped layout's name (or `name`, `heads` and `order`), or a
    table of one's own, with the fields of `crosspath.Layout`."""
    auxiliary_layout: SomeLayouts = None
    """As `target_layout`; for several auxiliaries also {auxiliary's name: layout}."""
    shrink: PositiveFloat = 1.0
    """Every W that gets a pathway is multiplied by this once, before it does: with a λ that starts near 1, the size of
    W + λW' then stays near that of a usual start."""

    @model_validator(mode="before")
    @classmethod
    def _fill_start(cls, values: Any) -> Any:
        return fill_section(values)
