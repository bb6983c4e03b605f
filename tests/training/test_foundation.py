"""Runs that start from a foundation model: their recipe, weights, head and what follows them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import crosspath
from crosspath.checkpoints import load_checkpoint
from crosspath.checkpoints.foreign.start import fit_to_start
from crosspath.config import Recipe, apply_overrides
from crosspath.evaluation.export import export
from crosspath.recipes import recipe_named
from crosspath.study.race.advice import order_by_advice
from crosspath.study.race.check import without_unfit
from crosspath.study.race.request import Request, understand
from crosspath.study.race.rounds import middle_rate
from crosspath.study.race.ways import CANONICAL, ways_of
from crosspath.training import folds
from crosspath.training.result import Result
from tests.errors import refused

SETTINGS = {"data.image_size": 8, "train.epochs": 1, "data.labels_per_class": 4, "train.loggers": []}


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DINOv2 as transformers saves it; its layer scale is not 1."""
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=16, patch_size=4,
        layerscale_value=0.5,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("dinov2")
    transformers.Dinov2Model(config).save_pretrained(folder)
    return folder


def train(out: Path, start: Path, **more: Any) -> Result:
    settings = {**SETTINGS, **more.pop("settings", {})}
    return crosspath.train("image/digits", out=out, start_from=start, settings=settings, progress=False, **more)


def test_a_run_starts_from_a_foundation_model_and_its_checkpoint_is_like_any_other(
    dinov2: Path, tmp_path: Path
) -> None:
    result = train(tmp_path / "probe", dinov2, settings={"train.scope": "head"})
    assert any("DINOv2, 24 wide, 2 blocks, 3 heads" in note and "0.485" in note for note in result.notes)
    model = load_checkpoint(tmp_path / "probe").model
    theirs = transformers.Dinov2Model.from_pretrained(dinov2)
    pictures = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        expected = theirs(pixel_values=pictures).last_hidden_state
        torch.testing.assert_close(model.features(pictures), expected, rtol=1e-5, atol=1e-5)
    # The run's own checkpoint is a start like any other, with the recipe that the run left behind.
    again = crosspath.train(
        tmp_path / "probe" / "recipe.yaml", out=tmp_path / "all", start_from=tmp_path / "probe", progress=False,
        settings={"train.scope": "all"}, auxiliaries={"self": tmp_path / "probe"},
    )  # fmt: skip
    assert len(again.scales) == 2 * 4
    # The same recipe starts from the folder again, too.
    crosspath.train(tmp_path / "probe" / "recipe.yaml", out=tmp_path / "same", start_from=dinov2, progress=False)
    assert (tmp_path / "same" / "model.safetensors").read_bytes() == (
        tmp_path / "probe" / "model.safetensors"
    ).read_bytes()


def test_a_race_tries_a_foundation_model_with_rates_of_its_own(dinov2: Path, tmp_path: Path) -> None:
    recipe = apply_overrides(recipe_named("image/digits"), ("data.image_size=8",))
    none, *_, pretrained, frozen = ways_of([], target=None, pretrained=dinov2)
    assert (pretrained.name, frozen.name) == ("pretrained", "frozen-body")
    assert middle_rate(none, recipe, ()) == recipe.optimizer.lr == 1e-3
    assert middle_rate(pretrained, recipe, ("data.image_size=8",)) == 1e-4
    # The head of a frozen body begins at random, and so learns at the rate of such weights.
    assert middle_rate(frozen, recipe, ("data.image_size=8",)) == 1e-3
    of_target = {way.name: way for way in ways_of([], target=dinov2, pretrained=None)}
    assert of_target["frozen-body"].from_ == of_target["none"].from_ == dinov2
    assert "frozen-body" not in {way.name for way in ways_of([], target=None, pretrained=None)}
    own = apply_overrides(recipe, ("optimizer.lr=0.0003",))
    assert middle_rate(pretrained, own, ("data.image_size=8", "optimizer.lr=0.0003")) == 3e-4


