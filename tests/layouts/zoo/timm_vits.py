"""timm's models of one width: ViT and its variants, class attention, mixers."""

from typing import Any

from timm.layers import GatedMlp, GluMlp
from timm.models.mlp_mixer import Affine, MlpMixer, ResBlock, SpatialGatingBlock
from timm.models.vision_transformer import ResPostBlock
from timm.models.vitamin import VitCfg, VitConvCfg
from torch import nn

from tests.layouts.zoo.timm_entry import VIT, Settings, timm_entry
from tests.layouts.zoo.timm_roles import (
    CAIT,
    CONVIT,
    CROSSVIT,
    EVA02,
    EVA02_FUSED_SWIGLU,
    GMIXER,
    GMLP,
    MIXER,
    PARALLEL_SCALING,
    PARALLEL_SCALING_FUSED,
    PARALLEL_THINGS,
    RESMLP,
    SWIGLU_PACKED,
    TNT,
    VIT_BLOCK,
    VIT_RELATIVE,
    VITAMIN,
    XCIT,
)

_PLAIN = (
    "vit_tiny_patch16_224",
    "vit_base_patch16_siglip_224",
    "vit_base_patch16_clip_224",
    "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",
    "vit_small_patch16_dinov3",
    "vit_betwixt_patch16_rope_reg4_gap_256",
    "vit_medium_patch16_rope_reg1_gap_256",
    "flexivit_small",
    "vit_wee_patch16_reg1_gap_256",
    "vit_little_patch16_reg4_gap_256",
    "vit_pe_core_tiny_patch16_384",
    "vit_intern300m_patch14_448",
    "deit_tiny_patch16_224",
    "deit_tiny_distilled_patch16_224",
    "deit3_small_patch16_224",
    "beit_base_patch16_224",
    "beitv2_base_patch16_224",
    "beit3_base_patch16_224",
    "eva_giant_patch14_224",
)
_SAM: Settings = {
    **VIT,
    "img_size": 64,
    "patch_size": 16,
    "window_size": 2,
    "neck_chans": 16,
    "global_attn_indexes": (1,),
}
_HYBRID: Settings = {"img_size": 32, "depth": 2, "embed_dim": 32, "num_heads": 4}
_NAFLEX: Settings = {"depth": 2, "embed_dim": 32, "num_heads": 4}
_TINY_TNT: Settings = {
    "img_size": 32,
    "embed_dim": 32,
    "inner_dim": 16,
    "depth": 2,
    "num_heads_inner": 2,
    "num_heads_outer": 4,
}
_CROSSVIT: Settings = {"img_size": 48, "embed_dim": [16, 32], "depth": [[1, 2, 0], [1, 2, 0]], "num_heads": [2, 4]}
_MIXER: dict[str, Any] = {"img_size": 32, "patch_size": 8, "num_blocks": 2, "embed_dim": 32}
_CONVIT: Settings = {
    "img_size": 32,
    "patch_size": 8,
    "depth": 4,
    "embed_dim": 16,
    "num_heads": 4,
    "local_up_to_layer": 2,
}
_VITAMIN: Settings = {
    "img_size": 64,
    "depth": 2,
    "embed_dim": 32,
    "num_heads": 4,
    "embed_cfg": VitCfg(
        embed_dim=(16, 16, 32),
        depths=(1, 1, 1),
        stem_width=16,
        conv_cfg=VitConvCfg(norm_layer="layernorm2d", norm_eps=1e-6),
        head_type="1d",
    ),
}

