"""timm's models whose blocks attend in stages of growing width."""

from timm.models import metaformer
from timm.models.gcvit import GlobalContextVit
from timm.models.metaformer import MetaFormer
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg
from timm.models.nest import Nest
from timm.models.nextvit import NextViT
from timm.models.volo import VOLO

from tests.layouts.zoo.timm_entry import Settings, timm_entry
from tests.layouts.zoo.timm_roles import MLP, MOBILEVIT, MOBILEVIT_V2, SEQUENCER, VIT_BLOCK
from tests.layouts.zoo.timm_stage_roles import (
    CAFORMER,
    COAT,
    COAT_PARALLEL,
    COATNET,
    CSATV2,
    DAVIT,
    DAVIT_CHANNELS,
    EDGENEXT,
    EFFICIENTFORMER,
    EFFICIENTFORMER_V2,
    EFFICIENTVIT_MIT,
    EFFICIENTVIT_MSRA,
    FASTVIT,
    GCVIT,
    HIERA,
    LEVIT,
    MAXVIT,
    MAXVIT_HEAD_FIRST,
    MAXXVIT,
    MAXXVIT_V2,
    MOBILENET_V4,
    MVIT,
    NEXTVIT,
    PVT,
    SHVIT,
    SWIFTFORMER,
    SWIN_V2,
    SWIN_V2_CR,
    TINY_VIT,
    TWINS,
    VISFORMER,
    VOLO_ROLES,
)

DEPTHS = (2, 2, 2, 2)
WIDTHS = (16, 16, 32, 32)
HEADS = (2, 2, 4, 4)

_SWIN: Settings = {"img_size": 64, "embed_dim": 16, "depths": (2, 2), "num_heads": (2, 4), "window_size": (2, 2)}
_HIERA: Settings = {"embed_dim": 16, "stages": (1, 2, 2, 1)}
_EDGENEXT: Settings = {"dims": WIDTHS, "depths": DEPTHS, "heads": (2, 2, 2, 2)}
_MAXVIT: Settings = {
    "img_size": 64,
    "embed_dim": (16, 32),
    "depths": (2, 2),
    "block_type": ("M", "M"),
    "stem_width": 16,
    "transformer_dim_head": 8,
}
_COATNET: Settings = {**_MAXVIT, "block_type": ("C", "T")}
_LEVIT: Settings = {"img_size": 64, "embed_dim": (32, 48, 64), "depth": (2, 2, 2), "num_heads": (2, 3, 4)}
_PYRAMID: Settings = {"embed_dims": WIDTHS, "num_heads": HEADS, "depths": DEPTHS}
_TWINS: Settings = {**_PYRAMID, "img_size": 64}
_COAT: Settings = {"img_size": 64, "serial_depths": DEPTHS, "num_heads": 4}
_LAYERS: Settings = {"layers": DEPTHS, "embed_dims": WIDTHS}
_PIT: Settings = {"img_size": 64, "base_dims": (16, 16, 16), "depth": (2, 2, 2), "heads": (2, 2, 4)}
_MVIT = {"depths": (1, 2), "embed_dim": 16, "num_heads": 2, "stride_q": ((1, 1), (2, 2))}
_VISFORMER: Settings = {"img_size": 64, "embed_dim": 48, "depth": (2, 2, 2), "init_channels": 8, "num_heads": 3}
_CAFORMER: Settings = {
    "depths": DEPTHS,
    "dims": WIDTHS,
    "token_mixers": [metaformer.SepConv, metaformer.SepConv, metaformer.Attention, metaformer.Attention],
    "norm_layers": [metaformer.LayerNorm2dNoBias] * 2 + [metaformer.LayerNormNoBias] * 2,
}
_GCVIT: Settings = {"img_size": 64, "depths": (2, 2), "num_heads": (2, 4), "embed_dim": 16, "window_ratio": (8, 8)}
_NEST: Settings = {"img_size": 32, "num_levels": 2, "embed_dims": (16, 32), "num_heads": (2, 4), "depths": (2, 2)}
_DAVIT: Settings = {"depths": (2, 2), "embed_dims": (16, 32), "num_heads": (2, 4)}
_VOLO: Settings = {"layers": [2, 2, 1, 1], "img_size": 64, "embed_dims": [16, 32, 32, 32], "num_heads": [2, 4, 4, 4]}
_EFFICIENTVIT: Settings = {
    "widths": (8, 8, 16, 16, 32),
    "depths": (1, 1, 1, 2, 2),
    "head_dim": 8,
    "head_widths": (16, 16),
}
_EFFICIENTVIT_M: Settings = {
    "embed_dim": [16, 32, 32],
    "depth": [1, 2, 2],
    "num_heads": [2, 2, 2],
    "key_dim": [4, 4, 4],
}
_SEQUENCER: Settings = {
    "img_size": 64,
    "layers": (1, 1, 2, 1),
    "embed_dims": (16, 16, 16, 16),
    "hidden_sizes": (4, 4, 4, 4),
}

