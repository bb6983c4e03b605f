"""What to expect before anything has been trained: a list of rules over three readings, from the published results.

`studies/decide.py` fits the two lists to `docs/results.json`, and says by how much each errs on a target that it was
not fitted to. `try` begins its race with what they advise; what it measures does not depend on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Advice = Literal["plain", "masked", "pathway"]
WORDS: dict[Advice, str] = {
    "plain": "the plain model",
    "masked": "masked modelling of your own files",
    "pathway": "a pathway at full strength, or a copy",
}


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What is known of a target and of an auxiliary before training."""

    labels: int | None
    """Labels per class; None for all."""
    pretrained: bool
    """Whether the target starts from a model of its own modality."""
    kind: str | None
    """The modality of the auxiliary at hand, or `procedural`; None where it has none that is known."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One line of a list: what to do where a reading has a value."""

    reading: Literal["labels", "pretrained", "kind"]
    value: int | bool | str
    """The largest number of labels, whether the target is pretrained, or the kind of the auxiliary."""
    advice: Advice

    def holds(self, readings: Readings) -> bool:
        """Whether the rule speaks of these readings."""
        if self.reading == "labels":
            return readings.labels is not None and readings.labels <= int(self.value)
        return bool(getattr(readings, self.reading) == self.value)

    @property
    def words(self) -> str:
        """The condition, for a person."""
        if self.reading == "labels":
            return f"{self.value} labels a class or fewer"
        if self.reading == "pretrained":
            return "the target is pretrained" if self.value else "the target starts from scratch"
        return f"an auxiliary for {self.value} is at hand"


@dataclass(frozen=True, kw_only=True)
class DecisionList:
    """Rules, of which the first that holds decides."""

    rules: tuple[Rule, ...]
    otherwise: Advice

    def advise(self, readings: Readings) -> Advice:
        """What to try first."""
        return next((rule.advice for rule in self.rules if rule.holds(readings)), self.otherwise)

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """(condition, advice) in words, the default last."""
        last = "otherwise" if self.rules else "always"
        return (*((rule.words, WORDS[rule.advice]) for rule in self.rules), (last, WORDS[self.otherwise]))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A target with an auxiliary at hand, and what each way of starting gained there."""

    target: str
    readings: Readings
    gains: dict[Advice, float]
    """Differences from the plain model, as fractions, of those ways that were measured; 0 for the plain model."""
    settled: bool = True
    """Whether no search behind these differences ended at an edge."""


def regret(decision: DecisionList, cases: Sequence[Case]) -> float:
    """What following the list costs against the best way that was measured: the mean over targets of the mean over
    their cases, as a fraction of test accuracy. All cases must have what the list advises."""
    by_target: dict[str, list[float]] = {}
    for case in cases:
        cost = max(case.gains.values()) - case.gains[decision.advise(case.readings)]
        by_target.setdefault(case.target, []).append(cost)
    return sum(sum(some) / len(some) for some in by_target.values()) / len(by_target)
