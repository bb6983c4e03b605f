"""Whether a run that is resumed is the one that began: which settings it has changed, and which of them it may."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crosspath.config import Recipe
from crosspath.config.trees import differences
from crosspath.errors import InputError

FREE = frozenset(
    {
        "evaluate.pictures",
        "pathway.start",
        "train.workers",
        "train.log_every",
        "train.loggers",
        "train.checkpoint_every",
        "train.checkpoint_steps",
        "train.keep_checkpoints",
        "data.cache_folder",
        "data.train_samples",
        "data.memory",
    }
)
"""Settings that change no number of a run: how it decodes, what it draws, logs and keeps, what only a plan reads, and
the name of a start, whose settings stand beside it; what was given in memory stands in `inputs.json`."""
CURVE = frozenset({"train.evaluate_every", "train.evaluate_from"})
"""Settings that change nothing but the validation curve in the log, of a run that keeps its last epoch."""
SEQUENCE_COUNT = frozenset({"data.train_samples"})
"""Of sequences that a rule draws, how many it draws."""
SAMPLES = "samples"
"""In `inputs.json`, the fingerprint of the data, known once they are read. Folders of earlier versions lack it."""
MOST_SETTINGS = 3
"""Settings that the advice repeats; of more, the run's own recipe is simpler."""


def check_recipe(folder: Path, before: Recipe, now: Recipe, file: Path) -> tuple[str, ...]:
    """What a resumed run changes without changing a number, in words.

    Raises
    ------
    InputError
        For settings that change a number, with both values of each; `file` is the recipe that the run began with.
    """
    changes = dict(differences(before.model_dump(mode="json"), now.model_dump(mode="json")))
    free = FREE | CURVE if before.train.select == now.train.select == "last" else FREE
    if before.data.procedural:
        free -= SEQUENCE_COUNT
    others = {name: values for name, values in changes.items() if name not in free}
    if others:
        found = ", ".join(f"{name} {json.dumps(old)}, now {json.dumps(new)}" for name, (old, new) in others.items())
        todo = f"give {file} as the recipe, without --set"
        if len(others) <= MOST_SETTINGS:
            settings = (shlex.quote(f"{name}={json.dumps(old)}") for name, (old, _) in others.items())
            todo = "resume with " + " ".join(f"--set {setting}" for setting in settings)
        raise InputError(file, f"the settings of the run in {folder}", found, f"{todo} or choose another --out")
    return tuple(
        f"resumed with {name}={json.dumps(new)} (was {json.dumps(old)})" for name, (old, new) in changes.items()
    )


def check_inputs(file: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Which checkpoints have moved since the run began, in words.

    Raises
    ------
    InputError
        For other data, another start or other auxiliaries, with both values.
    """
    changes = []
    for name in {**before, **now}:
        if name == SAMPLES and not (name in before and name in now):
            continue
        old, value = before.get(name), now.get(name)
        if _identity(old) != _identity(value):
            found = f"{name} {json.dumps(old)}, now {json.dumps(value)}"
            raise InputError(file, "what this run started from", found, "use the same, or choose another --out")
        if old != value:
            changes.append(f"resumed with {name} {json.dumps(value)} (was {json.dumps(old)}): the same bytes")
    return tuple(changes)


def _identity(value: Any) -> Any:
    """A checkpoint is its bytes, wherever it lies; what has no digest is its name."""
    if not isinstance(value, Mapping):
        return value
    return value["sha256"] if value.get("sha256") else {name: _identity(entry) for name, entry in value.items()}
