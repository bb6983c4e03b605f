"""Settings as Python holds them mean what `--set` means."""

from pathlib import Path
from typing import Any

import pytest

from crosspath.config import apply_overrides, setting_texts
from crosspath.recipes import recipe_named
from tests.errors import refused

TEXTS = ["train.epochs=3", "optimizer.lr=1e-5", "pathway.blocks={0: 1}", "data.folder=photos", "train.loggers=[]"]


@pytest.mark.parametrize(
    "settings",
    [
        TEXTS,
        iter(TEXTS),
        {
            "train.epochs": 3,
            "optimizer.lr": 1e-5,
            "pathway.blocks": {0: 1},
            "data.folder": Path("photos"),
            "train.loggers": (),
        },
        {
            "train": {"epochs": 3, "loggers": []},
            "optimizer": {"lr": 1e-5},
            "pathway": {"blocks": {0: 1}},
            "data": {"folder": "photos"},
        },
    ],
)
def test_every_form_gives_the_same_recipe(settings: Any) -> None:
    recipe = recipe_named("image/folder")
    assert apply_overrides(recipe, setting_texts(settings)) == apply_overrides(recipe, TEXTS)


def test_text_stays_text_and_none_is_null() -> None:
    settings = setting_texts({"data.folder": "1e-3: [a", "optimizer.clip_norm": None})
    recipe = apply_overrides(recipe_named("image/folder"), settings)
    assert (recipe.data.folder, recipe.optimizer.clip_norm) == (Path("1e-3: [a"), None)


def test_an_unknown_name_and_a_wrong_form_are_refused() -> None:
    with refused("train.epoch", "train.epochs"):
        apply_overrides(recipe_named("image/folder"), setting_texts({"train": {"epoch": 3}}))
    for wrong in ("train.epochs=3", [("train.epochs", 3)], 3, None):
        with refused("settings"):
            setting_texts(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"), [('"2020"', "2020"), ("'1e-3'", "1e-3"), ("nan", "nan"), ("'infinity'", "infinity")]
)
def test_quoted_text_stays_text(text: str, value: str) -> None:
    recipe = recipe_named("image/folder")
    for settings in ([f"data.label_column={text}"], {"data.label_column": value}):
        assert apply_overrides(recipe, setting_texts(settings)).data.label_column == value
    assert apply_overrides(recipe, ["optimizer.lr=1e-3"]).optimizer.lr == 1e-3
