"""Pair target weights with auxiliary weights, all of them before anything is touched."""

from collections.abc import Iterable
from dataclasses import replace

from torch import nn

from crosspath.errors import PathwayError
from crosspath.layouts import Layout
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.resolve_layout import resolve_layout
from crosspath.pathway.anatomy.weight_names import is_matrix
from crosspath.pathway.arguments import Normalise, check_canonical, names_of, words_of
from crosspath.pathway.fitting.fit import Fit, check_fit
from crosspath.pathway.fitting.model import fit_energies
from crosspath.pathway.pairing.block_pairs import Blocks, check_gaps
from crosspath.pathway.pairing.by_name import Names, match_names
from crosspath.pathway.pairing.canonical_pairs import with_canonical_pairs, with_same_spread
from crosspath.pathway.pairing.differences import layout_line
from crosspath.pathway.pairing.fit_words import describe_traits
from crosspath.pathway.pairing.layer_differences import compare_convolutions, unknown_orientations
from crosspath.pathway.pairing.pair_roles import check_lists, pair_roles
from crosspath.pathway.pairing.selection import Roles, check_names, select_roles
from crosspath.pathway.report import MatchReport, Mismatch
from crosspath.pathway.sources.auxiliary import open_auxiliary
from crosspath.pathway.sources.source import AuxiliarySource, ModuleSource, Source, find_quantised
from crosspath.pathway.sources.wrappers import check_module, unwrap

MOST_MATRICES = 6
"""Weights that a message lists where no blocks are found."""
ACCEPTABLE = ("heads", "norm", "partial", "fold", "bias")
"""What a user may accept: differences of meaning, blocks that pair in part, and what a canonical pathway cannot carry.
Differences of shape cannot be."""


