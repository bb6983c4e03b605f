"""One step against the same arithmetic written out."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from crosspath.evaluation.devices import Compute
from crosspath.training.step import train_step

CPU = Compute(device=torch.device("cpu"), precision="float32", reason="test")


def _model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(5, 3)


@pytest.mark.parametrize("clip_norm", [None, 0.01, 100.0])
def test_a_step_of_gradient_descent_by_hand(clip_norm: float | None) -> None:
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    expected = _model()
    loss = cross_entropy(expected(batch), targets_BK, label_smoothing=0.1)
    gradients = torch.autograd.grad(loss, list(expected.parameters()))
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    factor = 1.0 if clip_norm is None else min(1.0, clip_norm / (float(norm) + 1e-6))

    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    found = train_step(model, optimizer, batch, targets_BK, compute=CPU, smoothing=0.1, clip_norm=clip_norm)
    torch.testing.assert_close(found, loss.detach())
    assert not found.requires_grad
    for parameter, before, gradient in zip(model.parameters(), expected.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter, before - 0.5 * factor * gradient)


def test_gradients_do_not_pile_up() -> None:
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    seen = []
    for _ in range(2):
        train_step(model, optimizer, batch, targets_BK, compute=CPU, smoothing=0.0, clip_norm=None)
        assert model.weight.grad is not None
        seen.append(model.weight.grad.clone())
    assert torch.equal(*seen)


def test_bfloat16_keeps_weights_and_loss_in_float32() -> None:
    model = _model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    compute = Compute(device=torch.device("cpu"), precision="bfloat16", reason="test")
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    types = []
    model.register_forward_hook(lambda module, inputs, output: types.append(output.dtype))
    loss = train_step(model, optimizer, batch, targets_BK, compute=compute, smoothing=0.0, clip_norm=None)
    assert types == [torch.bfloat16]
    assert loss.dtype == model.weight.dtype == torch.float32
