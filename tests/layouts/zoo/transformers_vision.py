"""Vision models of transformers; roles and norms as in the `forward` of each family's modeling file."""

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.transformers_build import (
    CLIP,
    DEPTH,
    HEADS,
    HIDDEN,
    MARKS,
    PICTURE,
    SIZES,
    VIDEOMAE,
    VIT,
    WIDTH,
    WORDS,
    configuration,
    gated_roles,
    plain_roles,
)

SAM = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "mlp_dim": HIDDEN,
    "output_channels": WIDTH,
    "global_attn_indexes": [1],
    "window_size": 2,
    "initializer_range": 0.02,  # 1e-10 unless said, through which nothing can be seen
    **PICTURE,
}
QKV = {"attention.qkv": "query+key+value", "attention.proj": "attention_output"}
MLP = {"mlp.fc1": "mlp_in", "mlp.fc2": "mlp_out"}
SAM_ROLES = {
    "attn.qkv": "query+key+value",
    "attn.proj": "attention_output",
    "mlp.lin1": "mlp_in",
    "mlp.lin2": "mlp_out",
}

PLAIN: tuple[Configuration, ...] = (
    configuration("ViTModel", SIZES | PICTURE, VIT),
    configuration("ViTMAEModel", SIZES | PICTURE | {"mask_ratio": 0.0}, VIT),
    configuration("ViTMAEForPreTraining", SIZES | PICTURE, config="ViTMAEConfig"),
    configuration("ViTMSNModel", SIZES | PICTURE),
    configuration("DeiTModel", SIZES | PICTURE, VIT),
    configuration("BeitModel", SIZES | PICTURE, VIT),
    configuration("Data2VecVisionModel", SIZES | PICTURE, VIDEOMAE),
    configuration("Dinov2Model", SIZES | PICTURE, VIT),
    configuration("Dinov2WithRegistersModel", SIZES | PICTURE),
    configuration(
        "Dinov2Model",
        SIZES | PICTURE | {"use_swiglu_ffn": True, "mlp_ratio": 6},
        gated_roles("attention", "mlp"),
        variant="SwiGLU",
    ),
    configuration("IJepaModel", SIZES | PICTURE, VIT),
    configuration("SiglipVisionModel", SIZES | PICTURE, CLIP),
    configuration("Siglip2VisionModel", SIZES | {"patch_size": 8, "num_patches": 16}, CLIP),
    configuration("CLIPVisionModel", SIZES | PICTURE, CLIP),
    configuration("OwlViTVisionModel", SIZES | PICTURE, CLIP),
    configuration("ChineseCLIPVisionModel", SIZES | PICTURE),
    configuration("DPTModel", SIZES | PICTURE | {"backbone_out_indices": [0, 0, 1, 1]}, VIDEOMAE),
    configuration("YolosModel", SIZES | {"image_size": (32, 32), "patch_size": 8, "num_detection_tokens": 4}, VIDEOMAE),
    configuration("VideoMAEModel", SIZES | PICTURE | {"num_frames": 4}, VIDEOMAE),
    configuration("VivitModel", SIZES | {"image_size": 32, "num_frames": 4, "tubelet_size": [2, 8, 8]}, VIT),
    configuration(
        "VJEPA2Model",
        {
            "patch_size": 8,
            "crop_size": 32,
            "frames_per_clip": 4,
            "hidden_size": 2 * WIDTH,  # its rotary positions need 16 features a head
            "num_hidden_layers": DEPTH,
            "num_attention_heads": HEADS,
            "pred_hidden_size": 2 * WIDTH,
            "pred_num_attention_heads": HEADS,
            "pred_num_hidden_layers": DEPTH,
        },
        plain_roles("attention", "query", "key", "value", "attention.proj", "mlp.fc1", "mlp.fc2"),
    ),
    configuration(
        "DINOv3ViTModel",
        SIZES | PICTURE,
        plain_roles("attention", "q_proj", "k_proj", "v_proj", "attention.o_proj", "mlp.up_proj", "mlp.down_proj"),
    ),
    configuration(
        "DINOv3ViTModel", SIZES | PICTURE | {"use_gated_mlp": True}, gated_roles("attention", "mlp"), variant="gated"
    ),
    configuration("PixtralVisionModel", SIZES | PICTURE, gated_roles("attention", "feed_forward")),
)

FUSED: tuple[Configuration, ...] = (
    configuration(
        "TimesformerModel",
        SIZES | PICTURE | {"num_frames": 2},
        {
            "attention.attention.qkv": "query+key+value",
            "attention.output.dense": "attention_output",
            "intermediate.dense": "mlp_in",
            "output.dense": "mlp_out",
            "temporal_attention.attention.qkv": "another query+key+value",
            "temporal_attention.output.dense": "another attention_output",
            "temporal_dense": "none",
        },
        misleading=True,  # a second attention, over time, has the same names inside, and its own dense layer behind it
    ),
    configuration(
        "SamVisionModel",
        SAM,
        SAM_ROLES,
    ),
    configuration(
        "SamModel",
        {
            "vision_config": SAM,
            "prompt_encoder_config": {"hidden_size": WIDTH, "mask_input_channels": 4, **PICTURE},
            "mask_decoder_config": {
                "hidden_size": WIDTH,
                "mlp_dim": HIDDEN,
                "num_hidden_layers": DEPTH,
                "num_attention_heads": HEADS,
                "iou_head_hidden_dim": 16,
            },
        },
        norm=None,  # pre in the encoder, post in the decoder
    ),
    configuration(
        "BlipVisionModel",
        SIZES | PICTURE | {"initializer_range": 0.02},  # 1e-10 unless said
        {
            "self_attn.qkv": "query+key+value",
            "self_attn.projection": "attention_output",
            "mlp.fc1": "mlp_in",
            "mlp.fc2": "mlp_out",
        },
    ),
    configuration(
        "VitDetModel",
        {
            "hidden_size": WIDTH,
            "num_hidden_layers": DEPTH,
            "num_attention_heads": HEADS,
            "window_block_indices": [0],
            "window_size": 2,
            **PICTURE,
        },
        QKV | MLP,
    ),
    configuration(
        "Qwen2VLModel",
        {
            "vision_config": {
                "depth": DEPTH,
                "embed_dim": WIDTH,
                "hidden_size": WIDTH,
                "num_heads": HEADS,
                "patch_size": 8,
            },
            "text_config": SIZES | WORDS | MARKS | {"num_key_value_heads": 2},
        },
        {"attn.qkv": "query+key+value", "attn.proj": "attention_output"} | MLP,
        variant="its vision encoder",
        config="Qwen2VLConfig",
        part="visual",
    ),
)

CONFIGURATIONS = PLAIN + FUSED
