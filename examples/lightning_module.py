"""Lightning: λ in the log, small files beside each checkpoint, merging when `fit` ends.

python examples/lightning_module.py
"""

import tempfile
from pathlib import Path

import lightning
import timm
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import crosspath
from crosspath.integrations.lightning import PathwayCallback


def vit(channels: int) -> nn.Module:
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, num_heads=3, depth=3,
        in_chans=channels, num_classes=4,
    )  # fmt: skip


def pictures(count: int) -> TensorDataset:
    """Pictures, (count, 3, 32, 32): the direction of their stripes is the class."""
    labels = torch.randint(4, (count,))
    angles = (labels * torch.pi / 4)[:, None, None]
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    waves = torch.sin(x * angles.cos() + y * angles.sin() + 6 * torch.rand(count, 1, 1))
    return TensorDataset(waves[:, None] * torch.rand(count, 3, 1, 1) + 0.5 * torch.randn(count, 3, 32, 32), labels)


class Pictures(lightning.LightningModule):
    """A LightningModule as ever; only the optimizer's groups come from crosspath."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, labels = batch
        loss = cross_entropy(self.model(images), labels)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(crosspath.param_groups(self, lr=2e-3, weight_decay=0.05, scale_lr=1e-2))


torch.manual_seed(0)
data = pictures(64)
target, auxiliary = vit(channels=3), vit(channels=1)  # the auxiliary stands in for a trained audio model
crosspath.connect(target, {"audio": auxiliary}, scale_init=0.1)

with tempfile.TemporaryDirectory() as folder:
    callback = PathwayCallback(merge_at_end=True)
    trainer = lightning.Trainer(
        max_epochs=5,
        accelerator="cpu",
        callbacks=[callback, ModelCheckpoint(folder, filename="{epoch}")],
        logger=False,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Pictures(target), DataLoader(data, batch_size=16, shuffle=True))
    for name, value in trainer.callback_metrics.items():
        print(f"{name:50} {value.item():+.4f}")

    beside = Path(folder) / "epoch=4.pathway"
    print("beside the checkpoint lie", sorted(path.name for path in beside.iterdir()))
    connected = vit(channels=3).eval()
    print(crosspath.load_pathway(connected, beside).status())

images, _ = data[:8]
with torch.no_grad():
    assert torch.equal(target.eval()(images), connected(images))
vit(channels=3).load_state_dict(target.state_dict())  # not one key missing or unexpected
print(f"merged {len(callback.receipt.scales)} weights: a plain timm model, outputs equal to the bit")
