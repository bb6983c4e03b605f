"""From masked modelling to a classifier: body and tokenizer are loaded, the rest is noted."""

from pathlib import Path

import pytest
import torch

from crosspath.checkpoints import auxiliary_source, load_checkpoint, load_weights_from, save_checkpoint
from crosspath.files import read_tensors, write_tensors
from crosspath.models import MaskedAutoencoder, build_masked_autoencoder, build_model
from crosspath.pathway import connect, match
from tests.checkpoints.small import fresh, image_recipe
from tests.errors import refused
from tests.models.test_build import recipe_for
from tests.models.test_masked_autoencoder import MODALITIES, always, batch_for, halves, masked_recipe


def saved_masked(folder: Path, modality: str = "image", **model: object) -> MaskedAutoencoder:
    """A masked autoencoder in `folder`, with weights and running statistics that no fresh model has."""
    torch.manual_seed(1)
    recipe = masked_recipe(modality, dict(model))
    autoencoder = build_masked_autoencoder(recipe)
    with torch.no_grad():
        for tensor in autoencoder.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.05 * torch.rand_like(tensor))
    save_checkpoint(autoencoder, folder, recipe=recipe, classes=())
    return autoencoder.eval()


@MODALITIES
def test_a_masked_checkpoint_comes_back_as_the_model_that_was_saved(modality: str, tmp_path: Path) -> None:
    model = saved_masked(tmp_path / "run", modality)
    (tmp_path / "moved.safetensors").write_bytes((tmp_path / "run" / "model.safetensors").read_bytes())
    mask = halves(model.tokenizer.num_tokens)
    expected = model(batch_for(modality), always(mask)).predicted_BMP
    for path in (tmp_path / "run", tmp_path / "moved.safetensors"):
        checkpoint = load_checkpoint(path)
        assert isinstance(checkpoint.model, MaskedAutoencoder)
        assert (checkpoint.classes, checkpoint.recipe.objective, checkpoint.model.training) == (
            (),
            "masked_modeling",
            False,
        )
        assert torch.equal(checkpoint.model(batch_for(modality), always(mask)).predicted_BMP, expected)


def test_a_masked_file_without_metadata_needs_a_recipe_and_no_head(tmp_path: Path) -> None:
    saved_masked(tmp_path / "run")
    tensors, _ = read_tensors(tmp_path / "run" / "model.safetensors")
    write_tensors(tmp_path / "bare.safetensors", tensors, {})
    checkpoint = load_checkpoint(tmp_path / "bare.safetensors", masked_recipe("image"))
    assert isinstance(checkpoint.model, MaskedAutoencoder)
    assert checkpoint.classes == ()


@MODALITIES
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_classifier_loads_the_body_and_notes_what_it_skips(modality: str, pooling: str, tmp_path: Path) -> None:
    autoencoder = saved_masked(tmp_path / "run", modality, pooling=pooling)
    model = build_model(recipe_for(modality, pooling=pooling), 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    skipped, head = load_weights_from(model, tmp_path / "run")
    parts = "decoder, encoder.norm" if pooling == "mean" else "decoder"
    assert skipped == f"--from {tmp_path / 'run'}: not loaded: {parts}"
    assert head.startswith(f"--from {tmp_path / 'run'}: it has no head")
    source = autoencoder.state_dict()
    for name, tensor in model.state_dict().items():
        # MAE's `fc_norm`, here `head.norm`, is not filled from the encoder's norm.
        assert torch.equal(tensor, before[name] if name.startswith("head.") else source[name]), name
    assert any(not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_pretraining_loads_the_decoder_of_pretraining(tmp_path: Path) -> None:
    saved = saved_masked(tmp_path / "run")
    model = build_masked_autoencoder(masked_recipe("image"))
    assert load_weights_from(model, tmp_path / "run") == []
    assert all(torch.equal(tensor, saved.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_classifier_of_another_size_is_refused_and_untouched(tmp_path: Path) -> None:
    saved_masked(tmp_path / "run")
    model = fresh(image_recipe("model.size=tiny"), 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with refused("run", "shapes"):
        load_weights_from(model, tmp_path / "run")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_an_auxiliary_from_masked_modelling_has_no_decoder(tmp_path: Path) -> None:
    saved_masked(tmp_path / "run", "point")
    source = auxiliary_source(tmp_path / "run")
    assert source.recipe == "point/test"
    names = set(source.weights.state_dict())  # type: ignore[union-attr]
    assert not any(name.startswith("decoder.") for name in names)
    target = build_model(recipe_for("image"), 3)
    report = match(target, source.weights)
    assert len(report.pairs) == 6 * len(("query", "key", "value", "attention_output", "mlp_in", "mlp_out"))
    handle = connect(target, source.weights)
    assert {weight.split(".")[1] for weight, _ in handle.scales()} == {"blocks"}
    assert len(handle.scales()) == 6 * 4


@MODALITIES
def test_pretraining_loads_the_body_of_a_classifier_and_notes_what_begins_at_random(
    modality: str, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    recipe = recipe_for(modality)
    classifier = build_model(recipe, 3)
    save_checkpoint(classifier, tmp_path / "run", recipe=recipe, classes=("a", "b", "c"))
    model = build_masked_autoencoder(masked_recipe(modality))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    (note,) = load_weights_from(model, tmp_path / "run")
    assert note == f"--from {tmp_path / 'run'}: initialised at random: decoder, encoder.norm"
    source = classifier.state_dict()
    assert sum(name in source for name in before) == len(source) - sum(name.startswith("head.") for name in source)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, source[name] if name in source else before[name]), name
    assert any(not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_head_of_another_task_is_not_loaded_whatever_its_shape(tmp_path: Path) -> None:
    """Two classes are not two numbers."""
    recipe = image_recipe()
    classifier = fresh(recipe, 2)
    save_checkpoint(classifier, tmp_path / "run", recipe=recipe, classes=("a", "b"))
    numbers = image_recipe("objective=regression")
    torch.manual_seed(5)
    model = build_model(numbers, 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    (note,) = load_weights_from(model, tmp_path / "run", numbers)
    assert "head" in note
    assert "classification" in note
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, (before if name.startswith("head.") else classifier.state_dict())[name]), name
    same = build_model(recipe, 2)
    assert load_weights_from(same, tmp_path / "run", recipe) == []
    assert torch.equal(same.state_dict()["head.linear.weight"], classifier.state_dict()["head.linear.weight"])
