"""transformers' Trainer: λ in its log, small checkpoints, resuming, merging when training ends.

python examples/transformers_trainer.py
"""

import tempfile
from pathlib import Path

import torch
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    Trainer,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

import crosspath
from crosspath.integrations.transformers import PathwayCallback, optimizer_for

SHARED = {"hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 3, "intermediate_size": 192}


def pictures(count: int) -> list[dict[str, torch.Tensor]]:
    """Rows as the Trainer wants them: pictures, (3, 32, 32), whose class is the direction of their stripes."""
    rows = []
    for label in torch.randint(4, (count,)):
        angle = label * torch.pi / 4
        y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
        stripes = torch.sin(x * angle.cos() + y * angle.sin() + 6 * torch.rand(1))
        rows.append({"pixel_values": stripes * torch.rand(3, 1, 1) + 0.5 * torch.randn(3, 32, 32), "labels": label})
    return rows


def connected_model() -> ViTForImageClassification:
    """The target with its pathway: a resumed run builds it in the same way."""
    torch.manual_seed(0)
    auxiliary = ASTForAudioClassification(ASTConfig(**SHARED, max_length=64, num_mel_bins=32))  # as if trained
    model = ViTForImageClassification(ViTConfig(**SHARED, image_size=32, patch_size=8, num_labels=4))
    crosspath.connect(model, {"audio": auxiliary}, scale_init=0.1)
    return model


def trainer_for(model: ViTForImageClassification, folder: str, merge_at_end: bool) -> Trainer:
    args = TrainingArguments(
        folder, max_steps=20, save_steps=10, logging_steps=10, per_device_train_batch_size=16, learning_rate=2e-3,
        weight_decay=0.05, report_to=[], use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    # The optimizer that the arguments name, with a rate for λ and no decay of it.
    optimizer = optimizer_for(model, args, scale_lr=1e-2)
    trainer = Trainer(model, args, train_dataset=DATA, optimizers=(optimizer, None))
    trainer.add_callback(PathwayCallback(trainer, merge_at_end=merge_at_end))
    return trainer


torch.manual_seed(1)
DATA = pictures(64)
images = torch.stack([row["pixel_values"] for row in DATA[:8]])
with tempfile.TemporaryDirectory() as folder:
    connected = connected_model()
    trainer_for(connected, folder, merge_at_end=False).train()
    print(crosspath.status(connected))

    checkpoint = Path(folder) / "checkpoint-10"
    print("a checkpoint holds", sorted(path.name for path in checkpoint.glob("*model*")))
    ViTForImageClassification.from_pretrained(checkpoint)  # the plain target alone

    print("again from step 10, merged at the end")
    model = connected_model()
    trainer = trainer_for(model, folder, merge_at_end=True)
    trainer.train(resume_from_checkpoint=str(checkpoint))
    with torch.no_grad():
        assert torch.equal(model.eval()(images).logits, connected.eval()(images).logits)

    trainer.save_model(f"{folder}/merged")
    plain, info = ViTForImageClassification.from_pretrained(f"{folder}/merged", output_loading_info=True)
    assert not any(info.values())  # not one key missing or unexpected
    with torch.no_grad():
        assert torch.equal(plain(images).logits, connected(images).logits)
print("resumed, merged and loaded by from_pretrained: outputs equal to those of the connected model, to the bit")
