"""The arms `lora` and `lora-8` begin at the frozen body, train adapters and head alone, and leave a plain model."""

from pathlib import Path

import pytest
import torch
from torch import nn

import crosspath
from crosspath.checkpoints.load import load_checkpoint
from crosspath.study.definition import Study
from crosspath.study.low_rank import LowRank, low_rank_start
from crosspath.study.study import run_study
from crosspath.training.scope import training_mode
from tests.errors import refused
from tests.study.here import in_this_process

__all__ = ["in_this_process"]

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)

SHORT = ("train.epochs=2", "data.labels_per_class=4", "train.batch_size=16", "train.scope=scales")


@pytest.mark.parametrize("rank", [1, 8])
def test_training_begins_at_the_body_and_ends_with_the_sum(rank: int) -> None:
    model = crosspath.build_model(crosspath.recipe_named("image/digits"), classes=3)
    plain = {name: value.clone() for name, value in model.state_dict().items()}
    inputs = torch.rand(2, 3, 8, 8)
    before = model(inputs)
    start = low_rank_start(rank, 1)
    start.apply(model)
    assert torch.equal(model(inputs), before)
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    assert {name.rpartition(".")[2] for name in learning if "parametrizations" in name} == {"inner_RI", "outer_OR"}
    assert {name.partition(".")[0] for name in learning if "parametrizations" not in name} == {"head"}
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))
    trained = model(inputs)
    assert start.finish is not None
    start.finish(model)
    assert torch.equal(model(inputs), trained)
    changed = {
        name: value - plain[name] for name, value in model.state_dict().items() if name.startswith("encoder.blocks")
    }
    assert model.state_dict().keys() == plain.keys()
    ranks = {
        name: int(torch.linalg.matrix_rank(change.double(), rtol=1e-4))
        for name, change in changed.items()
        if change.dim() == 2
    }
    assert set(ranks.values()) == {rank}
    assert not any(bool(change.any()) for change in changed.values() if change.dim() != 2)
    draws = [_first_row(seed) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def _first_row(seed: int) -> torch.Tensor:
    """What the first adapter of a new model multiplies its inputs with."""
    model = crosspath.build_model(crosspath.recipe_named("image/digits"), classes=3)
    low_rank_start(1, seed).apply(model)
    return next(module.inner_RI for module in model.modules() if isinstance(module, LowRank)).detach()


def test_a_frozen_body_keeps_the_statistics_of_its_batch_normalisation() -> None:
    recipe = crosspath.recipe_named("point/solids")
    model = crosspath.build_model(recipe, classes=3)
    norms = [
        module for name, module in model.named_modules() if isinstance(module, BATCH_NORMS) and "head." not in name
    ]
    training_mode(model, recipe)
    assert norms
    assert all(norm.training for norm in norms)
    low_rank_start(1, 0).apply(model)
    training_mode(model, recipe)
    assert not any(norm.training for norm in norms)


def test_a_model_without_blocks_is_refused() -> None:
    with refused("rank-8 adapters (seed 1)", "Linear"):
        low_rank_start(8, 1).apply(nn.Linear(2, 2))


@pytest.mark.usefixtures("in_this_process")
def test_a_study_has_it_beside_the_linear_probe(tmp_path: Path) -> None:
    study = Study.model_validate(
        {
            "targets": {"image/digits": {"settings": SHORT}},
            "arms": ["none", "lora"],
            "seeds": 1,
            "search": {"rates": [0.01]},
        }
    )
    rows = run_study(study, out=tmp_path / "study", progress=False)["rows"]
    assert [row["arm"] for row in rows] == ["none", "lora"]
    runs = tmp_path / "study" / "runs" / "image-digits" / "labels-all"
    probe, lora = (
        load_checkpoint(runs / arm / "final" / "lr-0.01-seed-0").model.state_dict() for arm in ("none", "lora")
    )
    assert probe.keys() == lora.keys()
    # The bodies of both are that of the seed: what differs is the adapter, and the head.
    body = {name: lora[name] - probe[name] for name in probe if not name.startswith("head.")}
    ranks = {int(torch.linalg.matrix_rank(change.double(), rtol=1e-4)) for change in body.values() if change.dim() == 2}
    assert ranks == {1}
    assert not any(bool(change.any()) for change in body.values() if change.dim() != 2)
