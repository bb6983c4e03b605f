"""Vision models of transformers whose blocks stand in stages, and those of several parts."""

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.transformers_build import (
    BERT,
    CLIP,
    DEPTH,
    HEADS,
    HIDDEN,
    MARKS,
    PICTURE,
    SIZES,
    TWO_STACKS,
    VIDEOMAE,
    VIT,
    WIDTH,
    WORDS,
    configuration,
    plain_roles,
)

STAGES = {"hidden_sizes": [16, 32, 32, 64], "depths": [1, 2, 2, 1], "num_attention_heads": [1, 2, 4, 8]}
CONVNEXT = {"depths": [1, 1, 2, 1], "hidden_sizes": [16, 32, 32, 64]}
SWIN = {
    "image_size": 32,
    "patch_size": 4,
    "embed_dim": WIDTH,
    "depths": (1, 2),
    "num_heads": (HEADS, 2 * HEADS),
    "window_size": 2,
}
BACKBONE = {
    "model_type": "dinov2",
    "out_features": ["stage1", "stage2"],
    "reshape_hidden_states": False,
    "apply_layernorm": True,
    **SIZES,
    **PICTURE,
}
MLP = {"mlp.fc1": "mlp_in", "mlp.fc2": "mlp_out"}

STAGED: tuple[Configuration, ...] = (
    configuration("SwinModel", SWIN, VIT),
    configuration("Swinv2Model", SWIN, BERT, norm="res-post"),
    configuration("ConvNextModel", CONVNEXT, {"pwconv1": "mlp_in", "pwconv2": "mlp_out"}),
    configuration("ConvNextV2Model", CONVNEXT, {"pwconv1": "mlp_in", "pwconv2": "mlp_out"}),
    configuration("DINOv3ConvNextModel", CONVNEXT, {"pointwise_conv1": "mlp_in", "pointwise_conv2": "mlp_out"}),
    configuration("SegformerModel", STAGES, VIT),
    configuration(
        "PvtV2Model",
        STAGES | {"image_size": 64},
        plain_roles("attention", "query", "key", "value", "attention.proj", "mlp.dense1", "mlp.dense2"),
    ),
    configuration(
        "HieraModel",
        {
            "embed_dim": 16,
            "image_size": [32, 32],
            "patch_size": [3, 3],
            "patch_stride": [4, 4],
            "patch_padding": [1, 1],
            "depths": [1, 1, 2, 1],
            "num_heads": [1, 2, 4, 8],
            "masked_unit_size": [8, 8],
            "num_query_pool": 3,
        },
        {"attn.qkv": "query+key+value", "attn.proj": "attention_output", "proj": "none"} | MLP,
        misleading=True,  # `proj` of a block is the shortcut where the width changes
    ),
    configuration(
        "MobileViTModel",
        {"image_size": 64, "hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 16, 16, 24, 32, 32]},
        VIDEOMAE,
        norm=None,  # pre in the transformers, behind the convolutions elsewhere
    ),
)

WHOLE: tuple[Configuration, ...] = (
    configuration(
        "CLIPModel",
        {
            "text_config": SIZES | WORDS | MARKS,
            "vision_config": SIZES | PICTURE,
            "projection_dim": 16,
        },
        CLIP,
    ),
    configuration(
        "DetrModel",
        {
            "use_timm_backbone": False,
            "use_pretrained_backbone": False,
            "backbone": None,
            "backbone_config": {
                "model_type": "resnet",
                "embedding_size": 8,
                "hidden_sizes": [8, 16, 16, 32],
                "depths": [1, 1, 1, 1],
                "out_features": ["stage4"],
            },
            **TWO_STACKS,
            "num_queries": 4,
        },
        plain_roles("self_attn", "q_proj", "k_proj", "v_proj", "self_attn.o_proj", "mlp.fc1", "mlp.fc2"),
        norm="post",
    ),
    configuration(
        "Mask2FormerModel",
        {
            "backbone_config": {
                "model_type": "swin",
                "image_size": 32,
                "patch_size": 4,
                "embed_dim": 16,
                "depths": [1, 1, 2, 1],
                "num_heads": [1, 2, 4, 8],
                "window_size": 2,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
            "feature_size": WIDTH,
            "mask_feature_size": WIDTH,
            "hidden_dim": WIDTH,
            "encoder_feedforward_dim": HIDDEN,
            "dim_feedforward": HIDDEN,
            "encoder_layers": DEPTH,
            "decoder_layers": DEPTH + 1,
            "num_attention_heads": HEADS,
            "num_queries": 4,
        },
        norm=None,  # pre in the Swin, post in both decoders
    ),
    configuration(
        "DepthAnythingForDepthEstimation",
        {
            "backbone_config": BACKBONE,
            "patch_size": 8,
            "reassemble_hidden_size": WIDTH,
            "reassemble_factors": [2, 1],
            "neck_hidden_sizes": [8, 16],
            "fusion_hidden_size": 8,
        },
        VIT,
        config="DepthAnythingConfig",
    ),
    configuration(
        "PerceiverModel",
        {
            "num_latents": 8,
            "d_latents": WIDTH,
            "d_model": 24,
            "num_blocks": 1,
            "num_self_attends_per_block": DEPTH,
            "num_self_attention_heads": HEADS,
            "num_cross_attention_heads": 2,
        },
        plain_roles(
            "attention.self",
            "query",
            "key",
            "value",
            "attention.output.dense",
            "mlp.dense1",
            "mlp.dense2",
        ),
    ),
)

CONFIGURATIONS = STAGED + WHOLE
