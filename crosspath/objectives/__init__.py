"""What training minimises and how a held-out part is judged: one object an objective, which the loop asks."""

from crosspath.config import Recipe
from crosspath.errors import InputError
from crosspath.objectives.classification import CLASSIFICATION, SEVERAL_LABELS
from crosspath.objectives.detection import DETECTION
from crosspath.objectives.masked_modeling import MASKED_MODELING
from crosspath.objectives.masked_tokens import MASKED_TOKENS
from crosspath.objectives.objective import Batch, Objective
from crosspath.objectives.part_segmentation import PART_SEGMENTATION
from crosspath.objectives.regression import REGRESSION
from crosspath.objectives.segmentation import SEGMENTATION

OBJECTIVES = (
    CLASSIFICATION,
    SEVERAL_LABELS,
    REGRESSION,
    MASKED_MODELING,
    MASKED_TOKENS,
    PART_SEGMENTATION,
    SEGMENTATION,
    DETECTION,
)


def objective_of(recipe: Recipe) -> Objective:
    """The objective by which a recipe trains. Raises `InputError` where none serves it."""
    objective = next((objective for objective in OBJECTIVES if objective.serves(recipe)), None)
    if objective is None:
        todo = "choose another objective, or a recipe whose data have such labels"
        raise InputError("objective", f"one that {recipe.name} can train by", recipe.objective, todo)
    return objective


__all__ = ["OBJECTIVES", "Batch", "Objective", "objective_of"]
