"""Masked modelling of what a training recipe reads, at sizes for a CPU.

Each pretraining recipe keeps data, tokenizer and positions of the training recipe of the same name, so that `--from`
fits. Published settings are in the files of the published training recipes.
"""

from crosspath.config import Recipe
from crosspath.config.augment import Augment
from crosspath.config.training import MaskingSection, OptimizerSection, ScheduleSection, TrainSection


def pretraining(
    recipe: Recipe, augment: Augment, *, ratio: float, kind: str = "random", epochs: int, batch_size: int = 64
) -> Recipe:
    """Masked modelling of what `recipe` trains on, with an encoder that `recipe` can start from."""
    data_changes: dict[str, str | None] = {}
    if recipe.data.label_kind != "numbers":  # a table of numbers is read as such
        data_changes["label_kind"] = "classes"
    if recipe.data.label_kind == "boxes":  # whole pictures have no classes
        data_changes["classes"] = None
    return recipe.model_copy(
        update={
            "objective": "masked_modeling",
            "detection": None,
            "segmentation": None,
            "data": recipe.data.model_copy(update=data_changes),
            "optimizer": OptimizerSection(lr=1e-3, weight_decay=0.05, betas=(0.9, 0.95)),
            "schedule": ScheduleSection(warmup_epochs=max(1.0, epochs / 20)),
            "augment": augment,
            "train": TrainSection(epochs=epochs, batch_size=batch_size, evaluate_every=max(1, epochs // 10)),
            "masking": MaskingSection(ratio=ratio, kind=kind),
        }
    )
