"""Shipped recipes for texts, at sizes for a CPU."""

from collections.abc import Callable

from crosspath.config import Recipe
from crosspath.config.augment import TextAugment
from crosspath.config.data import TextData
from crosspath.config.model import ModelSection, TextTokens
from crosspath.config.training import OptimizerSection, ScheduleSection, TrainSection
from crosspath.recipes.pretraining import pretraining

BERT_RATIO = 0.15


def banking77() -> Recipe:
    """Questions to a bank, 77 intents: bytes, 128 of them at most. With words instead of bytes:
    `--set data.tokenizer=FOLDER --set data.length=32`.

    Command: `crosspath train text/banking77 --data DIR`
    """
    data = TextData(dataset="banking77", length=128, classes=77, train_samples=9000)
    return _recipe("text/banking77", data, epochs=30)


def folder() -> Recipe:
    """The user's own texts: a table (.csv, .tsv, .jsonl, .parquet), `train` and `test` tables, or class folders of
    `.txt`.

    Command: `crosspath train text/folder --data DIR`
    """
    return _recipe("text/folder", TextData(dataset="folder", length=128), epochs=30)


def sentences() -> Recipe:
    """Generated sentences in four classes; needs no data folder.

    Command: `crosspath train text/sentences`
    """
    return _recipe("text/sentences", TextData(dataset="sentences", length=48, classes=4, train_samples=288), epochs=20)


def banking77_pretraining() -> Recipe:
    """Masked tokens of `text/banking77`, as BERT: 15 % of them, of which 80 % become the mask token, 10 % another one,
    and 10 % stay.

    Command: `crosspath pretrain text/banking77 --data DIR`
    """
    return _pretraining(banking77(), epochs=30)


def folder_pretraining() -> Recipe:
    """Masked tokens of the user's own texts, as `banking77_pretraining`; labels are not read.

    Command: `crosspath pretrain text/folder --data DIR`
    """
    return _pretraining(folder(), epochs=30)


def sentences_pretraining() -> Recipe:
    """Masked tokens of generated sentences. Command: `crosspath pretrain text/sentences`"""
    return _pretraining(sentences(), epochs=20)


def _recipe(name: str, data: TextData, *, epochs: int) -> Recipe:
    return Recipe(
        name=name,
        modality="text",
        data=data,
        model=ModelSection(size="micro", tokenizer=TextTokens()),
        optimizer=OptimizerSection(lr=1e-3, weight_decay=0.05),
        schedule=ScheduleSection(warmup_epochs=2.0),
        augment=TextAugment(),
        train=TrainSection(epochs=epochs, batch_size=64, label_smoothing=0.1),
    )


def _pretraining(recipe: Recipe, *, epochs: int) -> Recipe:
    return pretraining(recipe, TextAugment(), ratio=BERT_RATIO, kind="words", epochs=epochs)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "text/banking77": banking77,
    "text/folder": folder,
    "text/sentences": sentences,
}
PRETRAINING: dict[str, Callable[[], Recipe]] = {
    "text/banking77": banking77_pretraining,
    "text/folder": folder_pretraining,
    "text/sentences": sentences_pretraining,
}
