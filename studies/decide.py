"""Fit the decision lists of *Will it help me?* to the published results, and say how much they err.

    python studies/decide.py

Reads `docs/results.json`, and `studies/*.yaml` for which targets start from a checkpoint; prints the marked section of
`docs/will-it-help.md` and writes it there. The lists stand in `crosspath/study/decision/lists.py`, which `--write`
writes anew.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from crosspath.study.decision.decision import WORDS, Advice, Case, DecisionList, Readings, regret
from crosspath.study.decision.fit import WORTH, fit_list, held_out_regret, with_choices

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = REPOSITORY / "docs" / "results.json"
PAGE = REPOSITORY / "docs" / "will-it-help.md"
LISTS = REPOSITORY / "crosspath" / "study" / "decision" / "lists.py"
BEGIN, END = "<!-- decision -->\n", "<!-- end decision -->"
STARTS = {None, "whole-body", "start-0.1", "epochs-18", "epochs-60", "raw", "paper"}
"""Variants that are a pathway as `try` starts it; the others are ablations."""
CANONICAL = "canonical"
"""The variant that `try` races for targets from scratch."""
ADAPTERS = {"scales-as-adapter"}
"""Studies whose `none` is a frozen body: no case of a network that trains."""
KINDS = {"dinov2-small": "image", "whisper-tiny-en": "audio"}
"""What foundation models are for: rows name them as their study does. Other auxiliaries are named by their recipe."""
MASKED = {"pretrained", "masked-modelling"}
CHOICES: dict[str, tuple[Advice, ...]] = {
    "own files without labels": ("masked", "plain", "pathway"),
    "no such files": ("plain", "pathway"),
}
"""{what the user has beside the auxiliary: what there is to choose from}."""
Row = dict[str, Any]


def cases_of(rows: Sequence[Row], pretrained: set[tuple[str, str]]) -> list[Case]:
    """Every target with an auxiliary at hand, as measured; `pretrained` holds (study, target) that start from one.

    Where a comparison has been settled, those that are not say nothing more; elsewhere their differences are the best
    there is, and the case says so.
    """
    masked: dict[tuple[str, int | None], list[Row]] = {}
    gains: dict[tuple[str, Readings], list[Row]] = {}
    for row in rows:
        if row["difference"] is None or row["metric"] != "accuracy" or row["study"] in ADAPTERS:
            continue
        labels, target = row["labels_per_class"], row["target"]
        if row["arm"] in MASKED:
            masked.setdefault((target, labels), []).append(row)
        has_start = (row["study"], target) in pretrained
        if row["arm"] == "pathway" and (row["variant"] in STARTS or (row["variant"] == CANONICAL and not has_start)):
            kind = KINDS.get(row["auxiliary"], row["auxiliary"].partition("/")[0])
            readings = Readings(labels=labels, pretrained=has_start, kind=kind)
            gains.setdefault((target, readings), []).append(row)
    cases = []
    for (target, readings), some in gains.items():
        gain, settled = mean_gain(some)
        of_case: dict[Advice, float] = {"plain": 0.0, "pathway": gain}
        if readings.pretrained:
            of_case["masked"] = 0.0  # it has had what masked modelling would give it
        elif (target, readings.labels) in masked:
            of_case["masked"], masked_settled = mean_gain(masked[target, readings.labels])
            settled = settled and masked_settled
        cases.append(Case(target=target, readings=readings, gains=of_case, settled=settled))
    return cases


def mean_gain(rows: Sequence[Row]) -> tuple[float, bool]:
    """The mean difference of the settled comparisons, or of all where none is; and whether they are settled."""
    settled = [row["difference"] for row in rows if not row.get("unsettled")]
    return fmean(settled or [row["difference"] for row in rows]), bool(settled)


def pretrained_targets() -> set[tuple[str, str]]:
    """(study, target) of the studies whose targets start from a checkpoint."""
    studies = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "studies").rglob("*.yaml"))
    return {
        (study["name"], target)
        for study in studies
        for target, section in (study.get("targets") or {}).items()
        if (section or {}).get("from")
    }


def section_of(cases: Sequence[Case]) -> str:
    """The lists, and their error beside those of constant rules, as Markdown."""
    parts = []
    for having, choices in CHOICES.items():
        usable = with_choices(cases, choices)
        decision, targets = fit_list(usable, choices), list(dict.fromkeys(case.target for case in usable))
        costs = held_out_regret(usable, choices)
        constants = {f"always {WORDS[one]}": regret(DecisionList(rules=(), otherwise=one), usable) for one in choices}
        best = min(constants, key=lambda name: constants[name])
        held_out = fmean(costs.values())
        settled = sum(case.settled for case in usable)
        basis = f"{len(usable)} cases of {len(targets)} targets; {settled} rest on settled comparisons alone"
        lines = [f"**With an auxiliary and {having}** ({basis}):", ""]
        lines += [f"{number}. {when}: **{what}**" for number, (when, what) in enumerate(decision.lines, 1)]
        lines += ["", "| rule | points lost against the best way measured |", "|---|---|"]
        lines += [f"| the list, on targets that it was not fitted to | {100 * held_out:.1f} |"]
        lines += [f"| the list, on those it was fitted to | {100 * regret(decision, usable):.1f} |"]
        lines += [f"| {name} | {100 * value:.1f} |" for name, value in constants.items()]
        gain = constants[best] - held_out
        verdict = (
            f"The list **does not beat** “{best}” by half a point, which is what such studies can show: follow that."
        )
        if gain >= WORTH:
            verdict = f"The list beats “{best}”, the best constant rule, by {100 * gain:.1f} points."
        worst = max(costs, key=lambda target: costs[target])
        parts += [*lines, "", f"{verdict} It errs most on `{worst}`, by {100 * costs[worst]:.1f} points.", ""]
    return "\n".join(parts).rstrip()


def module_of(lists: dict[str, DecisionList]) -> str:
    """The Python file that holds the lists."""
    head = '"""The decision lists that `studies/decide.py --write` fitted to `docs/results.json`."""\n\n'
    names = ("WITH_OWN_FILES", "WITHOUT")
    body = "\n".join(f"{name} = {one!r}" for name, one in zip(names, lists.values(), strict=True))
    imports = "DecisionList, Rule" if "Rule(" in body else "DecisionList"
    head += f"from crosspath.study.decision.decision import {imports}\n\n"
    return head + body.replace("'", '"') + "\n"


def lists_of(cases: Sequence[Case]) -> dict[str, DecisionList]:
    """What `try` follows, by what the user has."""
    return {having: advise(with_choices(cases, choices), choices) for having, choices in CHOICES.items()}


def advise(cases: Sequence[Case], choices: Sequence[Advice]) -> DecisionList:
    """The fitted list where it beats every constant rule on targets that it was not fitted to, else the best rule."""
    constants = [DecisionList(rules=(), otherwise=choice) for choice in choices]
    best = min(constants, key=lambda one: regret(one, cases))
    gain = regret(best, cases) - fmean(held_out_regret(cases, choices).values())
    return fit_list(cases, choices) if gain >= WORTH else best


def main() -> None:
    """Print the section and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the lists into the package too")
    options = parser.parse_args()
    cases = cases_of(json.loads(ROWS.read_text(encoding="utf-8")), pretrained_targets())
    section = section_of(cases)
    print(section)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_section(page, section), encoding="utf-8")
    if options.write:
        LISTS.write_text(module_of(lists_of(cases)), encoding="utf-8")


def with_section(page: str, section: str) -> str:
    """The page with this section."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{section}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    main()
