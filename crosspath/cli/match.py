"""`crosspath match`."""

from typing import TYPE_CHECKING, Any

from crosspath.cli.options import Auxiliaries, Blocks, Fit, Json, Settings, data_and_settings, named_pairs, with_blocks
from crosspath.cli.output import print_json, print_line, print_next
from crosspath.cli.spelling import as_settings

if TYPE_CHECKING:
    from crosspath.pathway import MatchReport


def match(
    recipe: str,
    /,
    *,
    auxiliary: Auxiliaries,
    blocks: Blocks = None,
    fit: Fit = None,
    set_: Settings = (),
    json: Json = False,
) -> None:
    """Show which weights of a recipe's model pair with those of an auxiliary, and why others do not; trains nothing.

    Example: `crosspath match image/cifar10 --auxiliary audio=runs/esc10 --blocks spread`

    The exit code is 2 where `crosspath train` would refuse the pathway.

    Parameters
    ----------
    recipe
        The target: a shipped recipe, or a recipe file (`.yaml`).
    """
    from crosspath.config import apply_overrides
    from crosspath.errors import PathwayError
    from crosspath.recipes import recipe_named
    from crosspath.training.pathways import match_auxiliaries

    resolved_recipe = apply_overrides(recipe_named(recipe), with_blocks(set_, blocks, fit=fit))
    reports = match_auxiliaries(resolved_recipe, named_pairs(auxiliary, "--auxiliary"))
    if json:
        print_json({name: _plain(report) for name, report in reports.items()})
    else:
        for name, report in reports.items():
            print_line(as_settings(f"{name}: {report}"))
    faults = {name: report.mismatches for name, report in reports.items() if report.mismatches}
    if json and faults:
        raise PathwayError.of("match", [f"{name}: {fault}" for name, few in faults.items() for fault in few])
    for name, few in faults.items():
        found, todo = f"what does not pair above ({len(few)})", "set what it says, or name another auxiliary"
        raise PathwayError(f"--auxiliary {name}", "weights that all pair", found, todo)
    if not json:
        pair_options = (word for pair in auxiliary for word in ("--auxiliary", pair))
        blocks_option = () if blocks is None else ("--blocks", blocks)
        fit_option = () if fit is None else ("--fit", fit)
        print_next(
            "crosspath", "train", recipe, *pair_options, *blocks_option, *fit_option, *data_and_settings(None, set_)
        )


def _plain(report: "MatchReport") -> dict[str, Any]:
    return {
        "ok": report.ok,
        "layouts": report.layouts,
        "coverage": report.coverage,
        "pairs": [
            {"role": pair.role, "target": str(pair.target), "auxiliary": str(pair.auxiliary)} for pair in report.pairs
        ],
        "mismatches": [str(mismatch) for mismatch in report.mismatches],
        "accepted": [str(difference) for difference in report.accepted],
        "fitted": report.fitted,
        "unverified": report.unverified,
        "not_chosen": report.not_chosen,
        "notes": report.notes,
    }
