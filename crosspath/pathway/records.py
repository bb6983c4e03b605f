"""What was done to make a W' that is not the auxiliary's weight as it is: plain data, in words and numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from crosspath.counts import quantity


@dataclass(frozen=True)
class StepRecord:
    """What one step did to one pair: in files, in `status` and in receipts."""

    step: str
    """`fold`, `fit`, `unfold` or `normalise`."""
    how: str
    """In words; the same words for pairs that were treated alike."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What differs from pair to pair, {what it is: value}."""

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "StepRecord":
        """The record of an entry that `asdict` made. Raises `LookupError`, `TypeError` or `ValueError` for others."""
        numbers = {str(name): float(value) for name, value in entry["numbers"].items()}
        return cls(str(entry["step"]), str(entry["how"]), numbers)


Records = tuple[tuple[StepRecord, ...], ...]
"""Of one W': the records of each piece that it was made from."""


def records_to_json(records: Records) -> list[list[dict[str, Any]]]:
    """The entry of a saved `pathway.json`."""
    return [[asdict(record) for record in piece] for piece in records]


def records_from_json(entry: Any) -> Records:
    """The records of such an entry. Raises `LookupError`, `TypeError` or `ValueError` for a damaged one."""
    return tuple(tuple(map(StepRecord.from_json, piece)) for piece in entry)


def describe_records(records: Iterable[StepRecord]) -> list[str]:
    """A line for each step and words, with the number of weights and the range of each number."""
    lines = []
    alike: dict[tuple[str, str], list[StepRecord]] = {}
    for record in records:
        alike.setdefault((record.step, record.how), []).append(record)
    for (step, how), group in alike.items():
        ranges = []
        for name in dict.fromkeys(name for record in group for name in record.numbers):
            values = [record.numbers[name] for record in group if name in record.numbers]
            low, high = f"{min(values):.4g}", f"{max(values):.4g}"
            ranges.append(f"{name} {low}" if low == high else f"{name} {low} to {high}")
        lines.append("; ".join([f"{step}: {how} ({quantity(len(group), 'weight')})", *ranges]))
    return lines
