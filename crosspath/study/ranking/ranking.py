"""What `rank` returns: auxiliaries in order, and what that order is worth."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crosspath.study.ranking.scores import Score
from crosspath.study.statistics import CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class Row:
    """One auxiliary."""

    name: str
    origin: str
    scores: Mapping[str, Score]
    """By the names in `SCORES`."""
    p_adjusted: float | None
    """Of the leading score, over all auxiliaries (Benjamini and Hochberg 1995)."""

    @property
    def beyond_chance(self) -> bool:
        """Whether its leading score differs from those of its shuffled copies."""
        return self.p_adjusted is not None and self.p_adjusted < 1 - CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Auxiliaries in the order of their leading score; printing it shows that order and what it is worth."""

    target: str
    rows: tuple[Row, ...]
    by: str
    start: str
    seeds: int
    copies: int
    batches: int
    samples: int

    @property
    def beyond_chance(self) -> bool:
        """Whether at least one auxiliary differs from its shuffled copies."""
        return any(row.beyond_chance for row in self.rows)

    @property
    def sentence(self) -> str:
        """The order in words."""
        score = _words(self.by)
        if not self.beyond_chance:
            return f"no ordering beyond chance: no auxiliary differs from its shuffled copies in {score}"
        kinds: dict[str, list[str]] = {"above": [], "below": [], "like": []}
        for row in self.rows:
            kind = "above" if (row.scores[self.by].z or 0.0) > 0 else "below"
            kinds[kind if row.beyond_chance else "like"].append(row.name)
        above = " > ".join(kinds["above"])
        text = f"by {score}: {above}, above shuffled copies" if above else f"by {score}: none above shuffled copies"
        text += f"; below them: {' > '.join(kinds['below'])}" if kinds["below"] else ""
        return text + (f"; not distinguishable from them: {', '.join(kinds['like'])}" if kinds["like"] else "")

    def __str__(self) -> str:
        return self.sentence

    def to_json(self) -> dict[str, Any]:
        """The ranking as plain data."""
        return {**asdict(self), "beyond_chance": self.beyond_chance, "sentence": self.sentence}


def _words(score: str) -> str:
    return score.replace("_", " ")
