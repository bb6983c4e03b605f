"""Samples of unequal lengths: padding changes nothing of what a sample gives alone, also in masked modelling."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crosspath.config.training import MaskingSection
from crosspath.models import ClassificationHead, Decoder, Encoder, Mask, MaskedAutoencoder, ModalityModel
from crosspath.models.masked_autoencoder import Reconstruction
from crosspath.objectives.masked_modeling import errors_of
from crosspath.objectives.masking import draw_mask
from crosspath.tokenizers import ChooseMask, MaskableTokenizer, MaskedView, Tokens, select_tokens
from tests.errors import refused
from tests.models.test_masked_autoencoder import masked_recipe

WIDTH, LENGTH = 16, 8
LENGTHS = (8, 5, 1)
NOISE = 1e3
"""In the places of padding: whatever reads it shows."""


class Padded(MaskableTokenizer):
    """Rows of two values; a row of which the first is infinite is padding."""

    fixed_grid = (LENGTH,)
    target_values = 2

    def __init__(self) -> None:
        super().__init__()
        self.width, self.num_tokens = WIDTH, LENGTH
        self.proj = nn.Linear(2, WIDTH)

    def forward(self, batch: Tensor) -> Tokens:
        real = batch[:, :, 0].isfinite()
        contents = self.proj(batch.nan_to_num(posinf=NOISE))
        return Tokens(contents, torch.linspace(-1, 1, batch.shape[1] * WIDTH).view(1, -1, WIDTH), real)

    def mask(self, batch: Tensor, choose_mask: ChooseMask) -> MaskedView:
        tokens = self(batch)
        mask = choose_mask(None, tokens.real_BN)
        return MaskedView(select_tokens(tokens, mask.visible_BV), batch, None, mask, tokens.real_BN)


def batch() -> Tensor:
    rows = torch.randn(len(LENGTHS), LENGTH, 2, generator=torch.Generator().manual_seed(0))
    for row, length in enumerate(LENGTHS):
        rows[row, length:] = torch.inf
    return rows


def classifier(pooling: Any, **options: Any) -> ModalityModel:
    torch.manual_seed(0)
    encoder = Encoder(WIDTH, 2, 4, cls_token=pooling != "mean", **options)
    return ModalityModel(Padded(), encoder, ClassificationHead(WIDTH, 3, pooling, norm=pooling == "mean")).eval()


@pytest.mark.parametrize(
    "options",
    [{}, {"position_every_block": True}, {"registers": 2}, {"post_norm": True, "embedding_norm": True}],
    ids=str,
)
@pytest.mark.parametrize("pooling", ["mean", "cls", "cls+max"])
def test_a_padded_sample_gives_its_own_logits_and_gradients(pooling: str, options: dict[str, Any]) -> None:
    model = classifier(pooling, **options)
    logits = model(batch())
    logits[1].sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    for row, length in enumerate(LENGTHS):
        alone = batch()[row : row + 1, :length]
        tokens = model.tokenizer(alone)
        positions = model.tokenizer(batch()).positions_BND[:, :length]
        features = model.encoder(Tokens(tokens.tokens_BND, positions))
        torch.testing.assert_close(logits[row], model.head(features, model.encoder.has_cls)[0], rtol=0, atol=1e-6)
        if row == 1:
            model.zero_grad()
            model.head(features, model.encoder.has_cls).sum().backward()
    for padded, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(padded, parameter.grad, rtol=1e-4, atol=1e-5)


def test_a_mask_of_real_tokens_alone_changes_nothing() -> None:
    model = classifier("mean")
    tokens = model.tokenizer(batch()[:1])
    assert tokens.real_BN.all()
    with_mask, without = (model.encoder(Tokens(*tokens[:2], real)) for real in (tokens.real_BN, None))
    torch.testing.assert_close(with_mask, without, rtol=0, atol=1e-6)


def test_gradient_checkpointing_sees_the_mask() -> None:
    plain, again = classifier("mean"), classifier("mean", gradient_checkpointing=True)
    assert torch.equal(plain.train()(batch()), again.train()(batch()))


def test_exported_graphs_ignore_padding_at_any_batch_size() -> None:
    model = classifier("cls")
    size = torch.export.Dim("batch", min=1)
    program = torch.export.export(model, (batch(),), dynamic_shapes=({0: size},)).module()
    for rows in ([1], [0, 2], [2, 1, 0, 1]):
        torch.testing.assert_close(program(batch()[rows]), model(batch()[rows]), rtol=0, atol=1e-6)


def real_tokens(lengths: list[int], count: int = LENGTH) -> Tensor:
    return torch.arange(count) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("ratio", [0.15, 0.5, 0.75, 0.99])
def test_masks_divide_the_real_tokens_of_each_sample(ratio: float) -> None:
    count = 64
    lengths = [*range(count, 0, -3), 2, 1]
    real = real_tokens(lengths, count)
    mask = draw_mask(MaskingSection(ratio=ratio), (count,), 3, 1, torch.arange(len(lengths)), None, real)
    assert torch.equal(torch.cat([*mask], 1).sort(1).values, torch.arange(count).expand(len(lengths), -1))
    visible, hidden = (real.gather(1, places).sum(1) for places in mask)
    assert (visible >= 1).all()
    assert (hidden >= (torch.tensor(lengths) > 1)).all()
    share = hidden / torch.tensor(lengths)
    assert ((share - int(ratio * count) / count).abs() <= 1 / torch.tensor(lengths)).all()
    again = draw_mask(MaskingSection(ratio=ratio), (count,), 3, 1, torch.tensor([4]), None, real[4:5])
    assert torch.equal(again.masked_BM[0], mask.masked_BM[4])


def test_masks_of_samples_without_padding_are_those_drawn_without_it() -> None:
    real, section = real_tokens([LENGTH] * 3), MaskingSection(ratio=0.5)
    plain = draw_mask(section, (LENGTH,), 3, 1, torch.arange(3))
    padded = draw_mask(section, (LENGTH,), 3, 1, torch.arange(3), None, real)
    assert torch.equal(plain.masked_BM, padded.masked_BM)


def test_other_kinds_of_masks_are_refused() -> None:
    with refused("masking.kind", "random", "tube"):
        draw_mask(MaskingSection(kind="tube", ratio=0.5), (2, 2, 2), 0, 0, torch.arange(1), None, real_tokens([3]))


def test_masked_modelling_predicts_as_if_there_were_no_padding_and_counts_none() -> None:
    torch.manual_seed(0)
    decoder = Decoder(WIDTH, 16, 1, 4, 2, (LENGTH,))
    model = MaskedAutoencoder(Padded(), Encoder(WIDTH, 2, 4), decoder).eval()
    recipe = masked_recipe("image", normalise_targets=False)
    # Row 1 has five real tokens: 1 and 3 are hidden, and two of the three of padding.
    mask = Mask(torch.tensor([[0, 2, 4, 6]]), torch.tensor([[1, 3, 5, 7]]))
    inputs = batch()[1:2]
    result = model(inputs, lambda centres, real: mask)
    assert result.real_BM.tolist() == [[True, True, False, False]]

    own = Mask(torch.tensor([[0, 2, 4]]), torch.tensor([[1, 3]]))
    alone = model(inputs, lambda centres, real: own)  # what is in neither set does not exist
    torch.testing.assert_close(result.predicted_BMP[:, :2], alone.predicted_BMP, rtol=0, atol=1e-5)
    expected = (alone.predicted_BMP - inputs[:, [1, 3]]).square().mean()
    torch.testing.assert_close(errors_of(result, recipe)[0], expected)

    nothing = Reconstruction(result.predicted_BMP, result.target_BMP, mask, torch.zeros(1, 4, dtype=torch.bool))
    assert errors_of(nothing, recipe).tolist() == [0.0]
