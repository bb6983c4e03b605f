"""Two timm models: a picture classifier with a pathway from a ViT that was trained on spectrograms.

python examples/two_timm_models.py
"""

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import crosspath

SIDE, CLASSES = 32, 4


def vit(channels: int) -> nn.Module:
    """A small timm ViT; any of timm's own names and sizes will do."""
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=SIDE, patch_size=8, embed_dim=48, num_heads=3, depth=3,
        in_chans=channels, num_classes=CLASSES,
    )  # fmt: skip


def spectrograms(count: int) -> tuple[Tensor, Tensor]:
    """Frequency x time, (count, 1, 32, 32): a pitch that falls, holds, rises or trembles is the class."""
    labels = torch.randint(CLASSES, (count,))
    time = torch.linspace(-1, 1, SIDE)
    pitches = torch.stack([-time, 0 * time, time, torch.sin(9 * time)])[labels] * 8
    pitches += torch.randint(10, 22, (count, 1))
    distance = torch.arange(SIDE)[:, None] - pitches[:, None, :]
    return torch.exp(-(distance**2) / 2)[:, None] + 0.2 * torch.randn(count, 1, SIDE, SIDE), labels


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """Pictures, (count, 3, 32, 32): the direction of their stripes is the class."""
    labels = torch.randint(CLASSES, (count,))
    angles = labels * torch.pi / CLASSES
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    waves = x * angles.cos()[:, None, None] + y * angles.sin()[:, None, None] + 6 * torch.rand(count, 1, 1)
    return torch.sin(waves)[:, None] * torch.rand(count, 3, 1, 1) + 0.5 * torch.randn(count, 3, SIDE, SIDE), labels


def train(model: nn.Module, data: tuple[Tensor, Tensor], steps: int) -> None:
    inputs, labels = data
    # λ has a rate of its own and no decay; W' goes with its W; lower layers learn more slowly.
    groups = crosspath.param_groups(model, lr=2e-3, weight_decay=0.05, layer_decay=0.75, scale_lr=1e-2)
    optimizer = torch.optim.AdamW(groups)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss = cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            print(f"step {step:3}  loss {loss.item():.3f}")


torch.manual_seed(0)
print("the auxiliary learns spectrograms")
auxiliary = vit(channels=1)
train(auxiliary, spectrograms(64), steps=20)

print("the target learns pictures, with a pathway from the auxiliary")
target = vit(channels=3)
pathway = crosspath.connect(target, {"audio": auxiliary})  # λ = 0: the target's function is unchanged so far
train(target, pictures(64), steps=30)
print(pathway.status())

images, _ = pictures(8)
target.eval()
with torch.no_grad():
    connected = target(images)
    receipt = crosspath.merge(target)
    assert torch.equal(target(images), connected)
vit(channels=3).load_state_dict(target.state_dict())  # not one key missing or unexpected
print(f"merged {len(receipt.scales)} weights: a plain timm model, outputs equal to the bit")
