"""open_clip's transformer towers: torch's attention, in blocks with other names."""

from crosspath.layouts.layout import Layout, fused_roles, split_roles

OPEN_CLIP_TOWER = Layout(
    name="open_clip tower",
    block="resblocks.",
    roles=fused_roles("attn.in_proj_weight", "attn.in_proj_bias")
    | split_roles(
        {
            "attention_output": ("attn.out_proj.weight", "attn.out_proj.bias"),
            "mlp_in": ("mlp.c_fc.weight", "mlp.c_fc.bias"),
            "mlp_out": ("mlp.c_proj.weight", "mlp.c_proj.bias"),
        }
    ),
    heads="attn.num_heads",
    norm="pre",
    stem=("conv1", "class_embedding", "positional_embedding", "token_embedding", "ln_pre"),
)