CONFIGURATIONS = (
    *(timm_entry(name, VIT, norm="pre", roles=VIT_BLOCK) for name in _PLAIN),
    # The head that pools attends too, but stands outside the blocks.
    timm_entry("vit_so150m_patch16_reg4_map_256", VIT, norm="pre", roles=VIT_BLOCK),
    timm_entry("vit_tiny_r_s16_p8_224", _HYBRID, norm="pre", roles=VIT_BLOCK),
    timm_entry("vit_giant_patch14_dinov2", VIT, norm="pre", roles=SWIGLU_PACKED, misleading=True),
    timm_entry("vit_base_patch16_rpn_224", VIT, norm="res-post", roles=VIT_BLOCK),
    timm_entry("vit_srelpos_small_patch16_224", VIT, norm="pre", roles=VIT_RELATIVE, misleading=True),
    timm_entry("vit_relpos_small_patch16_224", VIT, norm="pre", roles=VIT_RELATIVE, misleading=True),
    timm_entry("vit_relpos_base_patch16_rpn_224", VIT, norm="res-post", roles=VIT_RELATIVE, misleading=True),
    timm_entry(
        "vit_small_patch16_224",
        {**VIT, "block_fn": ResPostBlock},
        variant="ResPostBlock",
        norm="res-post",
        roles=VIT_BLOCK,
    ),
    timm_entry("vit_small_patch16_18x2_224", VIT, norm="pre", roles=PARALLEL_THINGS),
    timm_entry("vit_base_patch16_xp_224", VIT, norm="pre", roles=PARALLEL_SCALING, misleading=True),
    timm_entry("vit_pwee_patch16_reg1_gap_256", VIT, norm="pre", roles=PARALLEL_SCALING, misleading=True),
    timm_entry("vit_dpwee_patch16_reg1_gap_256", VIT, norm="pre", roles=PARALLEL_SCALING_FUSED, misleading=True),
    timm_entry("vit_dwee_patch16_reg1_gap_256", VIT, norm="pre", roles=VIT_BLOCK),
    timm_entry("vit_small_plus_patch16_dinov3", VIT, norm="pre", roles=EVA02_FUSED_SWIGLU),
    timm_entry("vit_7b_patch16_dinov3", VIT, norm="pre", roles=EVA02_FUSED_SWIGLU),
    timm_entry("eva02_tiny_patch14_224", VIT, norm="pre", roles=SWIGLU_PACKED, misleading=True),
    timm_entry("eva02_base_patch14_224", VIT, norm="pre", roles=EVA02),
    timm_entry("eva02_base_patch16_clip_224", VIT, norm="pre", roles=EVA02),
    timm_entry("eva02_enormous_patch14_clip_224", VIT, norm="res-post", roles=VIT_BLOCK),
    timm_entry("naflexvit_base_patch16_gap", _NAFLEX, norm="pre", roles=VIT_BLOCK),
    timm_entry("samvit_base_patch16", _SAM, norm="pre", roles=VIT_BLOCK),
    *(timm_entry(f"test_vit{number}", {}, norm="pre", roles=VIT_BLOCK) for number in ("", "2", "3", "4")),
    timm_entry("cait_xxs24_224", VIT, norm="pre", roles=CAIT, misleading=True),
    timm_entry("xcit_nano_12_p16_224", _HYBRID, norm="pre", roles=XCIT),
    timm_entry("convit_tiny", _CONVIT, norm="pre", roles=CONVIT, misleading=True),
    timm_entry("vitamin_small_224", _VITAMIN, norm="pre", roles=VITAMIN, misleading=True),
    timm_entry("tnt_s_patch16_224", _TINY_TNT, norm="pre", roles=TNT, misleading=True),
    timm_entry("tnt_s_legacy_patch16_224", _TINY_TNT, norm="pre", roles=TNT, misleading=True),
    timm_entry("crossvit_tiny_240", _CROSSVIT, norm="pre", roles=CROSSVIT),
    timm_entry("crossvit_9_dagger_240", {**_CROSSVIT, "mlp_ratio": [3, 3, 1]}, norm="pre", roles=CROSSVIT),
    timm_entry("mixer_s16_224", _MIXER, make=MlpMixer, norm="pre", roles=MIXER, misleading=True),
    timm_entry(
        "gmixer_12_224",
        {**_MIXER, "mlp_ratio": (1.0, 4.0), "mlp_layer": GluMlp, "act_layer": nn.SiLU},
        make=MlpMixer,
        norm="pre",
        roles=GMIXER,
        misleading=True,
    ),
    timm_entry(
        "gmlp_ti16_224",
        {**_MIXER, "mlp_ratio": 6, "block_layer": SpatialGatingBlock, "mlp_layer": GatedMlp},
        make=MlpMixer,
        norm="pre",
        roles=GMLP,
        misleading=True,
    ),
    timm_entry(
        "resmlp_12_224",
        {**_MIXER, "mlp_ratio": 4, "block_layer": ResBlock, "norm_layer": Affine},
        make=MlpMixer,
        roles=RESMLP,  # Affine scales and shifts without normalising: no norm at all
    ),
)
"""Each configuration is one line of the table in docs/layouts.md."""
