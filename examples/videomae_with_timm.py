"""A video classifier of transformers (VideoMAE) with a frozen pathway from a timm picture model.

The auxiliary stays frozen: only λ learns to what degree its weights are used, and a saved checkpoint holds λ and a
reference to the auxiliary, some kilobytes.

    python examples/videomae_with_timm.py
"""

import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import save_model
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

import crosspath

CLASSES, SIDE, FRAMES = 4, 32, 8


def clips(count: int) -> tuple[Tensor, Tensor]:
    """Clips, (count, frames, 3, 32, 32): a bright spot that moves up, down, left or right is the class."""
    labels = torch.randint(CLASSES, (count,))
    steps = torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])[labels]
    centres = 16 + 2 * torch.randn(count, 1, 2) + torch.arange(-4, 4)[:, None] * 3 * steps[:, None]
    places = torch.stack(torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij"))
    distance = (places - centres[..., None, None]).square().sum(2, keepdim=True)
    return torch.exp(-distance / 16) + 0.1 * torch.randn(count, FRAMES, 3, SIDE, SIDE), labels


torch.manual_seed(0)
videos, labels = clips(32)
auxiliary = timm.create_model(
    "vit_tiny_patch16_224", img_size=SIDE, patch_size=8, embed_dim=48, num_heads=3, depth=3, num_classes=CLASSES
)
optimizer = torch.optim.AdamW(auxiliary.parameters(), lr=2e-3)
for _ in range(20):
    optimizer.zero_grad()
    loss = cross_entropy(auxiliary(videos.std(1)), labels)  # one picture a clip: where something moved
    loss.backward()
    optimizer.step()
print(f"the auxiliary has learned pictures: loss {loss.item():.3f}")

config = VideoMAEConfig(
    hidden_size=48, num_attention_heads=3, num_hidden_layers=3, intermediate_size=192, num_labels=CLASSES,
    image_size=SIDE, patch_size=8, num_frames=FRAMES, tubelet_size=2,
)  # fmt: skip
target = VideoMAEForVideoClassification(config)

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "auxiliary.safetensors"
    save_model(auxiliary, file)
    # From a file, and frozen. A file states no head count; `match` lists that as unverified.
    pathway = crosspath.connect(target, {"image": file}, train_auxiliary=False, scale_init=0.1)

    optimizer = torch.optim.AdamW(crosspath.param_groups(target, lr=2e-3, weight_decay=0.05, scale_lr=1e-2))
    for step in range(1, 21):
        optimizer.zero_grad()
        loss = target(videos, labels=labels).loss
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            sizes = torch.stack([scale.abs().mean() for scale in pathway.scales().values()])
            print(f"step {step:3}  loss {loss.item():.3f}  mean |λ| {sizes.mean().item():.4f}")
    print(pathway.status())

    crosspath.save_pathway(target, Path(folder) / "checkpoint")
    kilobytes = (Path(folder) / "checkpoint" / "pathway.safetensors").stat().st_size / 1024
    print(f"saved: λ and a reference to the auxiliary, {kilobytes:.0f} KiB")

target.eval()
with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    connected = target(videos).logits
    receipt = crosspath.merge(target)
    assert torch.equal(target(videos).logits, connected)
    target.save_pretrained(folder)
    plain, info = VideoMAEForVideoClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())  # not one key missing or unexpected
    assert torch.equal(plain(videos).logits, connected)
print(f"merged {len(receipt.scales)} weights: from_pretrained loads them, outputs equal to the bit")
