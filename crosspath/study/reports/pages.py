"""What the reports of a demo and a study share: page templates, curves from the logs of runs, λ by block and role."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from crosspath.layouts import LAYOUTS, Layout
from crosspath.metrics import metric_of
from crosspath.training.result import read_log

if TYPE_CHECKING:
    from jinja2 import Template

ROLE_LABELS = {
    "query": "q",
    "key": "k",
    "value": "v",
    "attention_output": "attention out",
    "mlp_in": "mlp in",
    "mlp_out": "mlp out",
}


def load_template(name: str) -> "Template":
    """A page template of this folder; rendering it with a name missing is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("crosspath.study.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def command_in_lines(command: str) -> str:
    """A command with one line for each option, to be read and copied: lines end with a backslash."""
    lines: list[list[str]] = [[]]
    for word in shlex.split(command):
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n    ".join(map(shlex.join, lines))


def validation_curve(run: Path) -> dict[int, float]:
    """{epoch: validation score} from a run's log, for the epochs that computed one; empty without a log."""
    entries = [entry for entry in read_log(run) if entry.get("validation")]
    return {entry["epoch"]: _score(entry["validation"]) for entry in entries}


def loss_curve(run: Path) -> dict[int, float]:
    """{epoch: mean training loss} from a run's log; empty without a log."""
    return {entry["epoch"]: entry["train_loss"] for entry in read_log(run) if "train_loss" in entry}


def _score(metrics: Mapping[str, float]) -> float:
    return metrics[metric_of(metrics)]


Scales = Mapping[str, Mapping[str, Sequence[float]]]
"""{weight: {auxiliary: values}}."""


def mean_scales(runs: Sequence[Scales]) -> dict[tuple[str, str], float]:
    """{(block, role): mean} over runs, auxiliaries and, where one weight has several values, those."""
    values_at: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        for weight, by_auxiliary in run.items():
            for values in by_auxiliary.values():
                values_at.setdefault(block_and_role(weight), []).extend(values)
    return {key: fmean(values) for key, values in values_at.items()}


def blocks_and_roles(scales: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Blocks and roles in the order of the model's weights."""
    keys = [block_and_role(weight) for weight in scales]
    return list(dict.fromkeys(block for block, _ in keys)), list(dict.fromkeys(role for _, role in keys))


def block_and_role(weight: str) -> tuple[str, str]:
    """(block number, label of the role) of a weight; ("", its name) for a weight of no known layout."""
    for layout in LAYOUTS:
        roles = [role for role, place in layout.roles.items() if weight.endswith(f".{place.weight}")]
        if layout.block is not None and layout.block in weight and roles:
            return _block_number(layout, weight), ", ".join(ROLE_LABELS[role] for role in roles)
    return "", weight


def _block_number(layout: Layout, weight: str) -> str:
    assert layout.block is not None
    return weight.rpartition(layout.block)[2].partition(".")[0]
