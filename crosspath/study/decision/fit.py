"""The fit of a decision list: every list of at most two rules is tried, and the one that costs least is taken."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product

from crosspath.study.decision.decision import Advice, Case, DecisionList, Rule, regret

MOST_RULES = 2
WORTH = 0.005
"""What a further rule must save, as a fraction of test accuracy: studies of five seeds cannot show less."""


def with_choices(cases: Sequence[Case], choices: Sequence[Advice]) -> list[Case]:
    """The cases in which all choices were measured, reduced to them: only there lists can be compared."""
    return [
        replace(case, gains={choice: case.gains[choice] for choice in choices})
        for case in cases
        if case.gains.keys() >= set(choices)
    ]


def fit_list(cases: Sequence[Case], choices: Sequence[Advice]) -> DecisionList:
    """The list that costs least on these cases. A list with more rules must save `WORTH` for each of them; of equal
    ones the first in the order of `choices` and of the readings is taken."""
    conditions = conditions_of(cases)
    best, cost = None, float("inf")
    for count in range(MOST_RULES + 1):
        for subset in permutations(conditions, count):
            for advice in product(choices, repeat=count + 1):
                rules = tuple(replace(rule, advice=one) for rule, one in zip(subset, advice, strict=False))
                candidate = DecisionList(rules=rules, otherwise=advice[-1])
                total = regret(candidate, cases) + WORTH * count
                if total < cost - 1e-12:
                    best, cost = candidate, total
    assert best is not None
    return best


def conditions_of(cases: Sequence[Case]) -> list[Rule]:
    """The conditions that divide these cases: whether the target is pretrained, each number of labels but the largest,
    and each kind of auxiliary."""
    rules = [Rule(reading="pretrained", value=True, advice="plain")]
    labels = sorted({case.readings.labels for case in cases if case.readings.labels is not None})
    rules += [Rule(reading="labels", value=count, advice="plain") for count in labels[:-1]]
    kinds = sorted({case.readings.kind for case in cases if case.readings.kind is not None})
    return rules + [Rule(reading="kind", value=kind, advice="plain") for kind in kinds]


def held_out_regret(cases: Sequence[Case], choices: Sequence[Advice]) -> dict[str, float]:
    """{target: what a list costs there that was fitted to all other targets}."""
    costs = {}
    for target in dict.fromkeys(case.target for case in cases):
        others = [case for case in cases if case.target != target]
        own = [case for case in cases if case.target == target]
        costs[target] = regret(fit_list(others, choices), own)
    return costs
