"""timm's ViT blocks, and every encoder that keeps their key names (crosspath's own among them)."""

from crosspath.layouts.layout import Layout, fused, split

TIMM_BLOCKS = Layout(
    name="timm blocks",
    block="blocks.",
    roles=fused("attn.qkv.weight", "attn.qkv.bias")
    | split(
        {
            "attention_output": ("attn.proj.weight", "attn.proj.bias"),
            "mlp_in": ("mlp.fc1.weight", "mlp.fc1.bias"),
            "mlp_out": ("mlp.fc2.weight", "mlp.fc2.bias"),
        }
    ),
    heads="attn.num_heads",
    norm="pre",
    stem=("patch_embed", "cls_token", "cls_pos", "reg_token", "pos_embed", "norm_pre", "dist_token", "tokenizer"),
)
