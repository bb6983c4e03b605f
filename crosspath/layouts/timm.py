"""timm's ViT family and every encoder with its key names (crosspath's own among them); Swin and ConvNeXt, whose blocks
are in stages.
"""

from collections.abc import Mapping

from crosspath.layouts.layout import Layout, Place, Role, fused_roles, split_roles

_STEM = ("patch_embed", "cls_token", "cls_pos", "reg_token", "pos_embed", "norm_pre", "dist_token", "tokenizer")
_MLP = split_roles({"mlp_in": ("mlp.fc1.weight", "mlp.fc1.bias"), "mlp_out": ("mlp.fc2.weight", "mlp.fc2.bias")})
_OUTPUT = split_roles({"attention_output": ("attn.proj.weight", "attn.proj.bias")})
_ONE_BIAS: Mapping[Role, Place] = fused_roles("attn.qkv.weight", "attn.qkv.bias") | _OUTPUT | _MLP
_TWO_BIASES: Mapping[Role, Place] = (
    fused_roles("attn.qkv.weight", ("attn.q_bias", None, "attn.v_bias")) | _OUTPUT | _MLP
)

TIMM_BLOCKS = Layout(
    name="timm blocks", block="blocks.", roles=_ONE_BIAS, heads="attn.num_heads", norm="pre", stem=_STEM
)

TIMM_BEIT = Layout(
    name="timm BEiT, EVA", block="blocks.", roles=_TWO_BIASES, heads="attn.num_heads", norm="pre", stem=_STEM
)

TIMM_EVA_SPLIT = Layout(
    name="timm EVA-02 with q, k, v apart",
    block="blocks.",
    roles=split_roles(
        {
            "query": ("attn.q_proj.weight", "attn.q_proj.bias"),
            "key": ("attn.k_proj.weight", "attn.k_proj.bias"),
            "value": ("attn.v_proj.weight", "attn.v_proj.bias"),
        }
    )
    | _OUTPUT
    | split_roles(
        {
            "mlp_in": ("mlp.fc1_x.weight", "mlp.fc1_x.bias"),
            "mlp_gate": ("mlp.fc1_g.weight", "mlp.fc1_g.bias"),
            "mlp_out": ("mlp.fc2.weight", "mlp.fc2.bias"),
        }
    ),
    heads="attn.num_heads",
    norm="pre",
    stem=_STEM,
)

TIMM_SWIN = Layout(
    name="timm Swin",
    stage="layers.",
    block="blocks.",
    roles=_ONE_BIAS,
    heads="attn.num_heads",
    norm="pre",
    stem=_STEM,
)

TIMM_SWIN_V2 = Layout(
    name="timm Swin V2",
    stage="layers.",
    block="blocks.",
    roles=_TWO_BIASES,
    heads="attn.num_heads",
    norm="post",
    stem=_STEM,
)

TIMM_CONVNEXT = Layout(
    name="timm ConvNeXt",
    stage="stages.",
    block="blocks.",
    roles=_MLP,
    mark="conv_dw.weight",
    absent=dict.fromkeys(
        ("query", "key", "value", "attention_output"),
        "ConvNeXt has convolutions instead of attention; choose roles='mlp'",
    ),
    norm="pre",
    stem=("stem",),
)
