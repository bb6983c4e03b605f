"""Where a block normalises, on blocks of torch, timm and transformers and on some that are written to mislead."""

from collections.abc import Callable

import pytest
import timm
import torch
from timm.models.vision_transformer import Block, ParallelScalingBlock, ResPostBlock
from torch import Tensor, nn

import crosspath
from crosspath.pathway.sources.norms import norm_placement

WIDTH, HEADS = 16, 2
VIT = {"img_size": 16, "patch_size": 8, "depth": 1, "embed_dim": WIDTH, "num_heads": HEADS}
SWIN = {"img_size": 16, "embed_dim": WIDTH, "depths": (2, 1), "num_heads": (HEADS, HEADS), "window_size": 2}
SIZES = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": HEADS, "intermediate_size": 2 * WIDTH}
SEQUENCE = {
    "d_model": WIDTH,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": 2 * WIDTH,
    "decoder_ffn_dim": 2 * WIDTH,
    **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 1),
}
SPEECH = {
    "conv_dim": (8,),
    "conv_stride": (5,),
    "conv_kernel": (10,),
    "num_feat_extract_layers": 1,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
GPT = {"n_embd": WIDTH, "n_layer": 1, "n_head": HEADS}
ROLES = {"encoder": "encoder.layers.0", "decoder": "decoder.layers.0"}

TIMM = {
    "vit": ("vit_tiny_patch16_224", "blocks.0", VIT, "pre"),
    "vit, ResPostBlock": ("vit_tiny_patch16_224", "blocks.0", {**VIT, "block_fn": ResPostBlock}, "res-post"),
    "vit, parallel": ("vit_tiny_patch16_224", "blocks.0", {**VIT, "block_fn": ParallelScalingBlock}, "pre"),
    "vit, query and key norms": ("vit_tiny_patch16_224", "blocks.0", {**VIT, "qk_norm": True}, "pre"),
    "eva02": ("eva02_base_patch14_224", "blocks.0", VIT, "pre"),
    "eva02, use_post_norm": ("eva02_base_patch14_224", "blocks.0", {**VIT, "use_post_norm": True}, "res-post"),
    "beit": ("beit_base_patch16_224", "blocks.0", VIT, "pre"),
    "relative positions": ("vit_relpos_base_patch16_224", "blocks.0", VIT, "pre"),
    "relative positions, rpn": ("vit_relpos_base_patch16_rpn_224", "blocks.0", VIT, "res-post"),
    "swin": ("swin_tiny_patch4_window7_224", "layers.0.blocks.1", SWIN, "pre"),
    "swin v2": ("swinv2_tiny_window8_256", "layers.0.blocks.0", SWIN, "res-post"),
    "swin v2, shifted": ("swinv2_tiny_window8_256", "layers.0.blocks.1", SWIN, "res-post"),
    "swin v2 cr": ("swinv2_cr_tiny_224", "stages.0.blocks.0", {**SWIN, "patch_size": 4}, "res-post"),
    "convnext": ("convnext_atto", "stages.0.blocks.0", {}, "pre"),
    "resnet": ("resnet18", "layer1.0", {}, "res-post"),
    "resnet v2": ("resnetv2_50", "stages.0.blocks.1", {}, "pre"),
}
HUGGING: dict[str, tuple[str, str, dict[str, object], str]] = {
    "BERT": ("Bert", "encoder.layer.0", SIZES, "post"),
    "RoBERTa": ("Roberta", "encoder.layer.0", SIZES, "post"),
    "RoBERTa-PreLayerNorm": ("RobertaPreLayerNorm", "encoder.layer.0", SIZES, "pre"),
    "ESM-2": ("Esm", "encoder.layer.0", {**SIZES, "position_embedding_type": "rotary", "pad_token_id": 1}, "pre"),
    "XLM-R-XL": ("XLMRobertaXL", "encoder.layer.0", SIZES, "pre"),
    **{
        f"{name} {side}": (name, ROLES[side], SEQUENCE, norm)
        for name, norm in (("Bart", "post"), ("Marian", "post"), ("MBart", "pre"), ("Whisper", "pre"))
        for side in ROLES
    },
    **{
        f"OPT, do_layer_norm_before={before}": (
            "OPT",
            "decoder.layers.0",
            {**SIZES, "ffn_dim": 2 * WIDTH, "word_embed_proj_dim": WIDTH, "do_layer_norm_before": before},
            norm,
        )
        for before, norm in ((True, "pre"), (False, "post"))
    },
    **{
        f"{name}, do_stable_layer_norm={stable}": (
            name,
            "encoder.layers.0",
            {**SIZES, **SPEECH, "do_stable_layer_norm": stable},
            norm,
        )
        for name in ("Wav2Vec2", "WavLM")
        for stable, norm in ((True, "pre"), (False, "post"))
    },
    "Swin V2": ("Swinv2", "encoder.layers.0.blocks.1", {**SWIN, "image_size": 16, "patch_size": 4}, "res-post"),
    "OLMo 2": ("Olmo2", "layers.0", {**SIZES, "eos_token_id": 2}, "res-post"),
    "Gemma 2, norms on both sides": ("Gemma2", "layers.0", {**SIZES, "num_key_value_heads": 1, "head_dim": 8}, "pre"),
    "Llama": ("Llama", "layers.0", SIZES, "pre"),
    "ModernBERT, first block without attention norm": (
        "ModernBert",
        "layers.0",
        {**SIZES, **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1)},
        "pre",
    ),
    "GPT-J, parallel": ("GPTJ", "h.0", {**GPT, "rotary_dim": 4, "bos_token_id": 1, "eos_token_id": 2}, "pre"),
    "Falcon, parallel": ("Falcon", "h.0", SIZES, "pre"),
    "Cohere, parallel": ("Cohere", "layers.0", {**SIZES, "eos_token_id": 2}, "pre"),
    "OpenAI GPT": ("OpenAIGPT", "h.0", GPT, "post"),
    "DistilBERT": (
        "DistilBert",
        "transformer.layer.0",
        {"dim": WIDTH, "n_layers": 1, "n_heads": HEADS, "hidden_dim": 2 * WIDTH},
        "post",
    ),
    "MobileBERT, two widths": (
        "MobileBert",
        "encoder.layer.0",
        {**SIZES, "intra_bottleneck_size": 8, "true_hidden_size": 8, "embedding_size": 8},
        "post",
    ),
    "DeBERTa V2, which needs a mask": ("DebertaV2", "encoder.layer.0", SIZES, "post"),
    "NomicBERT, which needs positions": ("NomicBert", "layers.0", SIZES, "post"),
}


