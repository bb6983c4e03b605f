"""Before the first run of a study: whether its data are there, and every arm fits its target."""

from collections.abc import Iterable

import torch

from crosspath.checkpoints.files import checkpoint_files
from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.config import recipe_from_text
from crosspath.errors import InputError
from crosspath.files import read_tensors
from crosspath.modalities.load import require_source
from crosspath.objectives import objective_of
from crosspath.study.arms import MASKED
from crosspath.study.cells import Cell
from crosspath.study.jobs import COPIES, STARTS, Place, parts_of
from crosspath.training.assembly import assemble
from crosspath.training.inputs import resolve_folder
from crosspath.training.processes import Processes


def require_fits(cells: Iterable[Cell], place: Place) -> None:
    """Raise what a run would for missing data of one's own, and for a checkpoint, an auxiliary or an arm that does not
    fit its target: before the first run rather than in one of the last. Cells that have begun are left out, and so are
    models whose shape only the data tell; of cells that would do the same, one is tried.

    Raises
    ------
    InputError
        For what is not there or does not fit, and for an arm `masked-modelling` whose checkpoint was trained otherwise.
    """
    keys = set()
    for cell in cells:
        if (place.runs / cell.folder).exists():
            continue
        recipe = cell.recipe(cell.grid.rates[0], 0, search=False)
        require_source(recipe.data, place.data_root)
        if cell.auxiliary is None and cell.from_ is None and cell.arm.name not in STARTS:
            continue
        if cell.arm.name == MASKED.name:
            _require_masked_modelling(cell)
        recipe = fit_to_start(recipe, cell.from_, cell.settings)
        recipe = resolve_folder(recipe, place.data_root)
        kind = cell.arm.name if cell.arm.name in (*STARTS, *COPIES) else None
        key = (recipe.model_dump_json(exclude={"optimizer"}), cell.from_, cell.auxiliary, kind)
        if key in keys:
            continue
        keys.add(key)
        # A control has the shapes of its auxiliary.
        auxiliaries, start = parts_of(cell, recipe, 0, place, {})
        objective, classes = objective_of(recipe), recipe.data.classes or 1
        with torch.random.fork_rng(devices=[]):
            try:
                objective.build(recipe, classes)
            except InputError:
                continue
            assemble(
                recipe,
                objective,
                classes,
                from_checkpoint=cell.from_,
                start=start,
                sources=auxiliaries,
                device=torch.device("cpu"),
                processes=Processes(0, 1),
            )


def _require_masked_modelling(cell: Cell) -> None:
    """Raise `InputError` where the checkpoint of an arm `masked-modelling` is none of masked modelling."""
    assert cell.from_ is not None
    weights = checkpoint_files(cell.from_).weights
    _, metadata = read_tensors(weights)
    recipe = recipe_from_text(metadata["recipe"], weights) if "recipe" in metadata else None
    if recipe is None or objective_of(recipe).verb != "pretrain":
        found = "a model of another kind" if recipe is None else f"one trained for {recipe.objective}"
        expected, todo = f"a run of `crosspath pretrain` for the arm {cell.arm.name}", "name one, or leave the arm out"
        raise InputError(cell.from_, expected, found, todo)