def match(
    target: nn.Module,
    auxiliary: AuxiliarySource,
    *,
    roles: Roles = "all",
    names: Names = None,
    blocks: Blocks = "same",
    accept: Iterable[str] = (),
    fit: Fit | None = None,
    canonical: bool = False,
    normalise: Normalise | None = None,
    target_layout: Layout | str | None = None,
    auxiliary_layout: Layout | str | None = None,
) -> MatchReport:
    """Every weight that would pair, every one that would not, and why. Touches nothing.

    Parameters
    ----------
    target, auxiliary
        A module; and a module, a state dict, or the path of a safetensors file.
    roles
        `all`, `attention`, `mlp`, or a set of `query`, `key`, `value`, `attention_output`, `mlp_in`, `mlp_gate` (of a
        gated mlp, the input that the activation acts on), `mlp_out`. A second attention or mlp of a block prefixes
        them (`cross.query`); a matrix without a role stands under its path in the block, and pairs with a block of the
        same architecture only.
    names
        Instead of roles: a regular expression searched in the names of weights that have two dimensions or more, a
        list of exact names (any weight: Linear, Conv1d to Conv3d, Embedding), or {target name: auxiliary name}.
    blocks
        `same` (block i with block i), `reversed`, `spread` (by relative depth: first with first, last with last, in
        between the nearest), `repeat` (the auxiliary's blocks in their order, then from its first again), or
        {target block: auxiliary block}. Blocks in stages are numbered consecutively through all stages; `spread` and
        `repeat` pair stage by stage.
    accept
        What to accept: other `heads`, another place of the `norm`, and `partial`: blocks with matrices that have no
        counterpart, which then stay as they are. With `canonical` also `fold`, what no fold makes equal (the report
        says what then happens), and `bias`, a b' that is left out where the target has no bias.
    fit
        How an auxiliary of other shapes is brought to the target's: `slice` (first channels and heads), `average` (of
        neighbours), `spectra` (principal components, strongest heads) or `learned` (P·W'·Q, where P and Q train, from
        spectra on). Depths then pair by relative depth, other heads are accepted, and a gated mlp pairs with a plain
        one; the report says what is exact, what is not, and how much of ‖W'‖² is kept. Equal shapes stay as they are,
        to the bit. See "Other shapes" in docs/method.md. Any of them also brings the kernels of convolutions to the
        target's size and axes ("Convolutions" there), with `names` too, beside which it does nothing else.
    canonical
        Whether W' carries the auxiliary's norm scales, shifts, biases and layer scales: see `connect`.
    normalise
        `rms`: whether the spread of each W' becomes that of its W: see `connect`.
    target_layout, auxiliary_layout
        The layout of that side, where it is not recognised automatically: its name, the result of `layout_named`, or a
        `Layout` of your own.

    Raises
    ------
    PathwayError
        For unknown roles, blocks, layouts or names of differences, stages that cannot be paired, a layout that fits
        nowhere or at several places, or a source that cannot be read.
    """
    check_module(target, auxiliary)
    target = unwrap(target)
    roles, names, accept = words_of(roles, "roles"), names_of(names), words_of(accept, "accept")
    differences = check_names(accept, ACCEPTABLE, "accept")
    check_fit(fit)
    check_canonical(canonical, normalise)
    if fit == "learned" and (canonical or normalise is not None):
        expected = "slice, average or spectra beside canonical= and normalise=, since P and Q learn the scale"
        raise PathwayError("fit", expected, "'learned'", "choose another fit, or leave the others out")
    target_source, auxiliary_source = ModuleSource(target), open_auxiliary(auxiliary)
    layouts = resolve_layout(target_layout, "target_layout"), resolve_layout(auxiliary_layout, "auxiliary_layout")
    if names is not None:
        if roles != "all" or blocks != "same" or layouts != (None, None):
            expected, todo = "no roles=, blocks= or layouts beside it", "use names=, or the others"
            raise PathwayError("names", expected, "some", todo)
        if canonical:
            todo = "choose roles= instead, or leave canonical= out"
            raise PathwayError("canonical", "weights with roles in blocks", "names=", todo)
        report = match_names(target_source, auxiliary_source, names, fit)
        if report.ok and fit is not None:
            report = replace(report, fitted=tuple(fit_energies(report.pairs, auxiliary_source)))
        report = report if normalise is None else with_same_spread(report)
        return _check_weights(target_source, auxiliary_source, report)
    selection = select_roles(roles)
    anatomies = locate(target_source, layouts[0]), locate(auxiliary_source, layouts[1])
    for side, source, layout, anatomy in zip(
        ("target", "auxiliary"), (target_source, auxiliary_source), layouts, anatomies, strict=True
    ):
        where = f"{side} ({source.origin})"
        if anatomy is None and (weights := find_quantised(source)):
            raise PathwayError(where, *_explain_quantisation(weights, side))
        if anatomy is None:
            expected = "blocks of a known layout" if layout is None else f"blocks of the layout {layout.name!r}"
            matrices = [(name, shape) for name, shape in source.shapes().items() if is_matrix(name, shape)]
            examples = ", ".join(f"{name} {shape}" for name, shape in matrices[:MOST_MATRICES]) or "no matrices"
            line = layout_line(side, "blocks.0.", "attn.q.weight")
            todo = f"describe them, as in {line}, or choose weights with names="
            raise PathwayError(where, expected, f"none among {examples}", todo)
    ours, theirs = anatomies
    assert ours is not None
    assert theirs is not None
    selection.check(ours, theirs)
    check_lists(ours, theirs, (target_source.origin, auxiliary_source.origin), blocks)
    if isinstance(blocks, str) and not isinstance(auxiliary, nn.Module):
        check_gaps(ours, theirs, auxiliary_source.origin, auxiliary_source.shapes())
    report = pair_roles(ours, theirs, selection, blocks, differences, fit)
    if canonical:
        report = with_canonical_pairs(report, (target_source, ours), (auxiliary_source, theirs), differences)
    report = report if normalise is None else with_same_spread(report)
    if report.ok and fit is not None:
        traits = describe_traits(target_source, auxiliary_source)
        report = replace(report, fitted=(*report.fitted, *traits, *fit_energies(report.pairs, auxiliary_source)))
    return _check_weights(target_source, auxiliary_source, report)


def _check_weights(target: Source, auxiliary: Source, report: MatchReport) -> MatchReport:
    """The report with convolutions that differ, and weights that may be turned; where it has mismatches and a side has
    quantised weights, these come first.
    """
    convolutions = compare_convolutions(report.pairs, target, auxiliary)
    unknown = unknown_orientations(report.pairs, target, auxiliary)
    caveats, mismatches = (*report.unverified, *unknown), (*report.mismatches, *convolutions)
    report = replace(report, unverified=caveats, mismatches=mismatches)
    if not report.mismatches:
        return report
    first = []
    for side, source in (("target", target), ("auxiliary", auxiliary)):
        names = find_quantised(source)
        if names:
            expected, found, todo = _explain_quantisation(names, side)
            reason = f"expected {expected}, found {found}"
            first.append(Mismatch("quantised", f"weights of the {side}", reason, todo))
    return replace(report, mismatches=(*first, *report.mismatches))


def _explain_quantisation(names: list[str], side: str) -> tuple[str, str, str]:
    """(expected, found, what to do)."""
    todo = "connect and merge before quantising" if side == "target" else "pass it as it was before quantising"
    return "floating-point weights", f"{len(names)} quantised ones, such as {names[0]}", todo