def hugging(name: str, path: str, settings: dict[str, object]) -> nn.Module:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    if name != "Swinv2":
        settings = {"vocab_size": 40, **settings}
    model: nn.Module = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))
    return model.get_submodule(path)


@pytest.mark.parametrize("case", TIMM)
def test_blocks_of_timm(case: str) -> None:
    name, path, settings, norm = TIMM[case]
    assert norm_placement(timm.create_model(name, **settings).get_submodule(path)) == norm


@pytest.mark.parametrize("case", HUGGING)
def test_blocks_of_transformers(case: str) -> None:
    name, path, settings, norm = HUGGING[case]
    assert norm_placement(hugging(name, path, settings)) == norm


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", [nn.TransformerEncoderLayer, nn.TransformerDecoderLayer])
def test_layers_of_torch(kind: type[nn.Module], training: bool, norm_first: bool) -> None:
    block = kind(WIDTH, HEADS, 32, norm_first=norm_first, batch_first=True).train(training)
    assert norm_placement(block) == ("pre" if norm_first else "post")


class Branches(nn.Module):
    """A block whose two branches are written as the test asks."""

    def __init__(self, forward: Callable[["Branches", Tensor], Tensor]) -> None:
        super().__init__()
        self.norm1, self.norm2, self.inner = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), nn.LayerNorm(2 * WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.gate = nn.Parameter(torch.zeros(WIDTH))
        self.work = forward

    def branch(self, x: Tensor) -> Tensor:
        """Through a norm in its middle, which is none of the stream's, and without calling the linear layers."""
        hidden = self.inner(nn.functional.linear(x, self.fc1.weight, self.fc1.bias))
        return nn.functional.linear(hidden, self.fc2.weight, self.fc2.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.work(self, x)


@pytest.mark.parametrize(
    ("norm", "forward"),
    [
        ("pre", lambda b, x: x + b.branch(b.norm1(x))),
        ("pre", lambda b, x: x + b.branch(b.norm1(x)) + b.branch(b.norm2(x))),
        ("pre", lambda b, x: (y := x + b.branch(x)) + b.branch(b.norm2(y))),
        ("post", lambda b, x: b.norm2((y := b.norm1(x + b.branch(x))) + b.branch(y))),
        ("res-post", lambda b, x: x + b.norm1(b.branch(x))),
        ("res-post", lambda b, x: x + b.gate * b.norm1(b.branch(x))),
        (None, lambda b, x: x + b.branch(x)),
    ],
)
def test_where_norms_act_decides_not_their_order_or_names(
    norm: str | None, forward: Callable[[Branches, Tensor], Tensor]
) -> None:
    assert norm_placement(Branches(forward)) == norm


def test_what_cannot_be_run_is_not_guessed() -> None:
    def fail(block: Branches, x: Tensor) -> Tensor:
        block.branch(x)
        raise RuntimeError

    assert norm_placement(Branches(fail)) is None
    assert norm_placement(nn.MultiheadAttention(WIDTH, HEADS)) is None


def test_a_block_that_needs_more_than_tokens_is_seen_as_far_as_it_runs() -> None:
    class Needy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block(WIDTH, HEADS)

        def forward(self, x: Tensor, *, table: Tensor) -> Tensor:
            return self.block(x)[table]

    assert norm_placement(Needy()) == "pre"


def test_the_block_is_neither_run_nor_changed() -> None:
    block = timm.create_model("resnet18").get_submodule("layer1.0").train()
    block.register_forward_pre_hook(lambda *_: pytest.fail("the block itself ran"))
    block.bn1.register_forward_hook(lambda *_: pytest.fail("a part of the block ran"))
    before = {name: value.clone() for name, value in block.state_dict().items()}
    state, hooks = torch.get_rng_state(), [len(part._forward_pre_hooks) for part in block.modules()]
    assert norm_placement(block) == "res-post"
    assert torch.equal(torch.get_rng_state(), state)
    assert [len(part._forward_pre_hooks) for part in block.modules()] == hooks
    assert all(part.training for part in block.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in block.parameters())
    for name, value in block.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("norm_first", [True, False])
def test_connected_blocks(norm_first: bool) -> None:
    layers = [nn.TransformerEncoderLayer(WIDTH, HEADS, 32, norm_first=norm_first, batch_first=True) for _ in range(2)]
    crosspath.connect(layers[0], layers[1], scale_init=0.5)
    expected = layers[0](torch.ones(1, 3, WIDTH))
    assert norm_placement(layers[0]) == ("pre" if norm_first else "post")
    assert torch.equal(layers[0].eval()(torch.ones(1, 3, WIDTH)).isfinite(), expected.isfinite())


@pytest.mark.parametrize("wrap", [torch.compile, lambda block: (block.compile(), block)[1]])
def test_compiled_blocks(wrap: Callable[[nn.Module], nn.Module]) -> None:
    assert norm_placement(wrap(ResPostBlock(WIDTH, HEADS))) == "res-post"
    outer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True)
    outer.linear1 = wrap(outer.linear1)  # type: ignore[assignment]
    assert norm_placement(outer) == "post"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types(dtype: torch.dtype) -> None:
    assert norm_placement(ResPostBlock(WIDTH, HEADS).to(dtype)) == "res-post"
    assert norm_placement(nn.TransformerEncoderLayer(WIDTH, HEADS, 32).to(dtype)) == "post"


def test_models_without_values() -> None:
    with torch.device("meta"):
        assert norm_placement(timm.create_model("swinv2_tiny_window8_256", **SWIN).layers[0].blocks[1]) == "res-post"
        assert norm_placement(nn.TransformerEncoderLayer(WIDTH, HEADS, 32)) == "post"


def test_weights_that_earlier_forwards_or_hooks_computed() -> None:
    block = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True)
    block.linear1 = nn.utils.parametrizations.weight_norm(block.linear1)
    block.cache = block.linear1.weight * 2  # torch refuses to copy a tensor with a history
    assert norm_placement(block) == "post"
