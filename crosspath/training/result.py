"""The result of a finished run: `result.json` as a typed object."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from crosspath.errors import InputError
from crosspath.evaluation.cost import Cost
from crosspath.files import FORMAT_VERSION, as_kind, read_json
from crosspath.metrics import plain_text

RESULT, LOG = "result.json", "log.jsonl"


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """One finished run. `metrics["test"]["accuracy"]` is read once, at the end."""

    folder: str
    """The run folder, as it was passed."""
    recipe: str
    objective: str
    seed: int
    metrics: Mapping[str, Mapping[str, float]]
    """{"validation": {...}, "test": {...}}: flat floats, accuracies fractions; a part without samples has none."""
    epoch: int
    """The epoch (from 1) whose weights the run ended with."""
    epochs: int
    steps: int
    samples: Mapping[str, int]
    """Of the three parts."""
    classes: tuple[str, ...]
    cost: Mapping[str, Any]
    """Parameters, tokens, latency of one evaluation batch; see `crosspath.evaluation.cost`."""
    duration_s: float
    compute: Mapping[str, str]
    """Device, precision and why."""
    environment: Mapping[str, Any]
    """Versions, processor, threads."""
    data: Mapping[str, Any]
    """Fingerprint, the damaged files that were skipped, and how many files of which kind are not read."""
    start: str | None
    """The checkpoint of `--from`."""
    auxiliaries: Mapping[str, Mapping[str, Any]]
    """{name: {"origin", "sha256", "recipe" where known}}."""
    scales: Mapping[str, Mapping[str, list[float]]]
    """{weight: {auxiliary: λ at the end}}."""
    notes: tuple[str, ...]
    resumed_at: tuple[int, ...] = ()
    """Steps at which the run was resumed."""
    strengths: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """{weight: {auxiliary: ‖λW'‖/‖W‖ at the end}}."""
    likeness: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """{weight: {auxiliary: cosine of W' at the end with W' at the start}}, of those that train."""
    sizes: Mapping[str, float] = field(default_factory=dict)
    """{weight: root mean square of W + λ·W' at the end}, of connected weights."""

    def __repr__(self) -> str:
        parts = {name: values for name, values in self.metrics.items() if values}
        metrics = [
            f"{part} " + " ".join(f"{name} {plain_text(name, value)}" for name, value in values.items())
            for part, values in parts.items()
        ]
        what = f"{self.recipe}, seed {self.seed}, epoch {self.epoch} of {self.epochs}"
        return f"<Result: {'; '.join([what, *metrics, f'{self.duration_s:.0f} s, in {self.folder}'])}>"

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in `result.json`."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


def read_result(folder: Path) -> Result:
    """The result of a finished run. Raises `InputError` for a missing or foreign file."""
    values = read_json(folder / RESULT)
    version = values.pop("format_version", None)
    for name in ("strengths", "likeness", "sizes"):
        values.setdefault(name, {})
    names = {entry.name for entry in fields(Result)}
    if version != FORMAT_VERSION:
        raise InputError(folder / RESULT, f"a result of format_version {FORMAT_VERSION}", repr(version), "run it again")
    if set(values) != names:
        faults = {"missing": names - set(values), "unknown": set(values) - names}
        found = ", ".join(f"{', '.join(sorted(some))} {fault}" for fault, some in faults.items() if some)
        raise InputError(folder / RESULT, "all that a result holds, and nothing else", found, "run it again")
    as_kind(values["cost"], Cost, f"{folder / RESULT} cost")
    return as_kind(values, Result, folder / RESULT)


def read_log(run: Path) -> list[dict[str, Any]]:
    """The entries of a run's log; none without a log. Raises `InputError` for a damaged one."""
    entries = []
    lines = (run / LOG).read_text(encoding="utf-8").splitlines() if (run / LOG).is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            todo = "the run is damaged: remove its folder, and repeat the command"
            raise InputError(f"{run / LOG} line {number}", "a JSON object", repr(line[:40]), todo)
        entries.append(entry)
    return entries
