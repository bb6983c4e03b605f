"""Parameters that are several objects in one memory: a merge would write one and change the other."""

import pytest
import torch
from torch import nn

import crosspath
from crosspath.pathway.engines.engine import ENGINES
from crosspath.pathway.sources.shared_memory import memory_sharers
from tests.errors import refused
from tests.pathway.small_models import WIDTH, Body


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_tied_by_their_data_are_refused_by_name(engine: str) -> None:
    target = Body()
    target.blocks[1].mlp.fc1.weight.data = target.blocks[0].mlp.fc1.weight.data
    with refused("connect", "blocks.0.mlp.fc1.weight", "blocks.1.mlp.fc1.weight", "clone"):
        crosspath.connect(target, Body(), engine=engine)
    assert crosspath.connect(target, Body(), roles="attention", engine=engine).names


@pytest.mark.parametrize("engine", ENGINES)
def test_a_weight_in_the_memory_of_one_that_is_not_chosen_is_refused(engine: str) -> None:
    target = Body()
    target.head = nn.Linear(WIDTH, WIDTH)
    target.head.weight.data = target.blocks[0].mlp.fc1.weight.data[WIDTH : 2 * WIDTH]
    with refused("connect", "blocks.0.mlp.fc1.weight", "head.weight"):
        crosspath.connect(target, Body(), engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_expanded_weight_is_refused(engine: str) -> None:
    target = Body()
    layer = target.blocks[0].mlp.fc1
    layer.weight = nn.Parameter(torch.randn(1, WIDTH).expand(layer.out_features, WIDTH))
    with refused("connect", "blocks.0.mlp.fc1.weight", "expanded"):
        crosspath.connect(target, Body(), engine=engine)


def test_parameters_that_lie_side_by_side_share_nothing() -> None:
    flat, matrix = torch.zeros(24), torch.zeros(3, 8)
    tensors = {"first": flat[:12], "last": flat[12:], "left": matrix[:, :4], "right": matrix[:, 4:]}
    parameters = {name: nn.Parameter(tensor) for name, tensor in tensors.items()}
    assert memory_sharers(parameters | {"empty": nn.Parameter(torch.zeros(0))}) == {}
    parameters["middle"] = nn.Parameter(matrix[:, 3:5])
    assert memory_sharers(parameters) == {"middle": ["left", "right"], "left": ["middle"], "right": ["middle"]}


def test_a_flattened_model_connects() -> None:
    """As libraries lay parameters out for one collective: every one is a view of one vector."""
    target = Body()
    flat = nn.utils.parameters_to_vector(target.parameters()).detach()
    nn.utils.vector_to_parameters(flat, target.parameters())
    crosspath.connect(target, Body(), scale_init=0.5)
    crosspath.merge(target)
