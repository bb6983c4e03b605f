"""What a run asks of its recipe and its data before the first step."""

import torch

from crosspath.config import Recipe
from crosspath.counts import quantity
from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.modalities.calibration import calibrate
from crosspath.objectives import objective_of
from crosspath.training.feed import Feed
from crosspath.training.inputs import require_samples
from crosspath.training.processes import Processes


def check_demands(recipe: Recipe, data: DataSet, processes: Processes, device: torch.device) -> Feed:
    """Hold the data against the recipe (classes, shapes, batches); returns the feed of the run's batches.

    Raises
    ------
    InputError
        Where a run of the recipe on these data could not begin.
    """
    require_samples(recipe, data)
    objective = objective_of(recipe)
    if recipe.train.select == "best" and len(data.validation) < objective.fewest:
        expected = f"{quantity(objective.fewest, 'sample')} or more, for {objective.selects_by}"
        todo = "set train.select=last, or hold out more: data.validation_fraction"
        raise InputError(f"the validation part of {recipe.name}", expected, str(len(data.validation)), todo)
    if objective.check is not None:
        objective.check(recipe, data)
    classes = len(data.classes) if objective.labelled else 0
    feed = Feed(recipe=recipe, examples=data.train, classes=classes, processes=processes, device=device)
    feed.check()
    return feed


def check_alone(recipe: Recipe, data: DataSet) -> None:
    """`check_demands` of one process without a device, the model's sizes included; nothing is computed.

    Raises
    ------
    InputError
        As a run would.
    """
    recipe = calibrate(recipe, data)
    check_demands(recipe, data, Processes(0, 1), torch.device("cpu"))
    objective = objective_of(recipe)
    with torch.device("meta"):
        objective.build(recipe, len(data.classes) if objective.labelled else 0)