CONFIGURATIONS = (
    timm_entry("swin_tiny_patch4_window7_224", _SWIN, norm="pre", roles=VIT_BLOCK),
    timm_entry("swin_s3_tiny_224", _SWIN, norm="pre", roles=VIT_BLOCK),
    timm_entry("swinv2_tiny_window8_256", _SWIN, norm="res-post", roles=SWIN_V2),
    timm_entry("swinv2_cr_tiny_224", _SWIN, norm="res-post", roles=SWIN_V2_CR, misleading=True),
    timm_entry("swinv2_cr_tiny_ns_224", _SWIN, norm="res-post", roles=SWIN_V2_CR, misleading=True),
    timm_entry("hiera_tiny_224", _HIERA, norm="pre", roles=HIERA, misleading=True),
    timm_entry("hiera_small_abswin_256", _HIERA, norm="pre", roles=HIERA, misleading=True),
    timm_entry("edgenext_xx_small", _EDGENEXT, norm="pre", roles=EDGENEXT),
    timm_entry("edgenext_small_rw", _EDGENEXT, norm="pre", roles=EDGENEXT),
    timm_entry(
        "mvitv2_tiny",
        {"cfg": MultiScaleVitCfg(**_MVIT), "img_size": (64, 64)},
        make=MultiScaleVit,
        norm="pre",
        roles=MVIT,
    ),
    timm_entry(
        "mvitv2_small_cls",
        {"cfg": MultiScaleVitCfg(**_MVIT, use_cls_token=True), "img_size": (64, 64)},
        make=MultiScaleVit,
        norm="pre",
        roles=MVIT,
    ),
    timm_entry("maxvit_tiny_tf_224", _MAXVIT, norm="pre", roles=MAXVIT),
    timm_entry("maxvit_rmlp_pico_rw_256", _MAXVIT, norm="pre", roles=MAXVIT_HEAD_FIRST, misleading=True),
    timm_entry(
        "maxxvit_rmlp_nano_rw_256", {**_MAXVIT, "stem_width": (16, 16)}, norm="pre", roles=MAXXVIT, misleading=True
    ),
    timm_entry(
        "maxxvitv2_nano_rw_256", {**_MAXVIT, "stem_width": (16, 16)}, norm="pre", roles=MAXXVIT_V2, misleading=True
    ),
    timm_entry("coatnet_0_rw_224", {**_COATNET, "stem_width": (16, 16)}, norm="pre", roles=COATNET, misleading=True),
    timm_entry("coatnet_0_224", _COATNET, norm="pre", roles=COATNET, misleading=True),
    timm_entry(
        "coatnet_rmlp_nano_rw_224", {**_COATNET, "stem_width": (16, 16)}, norm="pre", roles=COATNET, misleading=True
    ),
    timm_entry(
        "coatnext_nano_rw_224", {**_COATNET, "stem_width": (16, 16)}, norm="pre", roles=COATNET, misleading=True
    ),
    timm_entry("levit_128s", _LEVIT, roles=LEVIT, misleading=True),
    timm_entry("levit_conv_128s", _LEVIT, roles=LEVIT, misleading=True),
    timm_entry("mobilevit_xxs", {}, norm="pre", roles=MOBILEVIT),
    timm_entry("mobilevitv2_050", {}, norm="pre", roles=MOBILEVIT_V2, misleading=True),
    timm_entry("efficientformer_l1", {"embed_dims": WIDTHS, "depths": DEPTHS, "num_vit": 1}, roles=EFFICIENTFORMER),
    timm_entry(
        "efficientformerv2_s0",
        {"img_size": 64, "embed_dims": WIDTHS, "depths": DEPTHS, "num_vit": 1},
        roles=EFFICIENTFORMER_V2,
    ),
    timm_entry("davit_tiny", _DAVIT, norm="pre", roles=DAVIT, misleading=True),
    timm_entry(
        "davit_tiny",
        {**_DAVIT, "attn_types": ("channel",)},
        variant="channel blocks alone",
        norm="pre",
        roles=DAVIT_CHANNELS,
        misleading=True,
    ),
    timm_entry("twins_pcpvt_small", _TWINS, norm="pre", roles=PVT),
    timm_entry("twins_svt_small", _TWINS, norm="pre", roles=TWINS),
    timm_entry("pvt_v2_b0", _PYRAMID, norm="pre", roles=PVT),
    timm_entry("pvt_v2_b2_li", _PYRAMID, norm="pre", roles=PVT),
    timm_entry(
        "coat_tiny", {**_COAT, "embed_dims": (32, 32, 32, 32), "parallel_depth": 2}, norm="pre", roles=COAT_PARALLEL
    ),
    timm_entry("coat_lite_tiny", {**_COAT, "embed_dims": (32, 32, 64, 64)}, norm="pre", roles=COAT),
    timm_entry("fastvit_t8", _LAYERS, roles=MLP),
    timm_entry("fastvit_sa12", {**_LAYERS, "embed_dims": (16, 16, 32, 32)}, roles=FASTVIT),
    timm_entry("visformer_tiny", _VISFORMER, norm="pre", roles=VISFORMER, misleading=True),
    timm_entry("caformer_s18", _CAFORMER, make=MetaFormer, norm="pre", roles=CAFORMER, misleading=True),
    timm_entry("gcvit_xxtiny", _GCVIT, make=GlobalContextVit, norm="pre", roles=GCVIT, misleading=True),
    timm_entry("nextvit_small", {"in_chans": 3, "depths": (1, 2, 5, 1)}, make=NextViT, norm="pre", roles=NEXTVIT),
    timm_entry("nest_tiny", _NEST, make=Nest, norm="pre", roles=VIT_BLOCK),
    timm_entry("pit_ti_224", _PIT, norm="pre", roles=VIT_BLOCK),
    timm_entry("pit_ti_distilled_224", _PIT, norm="pre", roles=VIT_BLOCK),
    timm_entry("sequencer2d_s", _SEQUENCER, norm="pre", roles=SEQUENCER),
    timm_entry(
        "tiny_vit_5m_224",
        {"embed_dims": (16, 32, 32, 32), "depths": DEPTHS, "num_heads": (1, 2, 2, 4), "window_sizes": (2, 2, 2, 2)},
        norm="pre",
        roles=TINY_VIT,
        misleading=True,
    ),
    timm_entry("efficientvit_b0", _EFFICIENTVIT, roles=EFFICIENTVIT_MIT, misleading=True),
    timm_entry("efficientvit_m0", _EFFICIENTVIT_M, roles=EFFICIENTVIT_MSRA, misleading=True),
    timm_entry("swiftformer_xs", _LAYERS, roles=SWIFTFORMER, misleading=True),
    timm_entry(
        "shvit_s1",
        {"embed_dim": (16, 32, 32), "depth": (2, 2, 2), "partial_dim": (4, 8, 8)},
        roles=SHVIT,
        misleading=True,
    ),
    timm_entry("csatv2", {"dims": (16, 32, 32, 32)}, norm="pre", roles=CSATV2, misleading=True),
    timm_entry("volo_d1_224", _VOLO, make=VOLO, norm="pre", roles=VOLO_ROLES, misleading=True),
    timm_entry("mobilenetv4_hybrid_medium", {}, roles=MOBILENET_V4),
)
"""Each configuration is one line of the table in docs/layouts.md."""
