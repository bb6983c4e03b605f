"""Every family of models that a layout describes, built tiny and without downloads: found by itself, each role of every
block, λ = 0 changes nothing, every paired role matters, merged bitwise, and the plain keys come back.
"""

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn

import crosspath
from crosspath.layouts import ROLES
from crosspath.pathway.locate import locate
from crosspath.pathway.sources import ModuleSource, StateSource

transformers = pytest.importorskip("transformers", reason="needs transformers")
WIDTH, DEPTH, HEADS = 32, 2, 4
SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": 4 * WIDTH,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
PICTURE = {"image_size": 32, "patch_size": 8}
SPEECH = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": 4 * WIDTH,
    "conv_dim": (16,),
    "conv_stride": (5,),
    "conv_kernel": (10,),
    "num_feat_extract_layers": 1,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
Built = tuple[nn.Module, tuple[Tensor, ...]]


def picture() -> Tensor:
    return torch.randn(2, 3, 32, 32)


def words() -> Tensor:
    return torch.randint(3, 40, (2, 7))


def timm_model(name: str) -> Callable[[], Built]:
    def build() -> Built:
        made = timm.create_model(name, img_size=32, patch_size=8, depth=DEPTH, embed_dim=WIDTH, num_heads=HEADS)
        return made, (picture(),)

    return build


def hugging(model: str, config: str, inputs: Callable[[], Tensor], **settings: object) -> Callable[[], Built]:
    def build() -> Built:
        made = getattr(transformers, model)(getattr(transformers, config)(**settings))
        return made, (inputs(),)

    return build


def whisper() -> Built:
    settings = transformers.WhisperConfig(
        d_model=WIDTH,
        encoder_layers=DEPTH,
        decoder_layers=1,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        vocab_size=60,
        max_source_positions=16,
        num_mel_bins=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    return transformers.WhisperModel(settings).encoder, (torch.randn(2, 16, 32),)


def open_clip_tower() -> Built:
    open_clip = pytest.importorskip("open_clip", reason="needs open_clip")
    return open_clip.transformer.Transformer(WIDTH, DEPTH, HEADS), (torch.randn(2, 5, WIDTH),)


def torch_encoder() -> Built:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False), (torch.randn(2, 5, WIDTH),)


