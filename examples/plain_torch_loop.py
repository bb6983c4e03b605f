"""A pathway in a plain PyTorch loop: connect, train, save small, load again, merge.

The auxiliary has learned to tell sounds apart, the target learns to tell words apart. They share nothing but the shape
of their encoders, and no sound ever belongs to a word.

    python examples/plain_torch_loop.py
"""

import tempfile

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import crosspath

WIDTH, LENGTH, CLASSES = 32, 16, 4


class Classifier(nn.Module):
    """Anything that makes tokens, torch's own encoder, the mean of its tokens, a linear head."""

    def __init__(self, tokens: nn.Module) -> None:
        super().__init__()
        self.tokens = tokens
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.encoder(self.tokens(inputs)).mean(1))


def sounds(count: int) -> tuple[Tensor, Tensor]:
    """Waveforms in 16 frames of 32 samples, (count, 16, 32): noisy tones; the class is the pitch."""
    labels = torch.randint(CLASSES, (count,))
    time = torch.arange(LENGTH * 32) / 32
    waves = torch.sin((labels[:, None] + 2) * time + 6 * torch.rand(count, 1)) + 0.3 * torch.randn(count, len(time))
    return waves.reshape(count, LENGTH, 32), labels


def words(count: int) -> tuple[Tensor, Tensor]:
    """Words of 16 letters, (count, 16): the class is the letter that occurs most."""
    labels = torch.randint(CLASSES, (count,))
    letters = torch.randint(20, (count, LENGTH))
    return torch.where(torch.rand(count, LENGTH) < 0.2, labels[:, None], letters), labels


def train(model: nn.Module, data: tuple[Tensor, Tensor], steps: int) -> None:
    inputs, labels = data
    optimizer = torch.optim.AdamW(crosspath.param_groups(model, lr=3e-3, weight_decay=0.05))
    for step in range(steps):
        optimizer.zero_grad()
        loss = cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            print(f"step {step + 1:3}  loss {loss.item():.3f}")


torch.manual_seed(0)
auxiliary = Classifier(nn.Linear(32, WIDTH))
print("the auxiliary learns sounds")
train(auxiliary, sounds(64), steps=40)

target = Classifier(nn.Embedding(20, WIDTH))
print(crosspath.match(target, auxiliary))
pathway = crosspath.connect(target, {"sounds": auxiliary}, scale_init=0.1)
print("the target learns words, with a pathway from the auxiliary")
train(target, words(64), steps=40)
print(pathway.status())

target.eval()
inputs, _ = words(8)
with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    crosspath.save_pathway(target, folder)  # the plain target, and λ and W' beside it
    again = Classifier(nn.Embedding(20, WIDTH)).eval()
    crosspath.load_pathway(again, folder)
    connected = target(inputs)
    assert torch.equal(again(inputs), connected)

    receipt = crosspath.merge(again)
    assert torch.equal(again(inputs), connected)
    assert again.state_dict().keys() == Classifier(nn.Embedding(20, WIDTH)).state_dict().keys()
print(f"merged {len(receipt.scales)} weights: a plain model, outputs equal to the bit")
