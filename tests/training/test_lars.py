"""LARS against its formula in float64."""

import torch
from torch import nn

from crosspath.training.optimizer import build_optimizer
from tests.checkpoints.small import image_recipe


def test_steps_by_hand_for_weights_and_for_vectors() -> None:
    settings = ("optimizer.name=lars", "optimizer.lr=0.5", "optimizer.weight_decay=0.1", "optimizer.momentum=0.9")
    recipe = image_recipe(*settings, "optimizer.trust=0.01")
    torch.manual_seed(0)
    model = nn.Linear(4, 3).double()
    optimizer = build_optimizer(model, recipe)
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    velocity = [torch.zeros_like(weight), torch.zeros_like(bias)]
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        gradients = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in (weight, bias)]
        model.weight.grad, model.bias.grad = gradients[0].clone(), gradients[1].clone()
        optimizer.step()
        # You et al.: the trust ratio of the whole update, decay included; vectors neither scaled nor decayed.
        ratio = 0.01 * weight.norm() / (gradients[0].norm() + 0.1 * weight.norm())
        velocity[0] = 0.9 * velocity[0] + ratio * (gradients[0] + 0.1 * weight)
        velocity[1] = 0.9 * velocity[1] + gradients[1]
        weight, bias = weight - 0.5 * velocity[0], bias - 0.5 * velocity[1]
        torch.testing.assert_close(model.weight.detach(), weight, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(model.bias.detach(), bias)


def test_weights_are_scaled_without_decay_too() -> None:
    # The published probe has no decay; timm would then leave the scaling out.
    model = nn.Linear(4, 3, bias=False)
    optimizer = build_optimizer(
        model, image_recipe("optimizer.name=lars", "optimizer.lr=1", "optimizer.weight_decay=0")
    )
    before = model.weight.detach().clone()
    model.weight.grad = torch.full_like(before, 100.0)
    optimizer.step()
    moved = (model.weight.detach() - before).norm()
    torch.testing.assert_close(moved, 0.001 * before.norm())
