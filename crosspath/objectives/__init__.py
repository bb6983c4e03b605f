"""What training minimises and how a held-out part is judged: one object an objective, which the loop asks."""

from crosspath.config import Recipe
from crosspath.objectives.classification import CLASSIFICATION, SEVERAL_LABELS
from crosspath.objectives.masked_modeling import MASKED_MODELING
from crosspath.objectives.masked_tokens import MASKED_TOKENS
from crosspath.objectives.objective import Batch, Objective

OBJECTIVES = (CLASSIFICATION, SEVERAL_LABELS, MASKED_MODELING, MASKED_TOKENS)


def objective_of(recipe: Recipe) -> Objective:
    """The objective by which a recipe trains."""
    return next(objective for objective in OBJECTIVES if objective.serves(recipe))


__all__ = ["OBJECTIVES", "Batch", "Objective", "objective_of"]
