"""The main path: `run.py` reads top to bottom as the story of a run."""

from crosspath.training.plan import plan
from crosspath.training.result import Result
from crosspath.training.run import pretrain, train

__all__ = ["Result", "plan", "pretrain", "train"]
