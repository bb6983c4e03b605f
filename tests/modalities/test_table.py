"""The table of modalities: generated samples fit the models, and come out the same every time."""

import pytest
import torch

from crosspath.modalities import MODALITIES
from crosspath.modalities.batches import generated_batch
from crosspath.models.build import build_model
from crosspath.recipes import RECIPES, recipe_named
from tests.recipes.own_data import with_own_data


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_generated_samples_fit_the_model(name: str) -> None:
    recipe = with_own_data(recipe_named(name))
    batch = generated_batch(recipe, 2)
    assert batch.shape[1:] == MODALITIES[recipe.modality].sample_shape(recipe.data)
    # Shapes without values: the largest of these models have 1,568 to 4,096 tokens in twelve blocks.
    with torch.device("meta"), torch.no_grad():
        assert build_model(recipe, 4).eval()(batch.to("meta")).shape == (2, 4)


def test_generated_samples_repeat_by_seed_and_leave_the_random_state_alone() -> None:
    recipe = recipe_named("audio/fsdd")
    state = torch.get_rng_state()
    first, again, other = generated_batch(recipe, 2), generated_batch(recipe, 2), generated_batch(recipe, 2, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() < -0.9
    assert first.max() > 0.9
