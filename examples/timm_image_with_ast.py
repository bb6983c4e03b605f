"""A timm picture classifier with a pathway from an audio model of transformers (AST).

timm keeps query, key and value in one fused weight, transformers in three; roles pair them all the same.

    python examples/timm_image_with_ast.py
"""

import timm
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import ASTConfig, ASTForAudioClassification

import crosspath

CLASSES, FRAMES, BINS, SIDE = 4, 64, 32, 32


def sounds(count: int) -> tuple[Tensor, Tensor]:
    """Log-mel spectrograms, (count, frames, bins): the class is the band that the energy lies in."""
    labels = torch.randint(CLASSES, (count,))
    centre = 4 + 8 * labels[:, None, None] + 2 * torch.randn(count, FRAMES, 1)
    energy = torch.exp(-((torch.arange(BINS) - centre) ** 2) / 8)
    return energy + 0.3 * torch.randn(count, FRAMES, BINS), labels


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """Pictures, (count, 3, 32, 32): the class is the quarter in which a bright spot lies."""
    labels = torch.randint(CLASSES, (count,))
    corner = torch.stack([labels // 2, labels % 2], 1) * 16 + 8
    places = torch.stack(torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij"))
    distance = (places - (corner + 2 * torch.randn(count, 2))[:, :, None, None]).square().sum(1, keepdim=True)
    return torch.exp(-distance / 20) + 0.7 * torch.randn(count, 3, SIDE, SIDE), labels


torch.manual_seed(0)
config = ASTConfig(
    hidden_size=48, num_attention_heads=3, num_hidden_layers=3, intermediate_size=192, num_labels=CLASSES,
    patch_size=16, frequency_stride=16, time_stride=16, max_length=FRAMES, num_mel_bins=BINS,
)  # fmt: skip
auxiliary = ASTForAudioClassification(config)
spectrograms, labels = sounds(64)
optimizer = torch.optim.AdamW(auxiliary.parameters(), lr=2e-3)
for _ in range(20):
    optimizer.zero_grad()
    loss = auxiliary(spectrograms, labels=labels).loss
    loss.backward()
    optimizer.step()
print(f"the auxiliary has learned sounds: loss {loss.item():.3f}")

target = timm.create_model(
    "vit_tiny_patch16_224", img_size=SIDE, patch_size=8, embed_dim=48, num_heads=3, depth=3, num_classes=CLASSES
)
print(crosspath.match(target, auxiliary))
# scale_per="role": query, key and value of the fused weight have a λ each, as they come from three weights.
pathway = crosspath.connect(target, {"ast": auxiliary}, scale_per="role")

images, labels = pictures(64)
optimizer = torch.optim.AdamW(crosspath.param_groups(target, lr=2e-3, weight_decay=0.05, scale_lr=1e-2))
for step in range(1, 31):
    optimizer.zero_grad()
    loss = cross_entropy(target(images), labels)
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        query, key, value = pathway.scales()["blocks.0.attn.qkv.weight", "ast"].tolist()
        print(f"step {step:3}  loss {loss.item():.3f}  λ of block 0: q {query:+.4f}  k {key:+.4f}  v {value:+.4f}")
print(pathway.status())

target.eval()
with torch.no_grad():
    connected = target(images)
    receipt = crosspath.merge(target)
    assert torch.equal(target(images), connected)
print(f"merged {len(receipt.scales)} weights: a plain timm model, outputs equal to the bit")
