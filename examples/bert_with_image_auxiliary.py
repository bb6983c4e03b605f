"""BERT with a pathway from a picture model.

BERT normalises after each sub-layer, a ViT before: `match` says so, and `connect` wants it accepted.

    python examples/bert_with_image_auxiliary.py
"""

import tempfile

import timm
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification

import crosspath

CLASSES, SIDE, VOCABULARY, LENGTH = 4, 32, 40, 24


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """Pictures, (count, 3, 32, 32): the direction of their stripes is the class."""
    labels = torch.randint(CLASSES, (count,))
    angles = (labels * torch.pi / CLASSES)[:, None, None]
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    waves = torch.sin(x * angles.cos() + y * angles.sin() + 6 * torch.rand(count, 1, 1))
    return waves[:, None] * torch.rand(count, 3, 1, 1) + 0.3 * torch.randn(count, 3, SIDE, SIDE), labels


def sentences(count: int) -> tuple[Tensor, Tensor]:
    """Sentences of 24 words, (count, 24): a word and its answer three places on; the class is which answer."""
    labels = torch.randint(CLASSES, (count,))
    words = torch.randint(10, VOCABULARY, (count, LENGTH))
    places = torch.randint(LENGTH - 3, (count,))
    words[torch.arange(count), places] = 1
    words[torch.arange(count), places + 3] = 2 + labels
    return words, labels


torch.manual_seed(0)
auxiliary = timm.create_model(
    "vit_tiny_patch16_224", img_size=SIDE, patch_size=8, embed_dim=48, num_heads=3, depth=3, num_classes=CLASSES
)
images, labels = pictures(64)
optimizer = torch.optim.AdamW(auxiliary.parameters(), lr=2e-3)
for _ in range(20):
    optimizer.zero_grad()
    loss = cross_entropy(auxiliary(images), labels)
    loss.backward()
    optimizer.step()
print(f"the auxiliary has learned pictures: loss {loss.item():.3f}")

config = BertConfig(
    hidden_size=48, num_attention_heads=3, num_hidden_layers=3, intermediate_size=192, num_labels=CLASSES,
    vocab_size=VOCABULARY, max_position_embeddings=LENGTH,
)  # fmt: skip
target = BertForSequenceClassification(config)
try:
    crosspath.connect(target, auxiliary)
except crosspath.PathwayError as error:
    print(error)
pathway = crosspath.connect(target, {"image": auxiliary}, accept={"norm"}, scale_init=0.05)

words, labels = sentences(64)
optimizer = torch.optim.AdamW(crosspath.param_groups(target, lr=1e-3, weight_decay=0.05, scale_lr=1e-2))
for step in range(1, 41):
    optimizer.zero_grad()
    loss = target(words, labels=labels).loss
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        sizes = torch.stack([scale.abs().mean() for scale in pathway.scales().values()])
        print(f"step {step:3}  loss {loss.item():.3f}  mean |λ| {sizes.mean().item():.4f}")
print(pathway.status())

target.eval()
with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    connected = target(words).logits
    receipt = crosspath.merge(target)
    assert torch.equal(target(words).logits, connected)
    target.save_pretrained(folder)
    plain, info = BertForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())  # not one key missing or unexpected
    assert torch.equal(plain(words).logits, connected)
print(f"merged {len(receipt.scales)} weights: from_pretrained loads them, outputs equal to the bit")
