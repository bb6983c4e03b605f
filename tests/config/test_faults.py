"""What is wrong with a recipe is told once, in words, under the dotted name that the user wrote."""

import pytest

from crosspath.config import apply_overrides, recipe_from_text, recipe_to_text
from crosspath.errors import InputError
from crosspath.recipes import recipe_named
from tests.errors import refused


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "pathway.roles=foo",
            "pathway.roles: expected 'all', 'attention' or 'mlp', or a list such as [foo], found 'foo'",
        ),
        ("pathway.roles=[1]", "pathway.roles.0: expected a valid string, found 1"),
        ("pathway.blocks={a: 3}", "pathway.blocks.a: expected a valid integer"),
        (
            "pathway.blocks=all",
            "pathway.blocks: expected 'same', 'reversed', 'spread' or 'repeat', or a mapping such as {0: 1}, found",
        ),
        ("model.tokenizer.patch=4", "model.tokenizer.patch: expected a list such as [4, 4], found 4;"),
        ("model.tokenizer.patch=[4]", "model.tokenizer.patch: expected a list of 2 values or more, found [4];"),
        ("model.tokenizer.patch=[4, 4, 4]", "model.tokenizer.patch: expected a list of at most 2 values, found"),
        ("data.folder=3", "data.folder: expected a path, found 3;"),
        (
            "data.modality=smell",
            "data.modality: expected one of 'image', 'audio', 'point', 'video', 'text', 'series', found 'smell'",
        ),
        ("model=4", "model: expected a section of settings, found 4"),
    ],
)
def test_a_fault_is_told_once_in_words(override: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        apply_overrides(recipe_named("image/cifar10"), (override,))
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("value", ["[image]", "{modality: image}", "3", "null"])
def test_what_is_no_name_gets_the_names(value: str) -> None:
    with refused("modality", "'image'", "'video'"):
        apply_overrides(recipe_named("image/cifar10"), (f"modality={value}",))
    with refused("masking.kind", "'random'", "'tube'"):
        apply_overrides(recipe_named("image/digits", "masked_modeling"), (f"masking.kind={value}",))


def test_a_tag_where_no_section_has_one() -> None:
    for tag in ("image", [], {}):
        with refused("model.modality", "tokenizer"):
            apply_overrides(recipe_named("image/cifar10"), (f"model.modality={tag}",))


def test_two_values_are_two_faults() -> None:
    with refused("--set", 2, "pathway.roles", "train.epochs") as error:
        apply_overrides(recipe_named("image/cifar10"), ("pathway.roles=foo", "train.epochs=some"))
    assert "(3)" not in str(error.value)


def test_an_unknown_modality_is_the_only_fault() -> None:
    recipe = recipe_to_text(recipe_named("image/digits")).replace("modality: image", "modality: smell")
    with pytest.raises(InputError) as error:
        recipe_from_text(recipe, "recipe.yaml")
    assert error.value.where == "modality"
    assert "import" in error.value.todo
