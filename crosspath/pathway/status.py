"""The pathways of a model, as data and as a table."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.counts import quantity
from crosspath.pathway.engines.combine import exact_blocks, rows_of_block
from crosspath.pathway.engines.overlay import covered_rows
from crosspath.pathway.engines.parametrization import is_sharded
from crosspath.pathway.engines.pathway_weight import PathwayWeight
from crosspath.pathway.origins import Origin, origins_of
from crosspath.pathway.records import Records, describe_records
from crosspath.pathway.safeguards import scale_warning
from crosspath.pathway.sources.parameters import connections, require_pathways
from crosspath.pathway.sources.wrappers import check_module, unwrap
from crosspath.starts import STARTS, describe_start


@dataclass(frozen=True)
class PathwayStatus:
    """One weight and one auxiliary."""

    weight: str
    auxiliary: str
    source: tuple[str, ...]
    """The auxiliary's weights (and rows) that W' was cut from."""
    scale: list[float] | None
    """λ; None without values."""
    ratio: float | None
    """‖λW'‖ / ‖W‖ over the rows that W' covers; None without values."""
    trains_weight: bool
    trains_auxiliary: bool
    trains_scale: bool
    derived: Records = ()
    """What was done to each of the source's weights to make W'; empty where it is these weights."""


@dataclass(frozen=True, repr=False)
class Status:
    """All pathways of a model. Printing it shows a table."""

    rows: tuple[PathwayStatus, ...]
    sources: Mapping[str, str]
    """{auxiliary: where it came from}."""
    warnings: tuple[str, ...]
    enabled: bool

    def to_json(self) -> dict[str, Any]:
        """Plain nested data; a ratio that is not finite (W is zero) is null."""
        plain = asdict(self)
        for row in plain["rows"]:
            row["ratio"] = row["ratio"] if row["ratio"] is not None and math.isfinite(row["ratio"]) else None
            if not row["derived"]:
                del row["derived"]
        return plain

    def __iter__(self) -> Iterator[PathwayStatus]:
        return iter(self.rows)

    def __repr__(self) -> str:
        ratios = [row.ratio for row in self.rows if row.ratio is not None]
        ratio = f", ‖λW′‖/‖W‖ {min(ratios):.4f} to {max(ratios):.4f}" if ratios else ""
        suffix = f", {quantity(len(self.warnings), 'warning')}" if self.warnings else ""
        return f"<Status: {quantity(len(self.rows), 'pathway')} from {', '.join(self.sources)}{ratio}{suffix}>"

    def __str__(self) -> str:
        width = max(len(row.weight) for row in self.rows)
        names = max(9, *(len(row.auxiliary) for row in self.rows))
        lines = [f"{'weight':{width}}  {'auxiliary':{names}}  {'λ':>20}  {'‖λW′‖/‖W‖':>10}  trains"]
        for row in self.rows:
            flags = {"W": row.trains_weight, "W'": row.trains_auxiliary, "λ": row.trains_scale}
            trains = [part for part, on in flags.items() if on]
            ratio = "no values" if row.ratio is None else f"{row.ratio:.4f}"
            lines.append(
                f"{row.weight:{width}}  {row.auxiliary:{names}}  {_format_scale(row.scale):>20}  {ratio:>10}  "
                f"{' '.join(trains) or 'nothing'}"
            )
        if not self.enabled:
            lines.append("disabled: the model computes as the bare target")
        for name, source in self.sources.items():
            lines.append(f"{name} comes from {source}")
            pieces = (piece for row in self.rows if row.auxiliary == name for piece in row.derived)
            lines += [f"  {line}" for line in describe_records(chain.from_iterable(pieces))]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def status(target: nn.Module) -> Status:
    """Of each pathway: λ, ‖λW'‖/‖W‖, what trains, where from.

    Raises
    ------
    PathwayError
        Without pathways.
    """
    check_module(target)
    target = unwrap(target)
    rows: list[PathwayStatus] = []
    half, enabled = 0, True
    off: set[str] = set()
    for holder, pathway in connections(target):
        half += holder.original.dtype in (torch.float16, torch.bfloat16)
        enabled = enabled and pathway.enabled
        off |= pathway.off
        for name in pathway.overlays:
            auxiliary, scale = pathway.auxiliary(name), pathway.scale(name)
            ratio = _ratio(holder.original, pathway, name)
            rows.append(
                PathwayStatus(
                    weight=holder.name,
                    auxiliary=name,
                    source=pathway.pieces[name],
                    scale=None if ratio is None else scale.detach().double().tolist(),
                    ratio=ratio,
                    trains_weight=holder.original.requires_grad,
                    trains_auxiliary=auxiliary.requires_grad,
                    trains_scale=scale.requires_grad,
                    derived=pathway.derived.get(name, ()),
                )
            )
    require_pathways(target)
    warnings = []
    if half:
        warnings.append(f"{quantity(half, 'weight')} in half precision, as is λ: use float32 weights with autocast")
    if off and enabled:
        warnings.append(f"switched off: {', '.join(sorted(off))}")
    warning = scale_warning(target)
    if warning is not None:
        warnings.append(warning)
    names = {row.auxiliary for row in rows}
    origins = {name: origin for name, origin in origins_of(target).items() if name in names}
    sources = {name: _describe(origin) for name, origin in origins.items()}
    return Status(tuple(rows), sources, tuple(warnings), enabled)


def _describe(origin: Origin) -> str:
    """Where an auxiliary came from, and the start it was connected with."""
    start = origin.options.get("start", "")
    if start not in STARTS:
        return origin.description
    return f"{origin.description}, {describe_start(start, {'shrink': 1.0, **origin.options})}"


def _ratio(original: Tensor, pathway: PathwayWeight, name: str) -> float | None:
    auxiliary, scale, overlay = pathway.auxiliary(name), pathway.scale(name), pathway.overlays[name]
    if any(tensor.is_meta or is_sharded(tensor) for tensor in (original, auxiliary, scale)):
        return None
    with torch.no_grad():
        value = pathway.value(name)
        nothing = original.new_zeros(()).expand_as(original)
        term = _norm(block for _, _, block in exact_blocks(nothing, [value], [scale], [overlay]))
        norm = _norm(block.double() for block in torch.split(covered_rows(original, overlay), rows_of_block(original)))
        return term / norm if norm else float("inf")


def _norm(blocks: Iterable[Tensor]) -> float:
    vector_norm = torch.linalg.vector_norm
    return float(vector_norm(torch.stack([vector_norm(block) for block in blocks])))


def _format_scale(scale: list[float] | None) -> str:
    if scale is None:
        return "no values"
    if len(scale) == 1:
        return f"{scale[0]:+.6f}"
    return f"{min(scale):+.4f}..{max(scale):+.4f} ({len(scale)})"
