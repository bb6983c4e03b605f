"""torchvision's ViT with two pathways at once: from a sound model and from a text model, with a λ for each head.

torchvision's attention reads its fused weight directly; replacing its layers would miss that.

    python examples/torchvision_vit.py
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.models import VisionTransformer

import crosspath

CLASSES, SIDE, WIDTH, HEADS, DEPTH = 4, 32, 48, 3, 3


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """Pictures, (count, 3, 32, 32): rings around a centre; the class is how narrow they are."""
    labels = torch.randint(CLASSES, (count,))
    y, x = torch.meshgrid(torch.arange(SIDE) - 16, torch.arange(SIDE) - 16, indexing="ij")
    rings = torch.sin((x**2 + y**2).sqrt() * (0.5 + 0.4 * labels[:, None, None]) + 6 * torch.rand(count, 1, 1))
    return rings[:, None] * torch.rand(count, 3, 1, 1) + 0.5 * torch.randn(count, 3, SIDE, SIDE), labels


def trunk() -> nn.TransformerEncoder:
    """The body of a model of any modality."""
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, activation="gelu", batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)


def pretrain(tokens: Tensor, steps: int = 10) -> nn.TransformerEncoder:
    """A body that has learned to reconstruct tokens, (B, N, width), of which it sees half."""
    body = trunk()
    optimizer = torch.optim.AdamW(body.parameters(), lr=2e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        hidden = torch.rand(tokens.shape[:2]) < 0.5
        rebuilt = body(tokens.masked_fill(hidden[..., None], 0.0))
        (rebuilt - tokens)[hidden].square().mean().backward()
        optimizer.step()
    return body


torch.manual_seed(0)
time = torch.arange(16 * WIDTH).reshape(1, 16, WIDTH) / WIDTH
sound = pretrain(torch.sin(time * torch.randint(2, 9, (32, 1, 1))))
text = pretrain(nn.Embedding(12, WIDTH)(torch.randint(12, (32, 16)).sort(1).values).detach())

target = VisionTransformer(SIDE, 8, DEPTH, HEADS, WIDTH, 4 * WIDTH, num_classes=CLASSES)
pathway = crosspath.connect(target, {"sound": sound, "text": text}, scale_per="head", scale_init=0.1)

images, labels = pictures(64)
optimizer = torch.optim.AdamW(crosspath.param_groups(target, lr=2e-3, weight_decay=0.05, scale_lr=1e-2))
for step in range(1, 31):
    optimizer.zero_grad()
    loss = cross_entropy(target(images), labels)
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        print(f"step {step:3}  loss {loss.item():.3f}")
print(pathway.status())
for name in pathway.names:
    heads = pathway.scales()["encoder.layers.encoder_layer_0.self_attention.in_proj_weight", name]
    print(f"λ of the first attention, head by head, from {name}: {[round(value, 4) for value in heads.tolist()]}")

target.eval()
with torch.no_grad():
    connected = target(images)
    with pathway.disabled():
        assert not torch.equal(target(images), connected)  # the bare target, while this block lasts
    receipt = crosspath.merge(target)
    assert torch.equal(target(images), connected)
print(f"merged {len(receipt.scales)} weights: a plain torchvision ViT, outputs equal to the bit")
