"""What is wrong with a recipe is told once, in words, under the dotted name that the user wrote."""

from pathlib import Path

import pytest

from crosspath.config import apply_overrides, read_recipe
from crosspath.errors import InputError
from crosspath.recipes import recipe_named


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
            "pathway.blocks: expected 'same' or 'reversed', or a mapping such as {0: 1}, found 'all'",
        ),
        ("model.tokenizer.patch=4", "model.tokenizer.patch: expected a list such as [4, 4], found 4;"),
        ("model.tokenizer.patch=[4]", "model.tokenizer.patch: expected a list of 2 values or more, found [4];"),
        ("model.tokenizer.patch=[4, 4, 4]", "model.tokenizer.patch: expected a list of at most 2 values, found"),
        ("data.folder=3", "data.folder: expected a path, found 3;"),
        ("data.modality=smell", "data.modality: expected one of 'image', 'audio', 'point', 'video', found 'smell'"),
        ("model=4", "model: expected a section of settings, found 4"),
    ],
)
def test_a_fault_is_told_once_in_words(override: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        apply_overrides(recipe_named("image/cifar10"), (override,))
    assert str(error.value).startswith(said)


def test_two_values_are_two_faults() -> None:
    with pytest.raises(InputError, match=r"2 faults: \(1\) pathway\.roles: .*; \(2\) train\.epochs: ") as error:
        apply_overrides(recipe_named("image/cifar10"), ("pathway.roles=foo", "train.epochs=some"))
    assert "(3)" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimizer.lr=.inf", "optimizer.lr: expected a finite number, found inf"),
        ("pathway.scale_init=.nan", "pathway.scale_init: expected a finite number, found nan"),
        ("optimizer.betas=[0.9, 1.0]", "optimizer.betas.1: expected less than 1, found 1.0"),
        (f"train.seed={2**63}", f"train.seed: expected less than {2**63}"),
    ],
)
def test_numbers_that_no_run_can_use_are_refused(override: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        apply_overrides(recipe_named("image/cifar10"), (override,))
    assert str(error.value).startswith(said)
    assert apply_overrides(recipe_named("image/cifar10"), (f"train.seed={2**63 - 1}",)).train.seed == 2**63 - 1


def test_a_recipe_file_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(InputError, match=r"x\.yaml: expected .*UTF-8"):
        read_recipe(tmp_path / "x.yaml")
