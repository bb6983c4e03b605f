"""torch's own transformer layers and torchvision's ViT, whose attention reads `in_proj_weight` directly."""

from crosspath.layouts.layout import Layout, Place, Role, fused_roles, split_roles

_ENCODER_LAYER: dict[Role, Place] = fused_roles("self_attn.in_proj_weight", "self_attn.in_proj_bias") | split_roles(
    {
        "attention_output": ("self_attn.out_proj.weight", "self_attn.out_proj.bias"),
        "mlp_in": ("linear1.weight", "linear1.bias"),
        "mlp_out": ("linear2.weight", "linear2.bias"),
    }
)

TORCH_ENCODER = Layout(
    name="torch.nn.TransformerEncoder",
    block="layers.",
    roles=_ENCODER_LAYER,
    heads="self_attn.num_heads",
    norm="norm_first",
)

TORCH_ENCODER_LAYER = Layout(
    name="torch.nn.TransformerEncoderLayer",
    block=None,
    roles=_ENCODER_LAYER,
    heads="self_attn.num_heads",
    norm="norm_first",
)

TORCH_ATTENTION = Layout(
    name="torch.nn.MultiheadAttention",
    block=None,
    roles=fused_roles("in_proj_weight", "in_proj_bias")
    | split_roles({"attention_output": ("out_proj.weight", "out_proj.bias")}),
    heads="num_heads",
    norm="pre",
)

TORCH_SPLIT_ATTENTION = Layout(
    name="torch.nn.MultiheadAttention with kdim or vdim",
    block=None,
    roles=split_roles(
        {
            "query": ("q_proj_weight", None),
            "key": ("k_proj_weight", None),
            "value": ("v_proj_weight", None),
            "attention_output": ("out_proj.weight", "out_proj.bias"),
        }
    ),
    heads="num_heads",
    norm="pre",
)

TORCHVISION_VIT = Layout(
    name="torchvision ViT",
    block="encoder.layers.encoder_layer_",
    roles=fused_roles("self_attention.in_proj_weight", "self_attention.in_proj_bias")
    | split_roles(
        {
            "attention_output": ("self_attention.out_proj.weight", "self_attention.out_proj.bias"),
            "mlp_in": ("mlp.0.weight", "mlp.0.bias"),
            "mlp_out": ("mlp.3.weight", "mlp.3.bias"),
        }
    ),
    heads="num_heads",
    norm="pre",
    stem=("conv_proj", "class_token", "encoder.pos_embedding"),
)
