"""What a dry run tells, without data."""

from crosspath.config import apply_overrides
from crosspath.recipes import recipe_named
from crosspath.training import plan
from tests.checkpoints.small import fresh


def test_sizes_and_steps_of_a_published_set() -> None:
    recipe = recipe_named("image/cifar10")
    planned = plan(recipe)
    assert planned["parameters"] == sum(parameter.numel() for parameter in fresh(recipe, 10).parameters())
    assert planned["tokens"] == 64
    assert planned["train_samples"] == 45000
    assert planned["steps_per_epoch"] == 704  # 45000 / 64 = 703.1
    assert planned["steps"] == 704 * recipe.train.epochs
    assert planned["recipe"]["name"] == "image/cifar10"


def test_few_labels_make_fewer_steps() -> None:
    recipe = apply_overrides(recipe_named("image/cifar10"), ["data.labels_per_class=100", "train.epochs=3"])
    assert plan(recipe)["train_samples"] == 1000
    assert plan(recipe)["steps"] == 16 * 3


def test_own_folders_leave_open_what_only_the_data_say() -> None:
    recipe = recipe_named("video/folder")
    planned = plan(recipe)
    assert planned["steps"] is None
    model = fresh(recipe, 5)
    without_head = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("head."))
    assert planned["parameters"] == without_head
