"""Checkpoints that others wrote: looked at without running anything in them, and translated into this library's."""

from crosspath.checkpoints.foreign.convert import convert_checkpoint
from crosspath.checkpoints.foreign.inspect import inspect_checkpoint

__all__ = ["convert_checkpoint", "inspect_checkpoint"]
