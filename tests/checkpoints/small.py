"""Small models of two modalities, saved with and without a pathway."""

from pathlib import Path

import torch

from crosspath.checkpoints import auxiliary_source, save_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.models import ModalityModel
from crosspath.models.build import build_model
from crosspath.pathway import connect
from crosspath.recipes import recipe_named

IMAGE_CLASSES = ("cat", "dog", "bird")
AUDIO_CLASSES = ("rain", "clock")


EXACT = "train.precision=float32"
"""Whatever the processor is fast in: these recipes are compared with sums made elsewhere."""


def image_recipe(*overrides: str) -> Recipe:
    """Four tokens an image."""
    return apply_overrides(recipe_named("image/cifar10"), ("data.image_size=8", EXACT, *overrides))


def audio_recipe(*overrides: str) -> Recipe:
    """Two tokens a recording."""
    small = ("data.frames=16", "data.mels=32", "model.tokenizer.patch=[16, 16]", EXACT)
    return apply_overrides(recipe_named("audio/fsdd"), (*small, *overrides))


def fresh(recipe: Recipe, classes: int, seed: int = 0) -> ModalityModel:
    """A model from `seed`."""
    torch.manual_seed(seed)
    return build_model(recipe, classes).eval()


def saved_audio(folder: Path, seed: int = 1) -> ModalityModel:
    """A plain audio checkpoint in `folder`."""
    model = fresh(audio_recipe(), len(AUDIO_CLASSES), seed)
    save_checkpoint(model, folder, recipe=audio_recipe(), classes=AUDIO_CLASSES)
    return model


def saved_image(folder: Path) -> ModalityModel:
    """A plain image checkpoint in `folder`."""
    model = fresh(image_recipe(), len(IMAGE_CLASSES))
    save_checkpoint(model, folder, recipe=image_recipe(), classes=IMAGE_CLASSES)
    return model


def saved_connected(folder: Path, auxiliary: Path, *, train_auxiliary: bool = True) -> ModalityModel:
    """An image checkpoint in `folder` with a pathway from the checkpoint `auxiliary`; each λ is another number."""
    model = fresh(image_recipe(), len(IMAGE_CLASSES))
    source = auxiliary_source(auxiliary)
    handle = connect(model, {"audio": source.weights}, train_auxiliary=train_auxiliary)
    with torch.no_grad():
        for index, scale in enumerate(handle.scales().values()):
            scale.fill_(0.1 + 0.01 * index)
    save_checkpoint(
        model,
        folder,
        recipe=image_recipe("pathway.scale_init=0.1"),
        classes=IMAGE_CLASSES,
        auxiliaries={"audio": {"origin": source.origin, "sha256": source.sha256}},
    )
    return model


def digits_recipe() -> Recipe:
    """Handwritten digits, which need no files."""
    return apply_overrides(recipe_named("image/digits"), ("pathway.scale_init=0.1",))


def connected_digits(folder: Path) -> ModalityModel:
    """`folder/audio`, and `folder/image`: a model of the digits with a pathway from it."""
    saved_audio(folder / "audio")
    recipe = digits_recipe()
    model = fresh(recipe, 10)
    source = auxiliary_source(folder / "audio")
    connect(model, {"audio": source.weights}, scale_init=0.1)
    save_checkpoint(
        model,
        folder / "image",
        recipe=recipe,
        classes=tuple(str(digit) for digit in range(10)),
        auxiliaries={"audio": source.record()},
    )
    return model
