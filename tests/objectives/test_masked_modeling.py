"""Errors on hidden tokens against loops in float64, and the way back from normalised patches to values."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from crosspath.config import Recipe
from crosspath.config.training import MaskingSection
from crosspath.modalities.errors import denormalise_patches, normalise_patches
from crosspath.models.build import build_masked_autoencoder
from crosspath.models.masked_autoencoder import Reconstruction
from crosspath.objectives.masked_modeling import errors_of, masked_errors
from crosspath.objectives.objective import token_grid
from crosspath.objectives.reconstruct import reconstruct
from crosspath.tokenizers import Mask
from tests.models.test_masked_autoencoder import KINDS, MODALITIES, batch_for, masked_recipe

IDS = torch.arange(4)


def found_of(modality: str, **masking: object) -> tuple[Recipe, Reconstruction]:
    torch.manual_seed(0)
    recipe = masked_recipe(modality, **masking)
    model = build_masked_autoencoder(recipe).eval()
    with torch.no_grad():
        return recipe, reconstruct(model, recipe, batch_for(modality), 0, 0, IDS)


def patches(seed: int = 0) -> Tensor:
    return torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(seed)) * 4 + 2


def test_normalised_patches_are_without_their_own_mean_and_unbiased_deviation() -> None:
    wide = patches().double().numpy()
    expected = (wide - wide.mean(axis=2, keepdims=True)) / np.sqrt(wide.var(axis=2, ddof=1, keepdims=True) + 1e-6)
    torch.testing.assert_close(normalise_patches(patches()).double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-6)
    # The video papers' form, the small number added to the deviation: the same where a patch is not flat.
    other = (wide - wide.mean(axis=2, keepdims=True)) / (wide.std(axis=2, ddof=1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(expected, other, rtol=0, atol=1e-5)


def test_a_flat_patch_normalises_to_zeros() -> None:
    assert torch.equal(normalise_patches(torch.full((1, 2, 12), 3.0)), torch.zeros(1, 2, 12))


def test_denormalised_is_the_way_back() -> None:
    true = patches()
    torch.testing.assert_close(denormalise_patches(normalise_patches(true), true), true, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(denormalise_patches(normalise_patches(true), patches(1)), true, atol=0.1)


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
@pytest.mark.parametrize("normalise", [True, False])
def test_errors_of_patches_are_mean_squares_over_hidden_values(modality: str, normalise: bool) -> None:
    recipe, found = found_of(modality, normalise_targets=normalise)
    predicted, target = found.predicted_BMP.double().numpy(), found.target_BMP.double().numpy()
    expected = []
    for sample in range(4):
        squares = []
        for guess, true in zip(predicted[sample], target[sample], strict=True):
            aim = (true - true.mean()) / np.sqrt(true.var(ddof=1) + 1e-6) if normalise else true
            squares.append(np.mean((guess - aim) ** 2))
        expected.append(np.mean(squares))
    torch.testing.assert_close(errors_of(found, recipe).double(), torch.tensor(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("normalise", [True, False])
def test_errors_of_groups_are_chamfer_distances_and_never_normalised(normalise: bool) -> None:
    recipe, found = found_of("point", normalise_targets=normalise)
    expected = []
    for sample in range(4):
        distances = []
        for guess, true in zip(found.predicted_BMP[sample].double(), found.target_BMP[sample].double(), strict=True):
            squared = torch.cdist(guess.view(-1, 3), true.view(-1, 3)).square()
            distances.append(squared.amin(dim=1).mean() + squared.amin(dim=0).mean())
        expected.append(torch.stack(distances).mean())
    torch.testing.assert_close(errors_of(found, recipe).double(), torch.stack(expected), rtol=1e-5, atol=1e-6)


def test_a_right_prediction_has_no_error() -> None:
    recipe, found = found_of("image")
    right = found._replace(predicted_BMP=normalise_patches(found.target_BMP))
    assert torch.equal(errors_of(right, recipe), torch.zeros(4))
    recipe, found = found_of("point")
    reordered = found.target_BMP.unflatten(2, (-1, 3)).flip(2).flatten(2)
    assert torch.equal(errors_of(found._replace(predicted_BMP=reordered), recipe), torch.zeros(4))


@KINDS
def test_a_sample_has_its_error_in_any_batch(modality: str, kind: str) -> None:
    torch.manual_seed(0)
    recipe, batch, ids = masked_recipe(modality, kind=kind), batch_for(modality), torch.tensor([9, 2, 30, 4])
    model = build_masked_autoencoder(recipe).eval()
    with torch.no_grad():
        whole = masked_errors(model, recipe, batch, 3, 1, ids)
        part = masked_errors(model, recipe, batch[[2, 1]], 3, 1, ids[[2, 1]])
        other = masked_errors(model, recipe, batch, 3, 2, ids)
    assert whole.shape == (4,)
    torch.testing.assert_close(part, whole[[2, 1]], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(other, whole)


@KINDS
def test_the_errors_have_their_shape_on_the_meta_device(modality: str, kind: str) -> None:
    recipe = masked_recipe(modality, kind=kind)
    with torch.device("meta"):
        model = build_masked_autoencoder(recipe)
    errors = masked_errors(model, recipe, batch_for(modality).to("meta"), 0, 0, IDS)
    assert errors.is_meta
    assert errors.shape == (4,)


@MODALITIES
def test_errors_are_computed_in_float32_under_autocast(modality: str) -> None:
    torch.manual_seed(0)
    recipe = masked_recipe(modality)
    model = build_masked_autoencoder(recipe).eval()
    with torch.no_grad():
        exact = masked_errors(model, recipe, batch_for(modality), 0, 0, IDS)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = masked_errors(model, recipe, batch_for(modality), 0, 0, IDS)
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.03 * exact.abs().max()


@pytest.mark.parametrize("modality", ["image", "point"])
def test_errors_of_a_bfloat16_model_are_not_rounded_to_it(modality: str) -> None:
    recipe, found = found_of(modality, normalise_targets=False)
    narrow = found._replace(predicted_BMP=found.predicted_BMP.bfloat16(), target_BMP=found.target_BMP.bfloat16())
    wide = found._replace(predicted_BMP=narrow.predicted_BMP.double(), target_BMP=narrow.target_BMP.double())
    errors = errors_of(narrow, recipe)
    assert errors.dtype == torch.float32
    torch.testing.assert_close(errors.double(), errors_of(wide, recipe), rtol=1e-5, atol=1e-6)


@MODALITIES
def test_training_is_deterministic_and_learns_a_batch(modality: str) -> None:
    recipe, batch = masked_recipe(modality), batch_for(modality)
    torch.manual_seed(0)
    first = build_masked_autoencoder(recipe)
    losses: list[list[float]] = []
    for model in (first, copy.deepcopy(first)):
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        losses.append([])
        for _ in range(40):
            loss = masked_errors(model, recipe, batch, 0, 0, IDS).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.6 * losses[0][0]


def test_the_grid_is_that_of_the_tokens() -> None:
    grids = {"image": (2, 2), "audio": (4, 2), "point": (8,), "video": (2, 2, 2)}
    for modality, grid in grids.items():
        assert token_grid(build_masked_autoencoder(masked_recipe(modality))) == grid


def test_centres_reach_the_choice_of_groups() -> None:
    recipe = masked_recipe("point", kind="block", ratio=0.5)
    assert isinstance(recipe.masking, MaskingSection)
    torch.manual_seed(0)
    model = build_masked_autoencoder(recipe).eval()
    _, centres = model.tokenizer.group(batch_for("point"))
    mask: Mask = reconstruct(model, recipe, batch_for("point"), 0, 0, IDS).mask
    for sample in range(4):
        hidden = centres[sample, mask.masked_BM[sample]]
        distances = torch.cdist(hidden, centres[sample])
        nearest = [set(row.topk(4, largest=False).indices.tolist()) for row in distances]
        assert set(mask.masked_BM[sample].tolist()) in nearest
