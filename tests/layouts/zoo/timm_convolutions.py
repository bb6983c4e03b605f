"""timm's convolution networks with residual stages."""

from timm.models import metaformer
from timm.models.focalnet import FocalNet
from timm.models.metaformer import MetaFormer
from timm.models.regnet import RegNet, RegNetCfg
from timm.models.resnetv2 import ResNetV2
from torch import nn

from tests.layouts.zoo.timm_entry import Settings, timm_entry
from tests.layouts.zoo.timm_roles import MBCONV, SQUEEZE
from tests.layouts.zoo.timm_stage_roles import CONVNEXT, FOCALNET, INCEPTION_NEXT, MAMBAOUT, POOLFORMER, REPVIT, STARNET

DEPTHS = (2, 2, 2, 2)
WIDTHS = (16, 16, 32, 32)

_CONVNEXT: Settings = {"depths": DEPTHS, "dims": WIDTHS}
_BASIC: Settings = {"channels": (8, 8, 16, 16), "stem_width": 8}
_BOTTLENECK: Settings = {"layers": DEPTHS, "channels": WIDTHS}
_REGNET = {"depth": 6, "w0": 16, "wa": 16.0, "wm": 2.0, "group_size": 8}
_REPVIT: Settings = {"embed_dim": WIDTHS, "depth": DEPTHS}
_POOLFORMER: Settings = {
    **_CONVNEXT,
    "downsample_norm": None,
    "mlp_act": nn.GELU,
    "mlp_bias": True,
    "norm_layers": metaformer.GroupNorm1,
    "layer_scale_init_values": 1e-5,
    "res_scale_init_values": None,
    "use_mlp_head": False,
}

CONFIGURATIONS = (
    *(
        timm_entry(name, _CONVNEXT, norm="pre", roles=CONVNEXT)
        for name in ("convnext_tiny", "convnext_atto", "convnextv2_tiny", "convnextv2_atto")
    ),
    timm_entry("resnet18", _BASIC),
    timm_entry("resnet50", _BOTTLENECK),
    timm_entry("seresnet50", _BOTTLENECK, roles=SQUEEZE, misleading=True),
    timm_entry("resnext50_32x4d", {"layers": DEPTHS, "cardinality": 4}),
    timm_entry("resnetv2_50", {"layers": DEPTHS, "channels": WIDTHS, "stem_chs": 16}),
    timm_entry(
        "resnetv2_50x1_bit",
        {"layers": DEPTHS, "channels": (128, 128, 128, 128), "stem_type": "fixed", "stem_chs": 32},
        make=ResNetV2,
        norm="pre",
    ),
    timm_entry("regnetx_002", {"cfg": RegNetCfg(**_REGNET)}, make=RegNet),
    timm_entry(
        "regnety_002", {"cfg": RegNetCfg(**_REGNET, se_ratio=0.25)}, make=RegNet, roles=SQUEEZE, misleading=True
    ),
    timm_entry("poolformer_s12", _POOLFORMER, make=MetaFormer, norm="pre", roles=POOLFORMER),
    timm_entry(
        "poolformerv2_s12",
        {**_CONVNEXT, "norm_layers": metaformer.GroupNorm1NoBias, "use_mlp_head": False},
        make=MetaFormer,
        norm="pre",
        roles=POOLFORMER,
    ),
    timm_entry("repvit_m0_9", _REPVIT, roles=REPVIT, misleading=True),
    timm_entry("repvit_m1", _REPVIT, roles=REPVIT, misleading=True),
    timm_entry("inception_next_tiny", _CONVNEXT, norm="pre", roles=INCEPTION_NEXT),
    timm_entry("inception_next_atto", _CONVNEXT, norm="pre", roles=INCEPTION_NEXT),
    timm_entry("focalnet_tiny_srf", {"embed_dim": 16, "depths": (2, 2)}, make=FocalNet, norm="pre", roles=FOCALNET),
    timm_entry(
        "focalnet_huge_fl3",
        {"embed_dim": 16, "depths": (2, 2), "use_post_norm": True, "use_overlap_down": True, "layerscale_value": 1e-4},
        make=FocalNet,
        norm="res-post",
        roles=FOCALNET,
    ),
    timm_entry("mobilenetv4_conv_small_050", {}, roles=MBCONV),
    timm_entry("mambaout_femto", _CONVNEXT, norm="pre", roles=MAMBAOUT, misleading=True),
    timm_entry("starnet_s1", {"base_dim": 8, "depths": DEPTHS}, roles=STARNET, misleading=True),
    timm_entry("ghostnet_050", {}),
    timm_entry("ghostnetv2_100", {}),
)
"""Each configuration is one line of the table in docs/layouts.md."""
