"""How good and how costly a model is: metrics, the reading of a held-out part, equality of outputs, cost."""

from crosspath.evaluation.evaluate import evaluate
from crosspath.evaluation.predict import predict

__all__ = ["evaluate", "predict"]
