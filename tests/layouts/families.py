"""One tiny model of every family that a layout describes, built without downloads."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer

from crosspath.layouts import ATTENTION_ROLES, ROLES, Role

transformers = pytest.importorskip("transformers", reason="needs transformers")
PLAIN_MLP: tuple[Role, ...] = ("mlp_in", "mlp_out")
PLAIN: tuple[Role, ...] = ATTENTION_ROLES + PLAIN_MLP
"""The roles of a block whose mlp is not gated."""
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
ModelAndInputs = tuple[nn.Module, tuple[Tensor, ...]]


def picture() -> Tensor:
    return torch.randn(2, 3, 32, 32)


def words() -> Tensor:
    return torch.randint(3, 40, (2, 7))


def timm_model(name: str, **settings: object) -> Callable[[], ModelAndInputs]:
    sizes = {"img_size": 32, "patch_size": 8, "depth": DEPTH, "embed_dim": WIDTH, "num_heads": HEADS}

    def build() -> ModelAndInputs:
        return timm.create_model(name, **sizes, **settings), (picture(),)

    return build


def swin(name: str) -> Callable[[], ModelAndInputs]:
    """Two stages: one block of width 32, two of width 64."""
    sizes = {"img_size": 32, "embed_dim": WIDTH, "depths": (1, 2), "num_heads": (HEADS, 2 * HEADS), "window_size": 2}

    def build() -> ModelAndInputs:
        model = timm.create_model(name, **sizes)
        for part, norm in model.named_modules():
            if part.endswith(("norm1", "norm2")):
                nn.init.ones_(norm.weight)  # Swin V2 begins with zeros, through which nothing can be seen
        return model, (picture(),)

    return build


def convnext(name: str) -> Callable[[], ModelAndInputs]:
    """Four stages: one block each of widths 16, 32 and 64, two of width 32 in the third."""
    return lambda: (timm.create_model(name, depths=(1, 1, 2, 1), dims=(16, 32, 32, 64)), (torch.randn(2, 3, 64, 64),))


def torchvision_vit() -> ModelAndInputs:
    model = VisionTransformer(32, 8, DEPTH, HEADS, WIDTH, 4 * WIDTH)
    nn.init.normal_(model.heads.head.weight)  # torchvision begins with zeros, through which nothing can be seen
    return model, (picture(),)


def hugging(model: str, config: str, inputs: Callable[[], Tensor], **settings: object) -> Callable[[], ModelAndInputs]:
    def build() -> ModelAndInputs:
        network = getattr(transformers, model)(getattr(transformers, config)(**settings))
        return network, (inputs(),)

    return build


def whisper() -> ModelAndInputs:
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


def open_clip_tower() -> ModelAndInputs:
    open_clip = pytest.importorskip("open_clip", reason="needs open_clip")
    return open_clip.transformer.Transformer(WIDTH, DEPTH, HEADS), (torch.randn(2, 5, WIDTH),)


def torch_encoder() -> ModelAndInputs:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False), (torch.randn(2, 5, WIDTH),)


def encoder_layer() -> ModelAndInputs:
    model = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, batch_first=True, norm_first=True)
    return model, (torch.randn(2, 5, WIDTH),)


class SelfAttention(nn.MultiheadAttention):
    """Attention of tokens with themselves."""

    def forward(self, tokens_BND: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(tokens_BND, tokens_BND, tokens_BND, need_weights=False)[0]


class PlainGpt2(nn.Module):
    """GPT-2 of linear layers, as nanoGPT has it: transformers', each Conv1D replaced by what computes the same."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = gpt2()[0]
        for module in list(self.transformer.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, transformers.pytorch_utils.Conv1D):
                    linear = nn.Linear(child.nx, child.nf, device=child.weight.device)
                    with torch.no_grad():
                        linear.weight.copy_(child.weight.T)
                        linear.bias.copy_(child.bias)
                    setattr(module, name, linear)
            if hasattr(module, "num_heads"):
                module.n_head = module.num_heads

    def forward(self, words_BN: Tensor) -> Tensor:
        return self.transformer(words_BN)[0]


