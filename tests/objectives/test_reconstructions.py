"""Pictures of reconstructions: a readable file a sample, visible tokens untouched, a right answer is the original."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from crosspath.config.data import PointData
from crosspath.modalities import MODALITIES as MODALITIES_BY_NAME
from crosspath.modalities.batches import generated_batch
from crosspath.modalities.cloud_pictures import draw_cloud
from crosspath.modalities.colours import draw_colours
from crosspath.modalities.errors import normalise_patches
from crosspath.models.build import build_masked_autoencoder
from crosspath.models.masked_autoencoder import MaskedAutoencoder, Reconstruction
from crosspath.objectives import reconstructions
from crosspath.objectives.reconstructions import draw_sample, write_reconstructions
from crosspath.recipes import recipe_named
from crosspath.tokenizers import ChooseMask
from tests.evaluation.masked_samples import examples_for
from tests.models.test_masked_autoencoder import MODALITIES, masked_recipe

CPU = torch.device("cpu")
PATCHED = pytest.mark.parametrize("modality", ["image", "audio", "video"])


class Knowing(nn.Module):
    """Answers with the truth, in the form that the loss asks for."""

    def __init__(self, model: MaskedAutoencoder, normalise: bool) -> None:
        super().__init__()
        self.model, self.tokenizer, self.normalise = model, model.tokenizer, normalise

    def forward(self, batch: Tensor, choose: ChooseMask) -> Reconstruction:
        found = self.model(batch, choose)
        return found._replace(predicted_BMP=normalise_patches(found.target_BMP) if self.normalise else found.target_BMP)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[np.ndarray]]:
    """What would have been drawn: original, seen and reconstruction of each sample."""
    found: list[list[np.ndarray]] = []

    def keep(picture: object, recipe: object, triple: list[np.ndarray], *rest: object) -> None:
        found.append(triple)

    monkeypatch.setattr(reconstructions, "_draw_triple", keep)
    return found


def autoencoder(modality: str, **masking: object) -> tuple[Any, MaskedAutoencoder]:
    torch.manual_seed(0)
    recipe = masked_recipe(modality, **masking)
    return recipe, build_masked_autoencoder(recipe)


@MODALITIES
def test_every_picture_is_a_file_that_holds_one(modality: str, tmp_path: Path) -> None:
    recipe, model = autoencoder(modality)
    paths = write_reconstructions(model.train(), recipe, examples_for(modality, 9), tmp_path / "new", CPU, count=2)
    assert model.training
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    assert len(paths) == 2
    for path in paths:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            pixels = np.asarray(picture.convert("RGB"))
        assert pixels.shape[1] > 500
        assert pixels.std() > 5


def test_a_part_smaller_than_the_count_gives_what_it_has(tmp_path: Path) -> None:
    recipe, model = autoencoder("image")
    assert len(write_reconstructions(model, recipe, examples_for("image", 3), tmp_path, CPU)) == 3


@PATCHED
@pytest.mark.parametrize("normalise", [True, False])
def test_a_right_answer_is_the_original(
    modality: str, normalise: bool, tmp_path: Path, drawn: list[list[np.ndarray]]
) -> None:
    recipe, model = autoencoder(modality, normalise_targets=normalise)
    write_reconstructions(Knowing(model, normalise), recipe, examples_for(modality, 3), tmp_path, CPU)
    assert len(drawn) == 3
    for original, _, filled in drawn:
        np.testing.assert_allclose(filled, original, rtol=0, atol=1e-5)


@PATCHED
def test_hidden_patches_are_left_out_of_what_the_encoder_saw(
    modality: str, tmp_path: Path, drawn: list[list[np.ndarray]]
) -> None:
    recipe, model = autoencoder(modality)
    write_reconstructions(model, recipe, examples_for(modality, 3), tmp_path, CPU)
    for original, seen, filled in drawn:
        hidden = np.isnan(seen)
        assert hidden.mean() == 0.5
        np.testing.assert_array_equal(seen[~hidden], original[~hidden])
        np.testing.assert_array_equal(filled[~hidden], original[~hidden])
        assert np.abs(filled[hidden] - original[hidden]).mean() > 0.1


def test_a_right_answer_about_groups_has_points_of_the_cloud_alone(
    tmp_path: Path, drawn: list[list[np.ndarray]]
) -> None:
    recipe, model = autoencoder("point")
    write_reconstructions(Knowing(model, False), recipe, examples_for("point", 3), tmp_path, CPU)
    for original, seen, filled in drawn:
        assert original.shape == (64, 3)
        assert (seen.shape, filled.shape) == ((4 * 6, 3), (8 * 6, 3))
        for cloud in (seen, filled):
            apart = np.abs(cloud[:, None] - original[None]).max(axis=2).min(axis=1)
            assert apart.max() < 1e-6
        np.testing.assert_array_equal(filled[: len(seen)], seen)


def test_pixels_are_shown_as_they_were() -> None:
    recipe = masked_recipe("image")
    shown: list[np.ndarray] = []

    class Axes:
        def imshow(self, pixels: np.ndarray, **_: object) -> None:
            shown.append(pixels)

        def set_xticks(self, _: object) -> None: ...

        set_yticks = set_xticks

    examples = examples_for("image", 1)
    prepared = np.asarray(examples.inputs[0]) / 127.5 - 1
    draw_colours(Axes(), prepared, prepared, recipe.data)
    np.testing.assert_allclose(shown[0] * 255, examples.inputs[0].transpose(1, 2, 0), atol=1e-4)


def test_a_picture_says_what_the_model_did_not_have_to_find() -> None:
    for modality, normalise, said in (
        ("image", True, "(mean and spread given)"),
        ("image", False, ""),
        ("point", False, "(hidden centres given)"),
    ):
        picture = MODALITIES_BY_NAME[modality].picture
        assert picture is not None
        assert reconstructions.caption(picture, masked_recipe(modality, normalise_targets=normalise)) == said


def test_clouds_are_shown_whole_and_in_equal_proportions_whatever_their_scale() -> None:
    figure = Figure()
    cloud = np.random.default_rng(0).normal(size=(50, 3)) * (30, 10, 5) + (100, 0, -7)
    axes = figure.add_subplot(projection="3d")
    draw_cloud(axes, cloud[:20], cloud, PointData())
    limits = np.array([axes.get_xlim(), axes.get_ylim(), axes.get_zlim()])
    assert (limits[:, 0] <= cloud.min(axis=0) + 1e-9).all()
    assert (limits[:, 1] >= cloud.max(axis=0) - 1e-9).all()
    np.testing.assert_allclose(np.ptp(limits, axis=1), np.ptp(cloud[:, 0]) * np.ones(3), rtol=0.1)


@pytest.mark.parametrize("name", ["image/digits", "audio/sounds", "point/solids", "video/grid"])
def test_a_sample_of_any_modality_is_drawn_as_a_picture(name: str) -> None:
    recipe = recipe_named(name)
    sample = generated_batch(recipe, 1)[0].numpy()
    buffer = io.BytesIO()
    draw_sample(recipe, sample, buffer)
    pixels = np.asarray(Image.open(buffer).convert("L"), dtype=float)
    assert min(pixels.shape) > 50
    assert pixels.std() > 5
