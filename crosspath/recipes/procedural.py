"""Shipped procedural recipes: sequences that a rule makes, without meaning or files, to pretrain auxiliaries on."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import TextAugment
from crosspath.config.data import TextData
from crosspath.config.model import ModelSection, TextTokens
from crosspath.config.training import MaskingSection, OptimizerSection, ScheduleSection, TrainSection


def dyck_pretraining() -> Recipe:
    """Well-nested brackets of 64 kinds, 64 tokens a sequence: half of the closers are hidden and to be named.

    The procedural warm-up of arXiv 2511.13945, whose body starts vision transformers: masked tokens, a table of random
    embeddings that never learns. Sequences are redrawn in every epoch. Chance is 1.6 %; nothing in the
    sequences stands against 100 %.

    Command: `crosspath pretrain procedural/dyck`; needs no data folder.
    """
    return Recipe(
        name="procedural/dyck",
        objective="masked_modeling",
        modality="text",
        data=TextData(dataset="dyck", length=64, kinds=64, classes=1, train_samples=20000),
        model=ModelSection(size="micro", tokenizer=TextTokens(embedding="frozen")),
        optimizer=OptimizerSection(lr=2e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=1.0),
        augment=TextAugment(redraw=True),
        train=TrainSection(epochs=10, batch_size=128),
        masking=MaskingSection(kind="closers", ratio=0.5),
    )


PRETRAINING: dict[str, Callable[[], Recipe]] = {"procedural/dyck": dyck_pretraining}
"""For auxiliaries alone: no training recipe reads these sequences."""