GPT = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
gpt2 = hugging(
    "GPT2Model",
    "GPT2Config",
    words,
    **GPT,
    n_embd=WIDTH,
    n_layer=DEPTH,
    n_head=HEADS,
    n_positions=16,
    resid_pdrop=0.0,
    embd_pdrop=0.0,
    attn_pdrop=0.0,
)
gpt_neox = hugging(
    "GPTNeoXModel",
    "GPTNeoXConfig",
    words,
    **GPT,
    hidden_size=WIDTH,
    num_hidden_layers=DEPTH,
    num_attention_heads=HEADS,
    intermediate_size=4 * WIDTH,
)
bloom = hugging("BloomModel", "BloomConfig", words, **GPT, hidden_size=WIDTH, n_layer=DEPTH, n_head=HEADS)


@dataclass(frozen=True)
class Shape:
    """What a family has besides two blocks of every role: its roles, the widths and heads of its blocks, where it
    normalises."""

    roles: tuple[Role, ...] = PLAIN
    widths: tuple[int, ...] = (WIDTH, WIDTH)
    heads: tuple[int, ...] = (HEADS, HEADS)
    norm: str = "pre"


FAMILIES: dict[str, Callable[[], ModelAndInputs]] = {
    "timm vit": timm_model("vit_tiny_patch16_224"),
    "timm deit3": timm_model("deit3_small_patch16_224"),
    "timm deit": timm_model("deit_tiny_distilled_patch16_224"),
    "timm beit": timm_model("beit_base_patch16_224"),
    "timm eva": timm_model("eva_giant_patch14_224", mlp_ratio=4),
    "timm eva02 fused": timm_model("eva02_tiny_patch14_224"),
    "timm eva02 split": timm_model("eva02_base_patch14_224"),
    "timm swin": swin("swin_tiny_patch4_window7_224"),
    "timm swin v2": swin("swinv2_tiny_window8_256"),
    "timm convnext": convnext("convnext_tiny"),
    "timm convnext with 1x1 kernels": convnext("convnext_atto"),
    "transformers vit": hugging("ViTModel", "ViTConfig", picture, **SIZES, **PICTURE),
    "transformers deit": hugging("DeiTModel", "DeiTConfig", picture, **SIZES, **PICTURE),
    "transformers vitmae": hugging("ViTMAEModel", "ViTMAEConfig", picture, **SIZES, **PICTURE, mask_ratio=0.0),
    "transformers dinov2": hugging("Dinov2Model", "Dinov2Config", picture, **SIZES, **PICTURE),
    "transformers beit": hugging("BeitModel", "BeitConfig", picture, **SIZES, **PICTURE),
    "transformers swin": hugging(
        "SwinModel",
        "SwinConfig",
        picture,
        image_size=32,
        patch_size=4,
        embed_dim=WIDTH,
        depths=(1, 2),
        num_heads=(HEADS, 2 * HEADS),
        window_size=2,
        drop_path_rate=0.0,
    ),
    "transformers gpt2": gpt2,
    "gpt2 with linear layers": lambda: (PlainGpt2(), (words(),)),
    "transformers gpt-neox": gpt_neox,
    "transformers bloom": bloom,
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
    "torch encoder layer": encoder_layer,
    "torch attention": lambda: (SelfAttention(WIDTH, HEADS, batch_first=True), (torch.randn(2, 5, WIDTH),)),
    "torchvision vit": torchvision_vit,
}
_SWIN = Shape(widths=(WIDTH, 2 * WIDTH, 2 * WIDTH), heads=(HEADS, 2 * HEADS, 2 * HEADS))
_CONVNEXT = Shape(roles=PLAIN_MLP, widths=(16, 32, 32, 32, 64), heads=())
SHAPES: dict[str, Shape] = {
    "timm eva02 split": Shape(roles=ROLES),
    "timm eva02 fused": Shape(roles=ROLES),
    "timm swin": _SWIN,
    "timm swin v2": replace(_SWIN, norm="post"),
    "transformers swin": _SWIN,
    "timm convnext": _CONVNEXT,
    "timm convnext with 1x1 kernels": _CONVNEXT,
    "torch encoder layer": Shape(widths=(WIDTH,), heads=(HEADS,)),
    "torch attention": Shape(roles=ATTENTION_ROLES, widths=(WIDTH,), heads=(HEADS,)),
    "transformers bert": Shape(norm="post"),
    "transformers roberta": Shape(norm="post"),
    "transformers wav2vec2": Shape(norm="post"),
    "transformers hubert": Shape(norm="post"),
}
"""Of those that are otherwise than most."""


def shape_of(family: str) -> Shape:
    """What the family has."""
    return SHAPES.get(family, Shape())
