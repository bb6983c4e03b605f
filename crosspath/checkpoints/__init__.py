"""Checkpoints: saved, loaded (model rebuilt, pathways connected), merged and shared."""

from crosspath.checkpoints.load import Checkpoint, auxiliary_source, load_checkpoint
from crosspath.checkpoints.merge import merge_checkpoint
from crosspath.checkpoints.save import save_checkpoint
from crosspath.checkpoints.start import load_weights_from
from crosspath.checkpoints.status import checkpoint_status

__all__ = [
    "Checkpoint",
    "auxiliary_source",
    "checkpoint_status",
    "load_checkpoint",
    "load_weights_from",
    "merge_checkpoint",
    "save_checkpoint",
]
