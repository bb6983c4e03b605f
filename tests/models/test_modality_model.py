"""The whole model, for all four modalities: equal to timm's, copied, saved, in bf16, trained a few steps."""

import copy

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crosspath.models import SIZES, ClassificationHead, Encoder, ModalityModel, build_model
from crosspath.tokenizers import ImageTokenizer, Tokens
from tests.errors import refused
from tests.models.test_build import recipe_for

SHAPES = {"image": (3, 8, 8), "audio": (16, 8), "point": (64, 3), "video": (3, 4, 8, 8)}
MODALITIES = pytest.mark.parametrize("modality", list(SHAPES))


def model_and_batch(modality: str, count: int = 4, **options: object) -> tuple[ModalityModel, Tensor]:
    torch.manual_seed(0)
    model = build_model(recipe_for(modality, **options), 3)
    return model, torch.rand(count, *SHAPES[modality], generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_whole_timm_vit_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=10).eval()
    nn.init.normal_(vit.head.weight)
    model = ModalityModel(
        ImageTokenizer(224, (16, 16), 192, positions="learned"),
        Encoder(*SIZES["tiny"], cls_token=True),
        ClassificationHead(192, 10, "cls", norm=False),
    ).eval()
    theirs = vit.state_dict()
    model.tokenizer.proj.load_state_dict(
        {"weight": theirs["patch_embed.proj.weight"], "bias": theirs["patch_embed.proj.bias"]}
    )
    model.tokenizer.positions.data.copy_(theirs["pos_embed"][:, 1:])
    body = {name: value for name, value in theirs.items() if name.startswith(("blocks.", "norm."))}
    model.encoder.load_state_dict({**body, "cls_token": theirs["cls_token"] + theirs["pos_embed"][:, :1]})
    model.head.linear.load_state_dict(vit.head.state_dict())
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(model(images), vit(images), rtol=1e-6, atol=1e-6)


@MODALITIES
@pytest.mark.parametrize("pooling", ["mean", "cls", "cls+max"])
def test_shapes_of_features_and_logits(modality: str, pooling: str) -> None:
    model, batch = model_and_batch(modality, pooling=pooling)
    assert model.features(batch).shape == (4, model.tokenizer.num_tokens + (pooling != "mean"), 128)
    assert model(batch).shape == (4, 3)


@MODALITIES
def test_every_parameter_receives_a_gradient(modality: str) -> None:
    options = {"pooling": "cls+max", "position_every_block": True, "head_hidden": (16,)}
    if modality != "point":
        options["positions"] = "learned"
    model, batch = model_and_batch(modality, **options)
    model(batch).square().sum().backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []


@MODALITIES
def test_the_forward_is_the_same_again_and_after_a_round_trip(modality: str, tmp_path: object) -> None:
    model, batch = model_and_batch(modality)
    model.eval()
    expected = model(batch)
    assert torch.equal(model(batch), expected)
    save_file(model.state_dict(), f"{tmp_path}/model.safetensors")
    state = load_file(f"{tmp_path}/model.safetensors")
    torch.manual_seed(99)
    other = build_model(recipe_for(modality), 3).eval()
    assert not torch.equal(other(batch), expected)
    other.load_state_dict(state, strict=True)
    assert torch.equal(other(batch), expected)
    with torch.device("meta"):
        shapes_only = build_model(recipe_for(modality), 3).eval()
    shapes_only.load_state_dict(state, strict=True, assign=True)
    assert torch.equal(shapes_only(batch), expected)


@MODALITIES
def test_a_copy_is_equal_and_apart(modality: str) -> None:
    model, batch = model_and_batch(modality)
    model.eval()
    expected = model(batch)
    other = copy.deepcopy(model)
    assert torch.equal(other(batch), expected)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.1)
    assert torch.equal(model(batch), expected)


@MODALITIES
def test_bf16_autocast_is_finite_and_close(modality: str) -> None:
    model, batch = model_and_batch(modality, count=16, head_init_std=0.2)
    model.eval()
    with torch.no_grad():
        exact = model(batch)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(batch)
    assert rounded.isfinite().all()
    assert 0 < (rounded.float() - exact).norm() < 0.05 * exact.norm()


@MODALITIES
def test_gradient_checkpointing_changes_no_gradient(modality: str) -> None:
    gradients = []
    for saving in (False, True):
        model, batch = model_and_batch(modality, drop_path=0.3, gradient_checkpointing=saving)
        model(batch).square().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@MODALITIES
def test_training_is_deterministic_and_learns_a_batch(modality: str) -> None:
    losses: list[list[float]] = []
    for _ in range(2):
        model, batch = model_and_batch(modality, count=6)
        labels = torch.tensor([0, 1, 2, 0, 1, 2])
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        losses.append([])
        for _ in range(12):
            loss = nn.functional.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.5 * losses[0][0]


@MODALITIES
def test_a_forward_on_the_meta_device_gives_shapes(modality: str) -> None:
    with torch.device("meta"):
        model = build_model(recipe_for(modality), 3)
    logits = model(torch.empty(2, *SHAPES[modality], device="meta"))
    assert logits.is_meta
    assert logits.shape == (2, 3)


@MODALITIES
def test_bfloat16_and_float64_models_run(modality: str) -> None:
    for dtype in (torch.bfloat16, torch.float64):
        model, batch = model_and_batch(modality)
        assert model.to(dtype)(batch.to(dtype)).dtype == dtype


def test_an_input_the_model_was_not_built_for_is_named() -> None:
    model, _ = model_and_batch("image")
    with refused("batch", "(3, 8, 8)", "(3, 9, 9)"):
        model(torch.zeros(1, 3, 9, 9))


def test_a_patch_that_does_not_divide_is_named_by_its_recipe_name() -> None:
    recipe = recipe_for("image")
    odd = recipe.model_copy(update={"data": recipe.data.model_copy(update={"image_size": 30})})
    with refused("model.tokenizer.patch", "4", "30"):
        build_model(odd, 3)


@MODALITIES
@pytest.mark.parametrize("every_block", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_model_that_keeps_every_token_is_the_whole_model(modality: str, every_block: bool, pooling: str) -> None:
    model, batch = model_and_batch(modality, position_every_block=every_block, pooling=pooling)
    model.eval()
    every = torch.arange(model.tokenizer.num_tokens).expand(4, -1)
    assert torch.equal(model(batch, every), model(batch))


@MODALITIES
@pytest.mark.parametrize("every_block", [False, True])
def test_dropped_tokens_are_as_if_they_were_not_there(modality: str, every_block: bool) -> None:
    model, batch = model_and_batch(modality, position_every_block=every_block, pooling="cls+max")
    model.eval()
    kept = torch.tensor([[0, 2], [1, 3], [0, 1], [2, 3]])
    found = model(batch, kept)
    assert model.features(batch, kept).shape == (4, 3, 128)
    tokens, positions, _ = model.tokenizer(batch)
    for sample in range(4):
        own = positions.expand(4, -1, -1)[sample, kept[sample]][None]
        features = model.encoder(Tokens(tokens[sample, kept[sample]][None], own))
        torch.testing.assert_close(found[sample], model.head(features, True)[0], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found, model(batch))
