"""What the parts measure is what they say."""

import pytest
import timm
import torch

import crosspath
from benchmarks.communication import run
from benchmarks.engines import WITH_PATHWAYS
from benchmarks.growth import Size, step_of
from benchmarks.inference import exported_operators, profiled_operators


def test_a_merged_model_runs_the_plain_operators_and_a_connected_one_more() -> None:
    torch.manual_seed(0)
    plain, model, auxiliary = (timm.create_model("test_vit", num_classes=3).eval() for _ in range(3))
    images = torch.randn(1, 3, 160, 160)
    own = profiled_operators(plain, images)
    assert "aten::addmm" in own
    crosspath.connect(model, auxiliary, scale_init=0.1)
    assert profiled_operators(model, images) != own
    crosspath.merge(model)
    assert profiled_operators(model, images) == own
    exported = [exported_operators(torch.export.export(network, (images,))) for network in (plain, model)]
    assert exported[0] == exported[1]


def test_every_variant_of_growth_takes_steps() -> None:
    size = Size(depth=1, width=32, side=2, auxiliaries=2)
    assert all(step_of(size, variant)() >= 0 for variant in ("plain", *WITH_PATHWAYS))


@pytest.mark.slow
def test_reduced_bytes_are_those_of_what_trains() -> None:
    measured = run(1, "micro", 1)
    plain, frozen, trained = (measured[name][1] for name in ("plain", "live-frozen", "live-trained"))
    assert measured["held-frozen"][1] == measured["held-trained"][1] == plain
    blocks = 6 * 12 * 128 * 128
    assert frozen - plain == 4 * 24  # one λ a weight
    assert trained - frozen == 4 * blocks
