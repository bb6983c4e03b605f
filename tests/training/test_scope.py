"""Probes and frozen bodies: what learns and what stays."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crosspath.checkpoints import auxiliary_source, load_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.data.examples import DataSet
from crosspath.modalities.batches import generated_batch
from crosspath.models.build import build_model
from crosspath.pathway import merge, pathways
from crosspath.pathway.sources.parameters import plain_state
from crosspath.recipes import recipe_named
from crosspath.study.controls import random_auxiliary
from crosspath.training import pretrain, train
from crosspath.training.scope import limit_scope, scope_notes, training_mode
from tests.checkpoints.small import audio_recipe, image_recipe, saved_audio, saved_image
from tests.errors import refused
from tests.training.synthetic import in_memory
from tests.training.test_run import short

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]
PROBE = ("optimizer.name=lars", "optimizer.lr=0.5", "model.head_batch_norm=true", "model.pooling=cls")


@pytest.mark.parametrize("settings", [(), PROBE])
def test_fault_scales_of_a_probe_never_learn(settings: tuple[str, ...], tmp_path: Path, in_memory: InMemory) -> None:
    """Published: λ is left out of the probe's optimizer and stays 0."""
    audio = short(audio_recipe)
    in_memory(audio)
    train(audio, out=tmp_path / "audio", progress=False)
    recipe = short(image_recipe, "train.scope=head", *settings)
    in_memory(recipe)
    for name, epochs in (("short", 1), ("long", 4)):
        longer = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": epochs})})
        train(longer, out=tmp_path / name, auxiliaries={"audio": tmp_path / "audio"}, progress=False)
    first, last = (load_checkpoint(tmp_path / name) for name in ("short", "long"))
    moved = {
        name
        for name, value in first.model.state_dict().items()
        if not torch.equal(value, last.model.state_dict()[name])
    }
    assert moved
    # λ of every layer, the head, and the statistics of its normalisation; no body weight, no W'.
    parts = {"head" if name.startswith("head.") else name.rsplit(".", 2)[-2] for name in moved}
    assert parts == {"head", "scales"}, parts
    assert len([name for name in moved if not name.startswith("head.")]) == 24


def test_a_probe_without_pathways_moves_the_head_alone(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.scope=head")
    in_memory(recipe)
    result = train(recipe, out=tmp_path / "run", progress=False)
    assert result.cost["trainable_parameters"] < result.cost["parameters"] / 50


def test_masked_modelling_has_no_head() -> None:
    recipe = recipe_named("image/digits", "masked_modeling")
    recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"scope": "head"})})
    with refused("train.scope"):
        pretrain(recipe, out="unused", progress=False)


def test_a_frozen_body_keeps_its_statistics() -> None:
    recipe = apply_overrides(recipe_named("point/solids"), ["train.scope=head", "model.head_batch_norm=true"])
    model = build_model(recipe, 3)
    limit_scope(model, recipe)
    training_mode(model, recipe)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(generated_batch(recipe, 4))
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("head.batch_norm.") for name in changed)


@pytest.mark.parametrize("auxiliary", ["audio", "itself", "noise"])
def test_scales_are_an_adapter_of_a_body_that_stays(auxiliary: str, tmp_path: Path, in_memory: InMemory) -> None:
    """λ of every channel and the head learn, from another modality, from W itself or from noise; nothing else moves."""
    saved_image(tmp_path / "itself")
    saved_audio(tmp_path / "audio")
    recipe = short(image_recipe, "train.scope=scales", "pathway.scale_per=channel", "train.ema_decay=null")
    in_memory(recipe)
    source = auxiliary_source(tmp_path / ("itself" if auxiliary == "noise" else auxiliary))
    source = random_auxiliary(source, seed=1) if auxiliary == "noise" else source
    result = train(
        recipe,
        out=tmp_path / "run",
        start_from=tmp_path / "itself",
        auxiliaries={auxiliary: source},
        progress=False,
    )
    before, checkpoint = load_checkpoint(tmp_path / "itself").model, load_checkpoint(tmp_path / "run")
    handle = pathways(checkpoint.model)
    channels = sum(weight.shape[0] for weight in handle.weights().values())
    head = sum(value.numel() for name, value in before.named_parameters() if name.startswith("head."))
    assert result.cost["trainable_parameters"] == channels + head
    assert any(f"{channels:,} values of λ learn" in note for note in result.notes)
    scales = handle.scales()
    assert sum(scale.numel() for scale in scales.values()) == channels
    assert all(bool((scale != 0).any()) for scale in scales.values())
    for name, value in plain_state(checkpoint.model).items():
        assert name.startswith("head.") or torch.equal(value, before.state_dict()[name]), name
    if auxiliary == "itself":
        assert all(torch.equal(value, handle.weights()[name]) for (name, _), value in handle.auxiliaries().items())
    batch = generated_batch(recipe, 4)
    with torch.no_grad():
        expected = checkpoint.model(batch)
        merge(checkpoint.model)
        assert torch.equal(checkpoint.model(batch), expected)


def test_scales_that_do_not_learn_are_refused_and_none_are_a_probe() -> None:
    model = build_model(image_recipe(), 10)
    recipe = image_recipe("train.scope=scales")
    limit_scope(model, recipe)
    assert {name.split(".")[0] for name, value in model.named_parameters() if value.requires_grad} == {"head"}
    assert "the head alone learns" in scope_notes(model, recipe)[0]
    with refused("train.scope", "false"):
        limit_scope(model, apply_overrides(recipe, ["pathway.train_scale=false"]))
