"""The pathways of a checkpoint: scales and norms, as data and as a table."""

from collections.abc import Mapping
from pathlib import Path

from crosspath.checkpoints.load import load_checkpoint
from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.pathway import Status, status


def checkpoint_status(
    checkpoint: str | Path, recipe: Recipe | None = None, auxiliaries: Mapping[str, str | Path] | None = None
) -> Status:
    """The status of a checkpoint's model. Raises `InputError` when it has no pathways, and see `load_checkpoint`."""
    source = load_checkpoint(checkpoint, recipe, auxiliaries)
    if not source.connected:
        raise InputError(
            checkpoint, "a checkpoint with pathways", "a plain one", "train it with --auxiliary NAME=CHECKPOINT"
        )
    return status(source.model)
