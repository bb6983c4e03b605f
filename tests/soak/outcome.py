"""What a part of the soak has tried and found, and how long it may go on."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Outcome:
    """One part's account. `faults` is empty where all is well."""

    part: str
    tried: Counter[str] = field(default_factory=Counter)
    """{what: how often}."""
    faults: list[str] = field(default_factory=list)
    """Each with the command that shows it again."""
    figures: dict[str, float] = field(default_factory=dict)
    """Measurements, with their unit in the name."""
    skipped: list[str] = field(default_factory=list)
    """What this machine cannot try, and why."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "part": self.part,
            "tried": dict(sorted(self.tried.items())),
            "faults": self.faults,
            "figures": dict(sorted(self.figures.items())),
            "skipped": self.skipped,
        }


@dataclass(frozen=True)
class Budget:
    """How much a part may do: so many tries, within so many seconds."""

    tries: int
    seconds: float
    seed: int = 0
    """Of the first try; tries count up from it, so that a later run goes on where an earlier one ended."""
    start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that are left; below 0 once they are used up."""
        return self.start + self.seconds - time.monotonic()

    def share(self, parts: int) -> float:
        """The seconds of one of `parts` that are still to come."""
        return max(0.0, self.left) / max(1, parts)
