"""Every part of a model gets its own mode back, whatever happens meanwhile."""

import pytest
from torch import nn

from crosspath.models.evaluation_mode import evaluation_mode


def test_a_part_that_is_frozen_stays_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(3)))
    model.train()
    model[1].eval()
    before = [module.training for module in model.modules()]
    with evaluation_mode(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == before
    with pytest.raises(RuntimeError), evaluation_mode(model):
        raise RuntimeError
    assert [module.training for module in model.modules()] == before == [True, True, False, False]