FAMILIES: dict[str, Callable[[], Built]] = {
    "timm vit": timm_model("vit_tiny_patch16_224"),
    "timm deit3": timm_model("deit3_small_patch16_224"),
    "timm beit": timm_model("beit_base_patch16_224"),
    "transformers vit": hugging("ViTModel", "ViTConfig", picture, **SIZES, **PICTURE),
    "transformers deit": hugging("DeiTModel", "DeiTConfig", picture, **SIZES, **PICTURE),
    "transformers vitmae": hugging("ViTMAEModel", "ViTMAEConfig", picture, **SIZES, **PICTURE, mask_ratio=0.0),
    "transformers dinov2": hugging("Dinov2Model", "Dinov2Config", picture, **SIZES, **PICTURE),
    "transformers beit": hugging("BeitModel", "BeitConfig", picture, **SIZES, **PICTURE),
    "transformers bert": hugging("BertModel", "BertConfig", words, **SIZES, vocab_size=50),
    "transformers roberta": hugging("RobertaModel", "RobertaConfig", words, **SIZES, vocab_size=50),
    "transformers ast": hugging(
        "ASTModel", "ASTConfig", lambda: torch.randn(2, 64, 32), **SIZES, max_length=64, num_mel_bins=32
    ),
    "transformers videomae": hugging(
        "VideoMAEModel", "VideoMAEConfig", lambda: torch.randn(2, 4, 3, 32, 32), **SIZES, **PICTURE, num_frames=4
    ),
    "transformers wav2vec2": hugging("Wav2Vec2Model", "Wav2Vec2Config", lambda: torch.randn(2, 400), **SPEECH),
    "transformers hubert": hugging("HubertModel", "HubertConfig", lambda: torch.randn(2, 400), **SPEECH),
    "transformers whisper encoder": whisper,
    "transformers clip vision": hugging("CLIPVisionModel", "CLIPVisionConfig", picture, **SIZES, **PICTURE),
    "transformers clip text": hugging(
        "CLIPTextModel",
        "CLIPTextConfig",
        words,
        **SIZES,
        vocab_size=50,
        max_position_embeddings=16,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "open_clip tower": open_clip_tower,
    "torch encoder": torch_encoder,
}


@pytest.fixture(scope="module", params=FAMILIES)
def built(request: pytest.FixtureRequest) -> tuple[str, nn.Module, tuple[Tensor, ...]]:
    torch.manual_seed(0)
    model, inputs = FAMILIES[request.param]()
    return request.param, model.eval(), inputs


def output(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    torch.manual_seed(7)
    with torch.no_grad():
        found = model(*inputs)
    return found if isinstance(found, Tensor) else found[0]


def donor(seed: int = 1) -> nn.Module:
    """An auxiliary of the same width, depth and heads: a timm ViT."""
    torch.manual_seed(seed)
    return timm_model("vit_tiny_patch16_224")()[0]


def test_every_role_of_every_block_is_found(built: tuple[str, nn.Module, tuple[Tensor, ...]]) -> None:
    _, model, _ = built
    anatomy = locate(ModuleSource(model))
    assert anatomy is not None
    assert anatomy.blocks == (0, 1)
    assert set(anatomy.slots) == {(block, role) for block in (0, 1) for role in ROLES}
    assert set(anatomy.heads.values()) == {HEADS}
    # Nothing with two axes stands in a block that no role names.
    path = anatomy.paths[0]
    inside = {name for name, value in model.named_parameters() if name.startswith(path) and value.ndim > 1}
    known = {slot.weight for slot in anatomy.slots.values()}
    assert {name for name in inside - known if "relative_position" not in name and "lambda" not in name} == set()
    # The names alone, as a file gives them, are enough.
    by_name = locate(StateSource(model.state_dict()))
    assert by_name is not None
    assert by_name.slots == anatomy.slots


def test_identity_effect_of_every_role_merge_and_keys(built: tuple[str, nn.Module, tuple[Tensor, ...]]) -> None:
    _, model, inputs = built
    plain = output(model, inputs)
    keys = {name: (value.shape, value.dtype) for name, value in model.state_dict().items()}
    classes = [type(module) for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    accept = {"norm"}
    report = crosspath.match(model, donor(), accept=accept)
    assert not report.mismatches
    assert len(report.pairs) == DEPTH * len(ROLES)
    for role in ROLES:
        pathway = crosspath.connect(model, donor(), roles={role}, accept=accept)
        assert torch.equal(output(model, inputs), plain)
        with torch.no_grad():
            for scale in pathway.scales().values():
                scale.fill_(0.5)
        assert not torch.equal(output(model, inputs), plain), role
        crosspath.disconnect(model)
        assert torch.equal(output(model, inputs), plain)
    crosspath.connect(model, donor(), scale_init=0.3, accept=accept)
    connected = output(model, inputs)
    crosspath.merge(model)
    assert torch.equal(output(model, inputs), connected)
    assert {name: (value.shape, value.dtype) for name, value in model.state_dict().items()} == keys
    assert [type(module) for module in model.modules()] == classes
    model.load_state_dict(before)


@pytest.mark.parametrize("target", FAMILIES)
def test_any_two_families_of_one_width_pair_completely(target: str) -> None:
    torch.manual_seed(0)
    ours = FAMILIES[target]()[0]
    for name in ("transformers bert", "torch encoder", "timm beit", "transformers whisper encoder"):
        report = crosspath.match(ours, FAMILIES[name]()[0], accept={"norm"})
        assert not report.mismatches, (target, name)
        assert len(report.pairs) == DEPTH * len(ROLES)


def test_two_towers_are_not_guessed_between() -> None:
    vision = transformers.CLIPVisionConfig(**SIZES, **PICTURE)
    text = transformers.CLIPTextConfig(
        **SIZES, vocab_size=50, max_position_embeddings=16, bos_token_id=1, eos_token_id=2
    )
    both = transformers.CLIPModel(transformers.CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict()))
    with pytest.raises(crosspath.PathwayError, match=r"fits at several places .*text_model.*vision_model"):
        crosspath.match(both, donor())


def test_a_gated_mlp_is_named_as_what_does_not_pair() -> None:
    """EVA-02's gated MLP has other shapes: its attention pairs, its MLP is listed with the reason."""
    ours = timm_model("eva02_tiny_patch14_224")()[0]
    report = crosspath.match(ours, donor())
    assert [mismatch.what for mismatch in report.mismatches] == ["shape", "shape"]
    assert {mismatch.where for mismatch in report.mismatches} == {"mlp_in of block 0-1", "mlp_out of block 0-1"}
    assert len(crosspath.match(ours, donor(), roles="attention").pairs) == DEPTH * 4
