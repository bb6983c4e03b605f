"""The terms behind a model: known, unknown, and those that grant no commercial use."""

import huggingface_hub
import pytest
from huggingface_hub.hf_api import ModelInfo

from crosspath.checkpoints.sharing.licences import Licence, licences
from crosspath.config import Recipe
from crosspath.models.about import About
from crosspath.recipes import recipe_named
from tests.checkpoints.small import image_recipe


def of(recipe: Recipe, **auxiliaries: dict[str, str]) -> dict[str, Licence]:
    return {one.part: one for one in licences(About(recipe=recipe, classes=("a",), auxiliaries=auxiliaries))}


@pytest.mark.parametrize(
    ("name", "terms", "non_commercial"),
    [
        ("audio/esc50", "CC BY-NC 3.0", True),
        ("audio/esc10", "CC BY 3.0", False),
        ("audio/fsdd", "CC BY-SA 4.0", False),
        ("image/imagenet", "ImageNet terms of access", True),
        ("image/cifar10", "none stated; offered for research", True),
        ("video/grid", "CC BY 4.0", False),
        ("image/digits", "CC BY 4.0", False),
        ("point/solids", "none needed", False),
        ("image/folder", "unknown", False),
    ],
)
def test_the_terms_of_a_target_s_data(name: str, terms: str, non_commercial: bool) -> None:
    licence = of(recipe_named(name))["target"]
    assert licence.terms.startswith(terms)
    assert licence.non_commercial == non_commercial
    assert licence.is_known == (terms != "unknown")


def test_an_auxiliary_has_the_terms_of_the_data_of_its_recipe() -> None:
    licence = of(image_recipe(), audio={"origin": "/somewhere/run", "recipe": "audio/esc50"})["audio"]
    assert licence.source == "data set esc50"
    assert licence.non_commercial


def test_what_is_unknown_is_said_to_be() -> None:
    licences = of(image_recipe(), own={"origin": "x", "recipe": "audio/mine"}, bare={"origin": "/weights.safetensors"})
    assert not licences["own"].is_known
    assert not licences["bare"].is_known


def test_published_masked_autoencoders_are_not_for_commercial_use() -> None:
    licences = of(
        image_recipe(),
        mae={"origin": "timm:vit_base_patch16_224.mae"},
        augreg={"origin": "timm:vit_tiny_patch16_224.augreg_in21k"},
        none={"origin": "timm:no_such_model"},
    )
    assert licences["mae"].terms == "cc-by-nc-4.0"
    assert licences["mae"].non_commercial
    assert licences["mae"].address == "https://huggingface.co/timm/vit_base_patch16_224.mae"
    assert licences["augreg"].terms == "apache-2.0"
    assert not licences["augreg"].non_commercial
    assert not licences["none"].is_known


def test_a_hub_repository_says_its_licence_in_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def info(repository: str, *, timeout: float) -> ModelInfo:
        assert repository == "someone/ast"
        return ModelInfo(id=repository, cardData={"license": "cc-by-nc-sa-4.0"})

    monkeypatch.setattr(huggingface_hub, "model_info", info)
    licence = of(image_recipe(), audio={"origin": "hf:someone/ast"})["audio"]
    assert licence.terms == "cc-by-nc-sa-4.0"
    assert licence.non_commercial

    def offline(repository: str, *, timeout: float) -> ModelInfo:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "model_info", offline)
    assert not of(image_recipe(), audio={"origin": "hf:someone/ast"})["audio"].is_known