def test_a_race_tries_a_foundation_model_of_another_modality_in_canonical_form(dinov2: Path, tmp_path: Path) -> None:
    size = ("model.width=24", "model.depth=2", "model.heads=3", "model.mlp_width=48")

    def ask(auxiliary: Path, *settings: str) -> Request:
        return understand("audio/sounds", [f"other={auxiliary}"], None, "10m", None, None, (*size, *settings), 1, 1)

    said: list[str] = []
    request = without_unfit(ask(dinov2), said.append)
    ways = {way.name: way for way in request.ways}
    way = ways["whole-body-canonical-other"]
    assert said == []
    assert way.control is not None
    recipe = apply_overrides(request.target.recipe, way.control.arm.settings)
    assert (recipe.pathway.start, recipe.pathway.canonical, recipe.pathway.bias) == ("whole-body", True, True)
    assert not apply_overrides(request.target.recipe, ways["whole-body-other"].arm.settings).pathway.canonical
    assert order_by_advice(request.ways, {"other": "pathway"}).index(way) < order_by_advice(
        request.ways, {"other": "plain"}
    ).index(way)
    # Asked for, it is the form of every way; a network of our own has no other.
    assert "whole-body-canonical-other" not in {way.name for way in ask(dinov2, "pathway.canonical=true").ways}
    crosspath.train("image/digits", out=tmp_path / "own", settings={**SETTINGS, "data.image_size": 8}, progress=False)
    assert "whole-body-canonical-other" not in {way.name for way in ask(tmp_path / "own").ways}
    # Where it cannot be connected so, the others race without it.
    plain = without_unfit(ask(dinov2, "model.post_norm=true"), said.append)
    assert [line.partition(":")[0] for line in said] == ["whole-body-canonical-other is left out"]
    assert {way.name for way in plain.ways} == set(ways) - {way.name for way in request.ways if way.arm is CANONICAL}


def test_masked_modelling_continues_a_foundation_model(dinov2: Path, tmp_path: Path) -> None:
    settings = {key: value for key, value in SETTINGS.items() if key != "data.labels_per_class"}
    settings |= {"train.batch_size": 512, "masking.decoder_width": 16, "masking.decoder_depth": 1}
    out = tmp_path / "pretrained"
    crosspath.pretrain("image/digits", out=out, start_from=dinov2, settings=settings, progress=False)
    assert load_checkpoint(out).recipe.model.layer_scale == 1.0


def test_a_shipped_value_that_the_user_gives_counts_as_given(dinov2: Path, tmp_path: Path) -> None:
    with refused("model.size", "24", "128"):
        train(tmp_path / "run", dinov2, settings={"model.size": "micro", "model.width": 128})
    with refused("model.tokenizer.patch", "[4, 4]", "[2, 4]"):
        train(tmp_path / "run", dinov2, settings={"model.tokenizer.patch": [2, 4]})


def test_a_run_from_a_foundation_model_becomes_plain_timm(dinov2: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", dinov2, settings={"train.scope": "head"})
    written = export(tmp_path / "run", tmp_path / "timm", format="timm")
    assert max(written["max_difference"].values()) < 1e-5
    crosspath.save_pretrained(load_checkpoint(tmp_path / "run").model, tmp_path / "shared")
    assert "24 wide and 2 blocks deep" in (tmp_path / "shared" / "README.md").read_text(encoding="utf-8")
    arguments = json.loads((tmp_path / "timm" / "config.json").read_text(encoding="utf-8"))["model_args"]
    assert (arguments["init_values"], arguments["mlp_ratio"]) == (1.0, 2.0)


def test_a_rate_that_a_study_tries_is_the_rate_that_a_run_has(dinov2: Path) -> None:
    """A study tries the shipped rate too, in a recipe of its own; only a recipe that the user names gets another."""
    recipe = apply_overrides(recipe_named("image/digits"), ("data.image_size=8", "train.scope=blocks"))
    given = {"settings": ("data.image_size=8",)}
    assert fit_to_start(recipe, dinov2, **given).optimizer.lr == recipe.optimizer.lr == 1e-3
    assert fit_to_start(recipe, dinov2, **given, shipped=True).optimizer.lr == 1e-4
    frozen = apply_overrides(recipe, ("train.scope=head",))
    assert fit_to_start(frozen, dinov2, **given).augment == recipe.augment
    assert not fit_to_start(frozen, dinov2, **given, shipped=True).augment.alters


def test_folds_start_from_a_foundation_model_as_a_run_does(
    dinov2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Recipe] = []

    def stop(recipe: Recipe, **_: Any) -> None:
        seen.append(recipe)
        raise InterruptedError

    monkeypatch.setattr(folds, "train", stop)
    settings = ("data.way=2", "data.shot=2", "data.image_size=8")
    with pytest.raises(InterruptedError):
        folds.train_folds("image/digits", out=tmp_path / "run", start_from=dinov2, settings=settings)
    assert seen[0].optimizer.lr == 1e-4
