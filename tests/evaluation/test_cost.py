"""Counting and timing."""

import torch
from torch import nn

from crosspath.evaluation.cost import count_parameters, measure_cost


def test_counts_each_parameter_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 2))
    model[0].weight.requires_grad_(False)
    tied = nn.ModuleList([model, model])
    assert count_parameters(tied) == 9 + 8
    assert count_parameters(tied, trainable=True) == 8


def test_measures_without_changing_the_mode() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    cost = measure_cost(model, torch.randn(4, 3), repeats=2)
    assert model.training
    assert int(model[1].num_batches_tracked) == 0
    assert cost.latency_ms > 0
    assert (cost.parameters, cost.batch_size, cost.tokens) == (8 + 4, 4, None)
