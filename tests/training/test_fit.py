"""Runs whose auxiliary has another width, depth and heads: trained, interrupted, averaged, merged, verified."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crosspath.checkpoints import load_checkpoint
from crosspath.checkpoints.merge import merge_checkpoint
from crosspath.checkpoints.status import checkpoint_status
from crosspath.config import Recipe
from crosspath.data.examples import DataSet
from crosspath.modalities.batches import generated_batch
from crosspath.pathway import pathways
from crosspath.training import train
from tests.checkpoints.small import audio_recipe, image_recipe
from tests.errors import refused
from tests.training.synthetic import in_memory
from tests.training.test_resume import CutAfter, CutError, same
from tests.training.test_run import short

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]
WIDE = ("model.width=48", "model.heads=3", "model.depth=3")
NARROW = ("model.width=32", "model.heads=2", "model.depth=2", "pathway.scale_init=0.1")


@pytest.fixture
def auxiliary(tmp_path: Path, in_memory: InMemory) -> dict[str, str | Path]:
    recipe = short(audio_recipe, *WIDE)
    in_memory(recipe)
    train(recipe, out=tmp_path / "audio", progress=False)
    return {"audio": tmp_path / "audio"}


def test_a_learned_pair_resumes_to_the_same_bits_and_merges_to_them(
    tmp_path: Path, in_memory: InMemory, auxiliary: dict[str, str | Path]
) -> None:
    recipe = short(image_recipe, *NARROW, "pathway.fit=learned", "train.ema_decay=0.9", "train.checkpoint_steps=2")
    in_memory(recipe)
    result = train(recipe, out=tmp_path / "whole", auxiliaries=auxiliary, progress=False)
    assert any("learned" in note and "live" in note for note in result.notes)
    with pytest.raises(CutError):
        train(recipe, out=tmp_path / "cut", auxiliaries=auxiliary, progress=CutAfter(4))
    train(recipe, out=tmp_path / "cut", auxiliaries=auxiliary, progress=False, resume=True)
    assert same(tmp_path / "whole", tmp_path / "cut")

    connected = load_checkpoint(tmp_path / "whole").model
    assert pathways(connected).learned_pairs()
    assert "learned" in str(checkpoint_status(tmp_path / "whole"))
    receipt = merge_checkpoint(tmp_path / "whole", tmp_path / "plain")
    assert receipt["equality"]["bitwise"]
    assert "derived" in receipt["merge"]
    batch = generated_batch(recipe, 4)
    with torch.no_grad():
        before = connected(batch)
        assert torch.equal(load_checkpoint(tmp_path / "plain").model(batch), before)


def test_another_fit_trains_with_the_optimizer_and_verifies(
    tmp_path: Path, in_memory: InMemory, auxiliary: dict[str, str | Path]
) -> None:
    recipe = short(image_recipe, *NARROW, "pathway.fit=spectra", "pathway.train_auxiliary=false")
    in_memory(recipe)
    train(recipe, out=tmp_path / "run", auxiliaries=auxiliary, progress=False)
    (tmp_path / "audio").rename(tmp_path / "elsewhere")  # W' is saved by value
    assert "spectra" in str(checkpoint_status(tmp_path / "run"))
    assert merge_checkpoint(tmp_path / "run", tmp_path / "plain")["equality"]["bitwise"]


def test_without_it_the_run_names_it(tmp_path: Path, in_memory: InMemory, auxiliary: dict[str, str | Path]) -> None:
    recipe = short(image_recipe, *NARROW)
    in_memory(recipe)
    with refused("connect", 'fit="slice"'):
        train(recipe, out=tmp_path / "run", auxiliaries=auxiliary, progress=False)
    assert not (tmp_path / "run").exists()
