"""The masked autoencoder of every modality: what the encoder may see, what the decoder answers, published sizes."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.config.data import ImageData
from crosspath.config.model import ImagePatches
from crosspath.config.training import MaskingSection
from crosspath.models import Decoder, Mask, MaskedAutoencoder, build_masked_autoencoder, build_model
from crosspath.tokenizers import PointTokenizer, Tokens, fixed_positions
from crosspath.tokenizers.patches import patches_of
from tests.errors import refused
from tests.models.test_build import recipe_for

SHAPES = {"image": (3, 8, 8), "audio": (16, 8), "point": (64, 3), "video": (3, 4, 8, 8)}
MODALITIES = pytest.mark.parametrize("modality", list(SHAPES))
KINDS = pytest.mark.parametrize(
    ("modality", "kind"),
    [
        ("image", "random"),
        ("audio", "random"),
        ("audio", "time_frequency"),
        ("point", "random"),
        ("point", "block"),
        ("video", "random"),
        ("video", "tube"),
    ],
)


def masked_recipe(modality: str, model: dict[str, object] | None = None, **masking: object) -> Recipe:
    """Four to eight tokens, half of them hidden."""
    recipe = recipe_for(modality, **(model or {}))
    section = {"ratio": 0.5, "time_ratio": 0.5, "mel_ratio": 0.5, "decoder_width": 32, **masking}
    parts = {name: getattr(recipe, name) for name in ("name", "modality", "data", "model", "augment")}
    return Recipe(**parts, objective="masked_modeling", masking=MaskingSection(**section))  # type: ignore[arg-type]


def batch_for(modality: str, count: int = 4) -> Tensor:
    return torch.rand(count, *SHAPES[modality], generator=torch.Generator().manual_seed(1)) * 2 - 1


def built(modality: str, **model: object) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return build_masked_autoencoder(masked_recipe(modality, dict(model))).eval()


def halves(count: int, batch: int = 4) -> Mask:
    """Another half of the tokens for each sample."""
    order = torch.stack([torch.randperm(count, generator=torch.Generator().manual_seed(i)) for i in range(batch)])
    return Mask(order[:, : count // 2].sort(dim=1).values, order[:, count // 2 :].sort(dim=1).values)


def always(mask: Mask) -> Callable[[Tensor | None], Mask]:
    return lambda _: mask


@MODALITIES
def test_keys_are_those_of_tokenizer_encoder_and_decoder(modality: str) -> None:
    state = built(modality).state_dict()
    assert {name.partition(".")[0] for name in state} == {"tokenizer", "encoder", "decoder"}
    assert {"encoder.norm.weight", "decoder.mask_token", "decoder.norm.weight", "decoder.predict.weight"} <= set(state)
    body = set(build_model(recipe_for(modality), 3).state_dict())
    assert {name for name in body if not name.startswith("head.")} <= set(state)


@MODALITIES
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_predictions_and_targets_have_a_row_for_each_hidden_token(modality: str, pooling: str) -> None:
    model = built(modality, pooling=pooling)
    mask = halves(model.tokenizer.num_tokens)
    found = model(batch_for(modality), always(mask))
    values = {"image": 48, "audio": 16, "point": 18, "video": 96}[modality]
    assert found.predicted_BMP.shape == found.target_BMP.shape == (4, mask.masked_BM.shape[1], values)
    assert found.mask is mask


@MODALITIES
def test_targets_are_the_values_of_the_hidden_tokens(modality: str) -> None:
    model, batch = built(modality), batch_for(modality)
    mask = halves(model.tokenizer.num_tokens)
    found = model(batch, always(mask)).target_BMP
    for sample in range(4):
        for place, token in enumerate(mask.masked_BM[sample].tolist()):
            if isinstance(model.tokenizer, PointTokenizer):
                groups, _ = model.tokenizer.group(batch)
                expected = groups[sample, token].flatten()
            else:
                expected = patches_of(model.tokenizer, batch)[sample, token]
            assert torch.equal(found[sample, place], expected)


@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_what_a_hidden_patch_holds_changes_no_prediction(modality: str) -> None:
    model, batch = built(modality), batch_for(modality).requires_grad_()
    mask = halves(model.tokenizer.num_tokens)
    (gradient,) = torch.autograd.grad(model(batch, always(mask)).predicted_BMP.square().sum(), batch)
    touched = patches_of(model.tokenizer, gradient).ne(0).any(dim=2)
    expected = torch.zeros_like(touched).scatter(1, mask.visible_BV, True)
    assert torch.equal(touched, expected)


def test_what_a_hidden_group_holds_changes_no_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built("point").train()
    generator = torch.Generator().manual_seed(2)
    groups = torch.randn(4, 8, 6, 3, generator=generator).requires_grad_()
    centres = torch.randn(4, 8, 3, generator=generator)
    monkeypatch.setattr(model.tokenizer, "group", lambda _: (groups, centres))
    mask = halves(8)
    (gradient,) = torch.autograd.grad(model(batch_for("point"), always(mask)).predicted_BMP.square().sum(), groups)
    touched = gradient.flatten(2).ne(0).any(dim=2)
    assert torch.equal(touched, torch.zeros_like(touched).scatter(1, mask.visible_BV, True))


@MODALITIES
@pytest.mark.parametrize("every_block", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_predictions_are_those_of_one_sample_at_a_time_in_the_published_order(
    modality: str, every_block: bool, pooling: str
) -> None:
    """The published way: mask tokens behind the visible ones, all put back in their places, then positions, then
    blocks, and of the answers those of hidden tokens."""
    model, batch = built(modality, position_every_block=every_block, pooling=pooling), batch_for(modality)
    count = model.tokenizer.num_tokens
    mask, decoder = halves(count), model.decoder
    found = model(batch, always(mask)).predicted_BMP
    tokens, positions, _ = model.tokenizer(batch)
    for sample in range(4):
        visible, hidden = mask.visible_BV[sample], mask.masked_BM[sample]
        own_positions = positions.expand(4, -1, -1)[sample]
        features = model.encoder(Tokens(tokens[sample, visible][None], own_positions[visible][None]))
        features = decoder.embed(features[:, 1:] if pooling == "cls" else features)[0]
        x = torch.zeros(count, 32)
        x[visible] = features
        x[hidden] = decoder.mask_token[0, 0]
        if isinstance(model.tokenizer, PointTokenizer):
            _, centres = model.tokenizer.group(batch)
            places = decoder.centres(centres[sample])
        else:
            places = fixed_positions(model.tokenizer.grid, 32)[0]
        x = x if every_block else x + places
        for block in decoder.blocks:
            x = block((x + places if every_block else x)[None])[0]
        expected = decoder.predict(decoder.norm(x))[hidden]
        torch.testing.assert_close(found[sample], expected, rtol=1e-4, atol=1e-5)


@MODALITIES
def test_groups_are_made_once(modality: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = built(modality), []
    if isinstance(model.tokenizer, PointTokenizer):
        group = model.tokenizer.group
        calls = []
        monkeypatch.setattr(model.tokenizer, "group", lambda batch: calls.append(0) or group(batch))

    def choose(centres: Tensor | None) -> Mask:
        seen.append(None if centres is None else tuple(centres.shape))
        return halves(model.tokenizer.num_tokens)

    model(batch_for(modality), choose)
    assert seen == [(4, 8, 3) if modality == "point" else None]
    if modality == "point":
        assert calls == [0]


@MODALITIES
def test_every_parameter_receives_a_gradient(modality: str) -> None:
    options: dict[str, object] = {"pooling": "cls", "position_every_block": True}
    if modality != "point":
        options["positions"] = "learned"
    model = built(modality, **options).train()
    model(batch_for(modality), always(halves(model.tokenizer.num_tokens))).predicted_BMP.square().sum().backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []


@MODALITIES
def test_a_forward_on_the_meta_device_gives_shapes(modality: str) -> None:
    with torch.device("meta"):
        model = build_masked_autoencoder(masked_recipe(modality))
    assert all(parameter.is_meta for parameter in model.parameters())
    mask = Mask(*(part.to("meta") for part in halves(model.tokenizer.num_tokens)))
    found = model(batch_for(modality).to("meta"), always(mask))
    assert found.predicted_BMP.is_meta
    assert found.predicted_BMP.shape == found.target_BMP.shape


def test_base_has_the_parameters_of_the_published_autoencoder() -> None:
    recipe = masked_recipe(
        "image",
        {"size": "base", "pooling": "cls", "tokenizer": ImagePatches(patch=(16, 16))},
        ratio=0.75,
        decoder_width=512,
        decoder_depth=8,
        decoder_heads=16,
    ).model_copy(update={"data": ImageData(image_size=224)})
    with torch.device("meta"):
        model = build_masked_autoencoder(recipe)
    # mae_vit_base_patch16 counts its two fixed position tables, 197 rows each.
    assert sum(p.numel() for p in model.parameters()) == 111_907_840 - 197 * 768 - 197 * 512


def test_the_mask_token_and_linear_layers_start_as_published() -> None:
    torch.manual_seed(0)
    decoder = Decoder(256, 512, 2, 8, 100, (4, 4))
    assert abs(decoder.mask_token.std().item() - 0.02) < 0.003
    for layer in (decoder.embed, decoder.predict, decoder.blocks[0].mlp.fc1):
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert 0.98 * bound < layer.weight.abs().max().item() <= bound
        assert not layer.bias.any()


def test_position_tables_stand_outside_the_state_dict() -> None:
    decoder = Decoder(16, 32, 1, 2, 5, (3, 4))
    assert not any("positions" in name for name in decoder.state_dict())
    assert not any(isinstance(module, nn.BatchNorm1d) for module in decoder.modules())
    assert torch.equal(decoder.positions_1NE, fixed_positions((3, 4), 32))


def test_a_decoder_that_cannot_be_built_is_named_by_its_recipe_name() -> None:
    with refused("masking.decoder_heads", "32", "5"):
        build_masked_autoencoder(masked_recipe("image", decoder_heads=5))
    with refused("masking.decoder_width", "4", "30"):
        build_masked_autoencoder(masked_recipe("audio", decoder_width=30, decoder_heads=5))
    build_masked_autoencoder(masked_recipe("video", decoder_width=30, decoder_heads=5))
