"""One step against the same arithmetic written out."""

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from crosspath.evaluation.devices import Compute
from crosspath.objectives import Batch
from crosspath.objectives.classification import soft_cross_entropies
from crosspath.training.processes import Processes
from crosspath.training.step import Stepper

CPU = Compute(device=torch.device("cpu"), precision="float32", reason="test")


def _stepper(
    model: nn.Module,
    lr: float,
    clip_norm: float | None = None,
    compute: Compute = CPU,
    scaler: torch.amp.GradScaler | None = None,
    processes: Processes | None = None,
) -> Stepper:
    def losses(module: nn.Module, part: Batch) -> Tensor:
        assert part.targets is not None
        return soft_cross_entropies(module(part.inputs), part.targets, 0.1)

    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return Stepper(
        model=model,
        optimizer=optimizer,
        losses=losses,
        compute=compute,
        clip_norm=clip_norm,
        scaler=scaler,
        processes=processes or Processes(0, 1),
    )


def _parts(batch: Tensor, targets_BK: Tensor, sizes: tuple[int, ...] = (6,)) -> list[Batch]:
    ids = torch.arange(len(batch))
    cut = zip(batch.split(sizes), targets_BK.split(sizes), ids.split(sizes), strict=True)
    return [Batch(inputs=x, targets=y, ids_B=i, epoch=0, batch_size=len(batch)) for x, y, i in cut]


def _model() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(5, 3)


@pytest.mark.parametrize("sizes", [(6,), (2, 4), (1, 2, 3)])
@pytest.mark.parametrize("clip_norm", [None, 0.01, 100.0])
def test_a_step_of_gradient_descent_by_hand(clip_norm: float | None, sizes: tuple[int, ...]) -> None:
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    expected = _model()
    loss = cross_entropy(expected(batch), targets_BK, label_smoothing=0.1)
    gradients = torch.autograd.grad(loss, list(expected.parameters()))
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    factor = 1.0 if clip_norm is None else min(1.0, clip_norm / (float(norm) + 1e-6))

    model = _model()
    found = _stepper(model, 0.5, clip_norm).step(_parts(batch, targets_BK, sizes))
    torch.testing.assert_close(found, loss.detach())
    assert not found.requires_grad
    for parameter, before, gradient in zip(model.parameters(), expected.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter, before - 0.5 * factor * gradient)


def test_gradients_do_not_pile_up() -> None:
    model = _model()
    stepper = _stepper(model, 0.0)
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    seen = []
    for _ in range(2):
        stepper.step(_parts(batch, targets_BK))
        assert model.weight.grad is not None
        seen.append(model.weight.grad.clone())
    assert torch.equal(*seen)


def test_bfloat16_keeps_weights_and_loss_in_float32() -> None:
    model = _model()
    compute = Compute(device=torch.device("cpu"), precision="bfloat16", reason="test")
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    types = []
    model.register_forward_hook(lambda module, inputs, output: types.append(output.dtype))
    loss = _stepper(model, 0.1, compute=compute).step(_parts(batch, targets_BK))
    assert types == [torch.bfloat16]
    assert loss.dtype == model.weight.dtype == torch.float32


def test_gradients_are_unscaled_before_they_are_clipped() -> None:
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    models = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=1024.0)):
        models.append(_model())
        _stepper(models[-1], 0.5, clip_norm=0.01, scaler=scaler).step(_parts(batch, targets_BK))
    # A scale that is a power of two changes no digit of a gradient.
    assert torch.equal(models[0].weight, models[1].weight)
    assert not torch.equal(models[0].weight, _model().weight)


def test_an_overflow_skips_the_step_and_lowers_the_scale() -> None:
    model, scaler = _model(), torch.amp.GradScaler("cpu", init_scale=2.0**127)
    _stepper(model, 0.5, scaler=scaler).step(_parts(1e6 * torch.randn(6, 5), torch.eye(3).repeat(2, 1)))
    assert torch.equal(model.weight, _model().weight)
    assert scaler.get_scale() == 2.0**126


class _Two(Processes):
    """The first of two processes, whose exchange is only noted down."""

    def __init__(self) -> None:
        super().__init__(0, 2)
        self.exchanges: list[tuple[nn.Module, bool]] = []

    def sync_context(self, wrapped: nn.Module, last: bool) -> AbstractContextManager[object]:
        self.exchanges.append((wrapped, last))
        return nullcontext()

    def sum(self, value: Tensor) -> Tensor:
        return value + 100.0


def test_two_processes_sum_losses_and_average_gradients_made_twice_as_large() -> None:
    batch, targets_BK = torch.randn(6, 5), torch.eye(3).repeat(2, 1)
    alone, one_of_two, processes = _model(), _model(), _Two()
    loss = _stepper(alone, 0.5).step(_parts(batch, targets_BK, (2, 4)))
    summed = _stepper(one_of_two, 0.5, processes=processes).step(_parts(batch, targets_BK, (2, 4)))
    assert processes.exchanges == [(one_of_two, False), (one_of_two, True)]
    assert float(summed) == float(loss + 100)
    torch.testing.assert_close(one_of_two.weight.grad, 2 * alone.weight.grad)
