"""Checkpoints of other projects: inspected without running anything in them, and converted to this library's."""

from crosspath.checkpoints.foreign.convert import convert_checkpoint
from crosspath.checkpoints.foreign.inspect import inspect_checkpoint

__all__ = ["convert_checkpoint", "inspect_checkpoint"]
