"""Which weight of timm's blocks in stages does what, read in timm 1.0.31's forward functions (see timm_roles.py)."""

from tests.layouts.zoo.timm_roles import (
    FUSED,
    MBCONV,
    MBCONV_BESIDE_MLP,
    MLP,
    OUTPUT,
    QUERY_AND_KV,
    SQUEEZE,
    VIT_BLOCK,
    Roles,
)

SWIN_V2: Roles = {**VIT_BLOCK, "cpb_mlp.0.weight": "none", "cpb_mlp.2.weight": "none"}
SWIN_V2_CR: Roles = {**VIT_BLOCK, "meta_mlp.fc1.weight": "none", "meta_mlp.fc2.weight": "none"}
"""meta_mlp makes the bias of relative positions; its names are those of an mlp."""
HIERA: Roles = {**VIT_BLOCK, ".proj.weight": "none"}
"""A block's own proj widens the shortcut between two stages."""
MVIT: Roles = {**VIT_BLOCK, "shortcut_proj_attn.weight": "none", "shortcut_proj_mlp.weight": "none"}
PVT: Roles = {**QUERY_AND_KV, **MLP, "attn.sr.weight": "none"}
TWINS: Roles = {**FUSED, **QUERY_AND_KV, **MLP, "attn.sr.weight": "none"}
GCVIT: Roles = {**VIT_BLOCK, "blocks.1.attn.qkv.weight": "key+value or none", **SQUEEZE}
"""Every second block has a global query, made outside it: its `qkv` is 2·width rows of key and value."""
DAVIT: Roles = {**VIT_BLOCK, ".1.attn.qkv.weight": "value+query+key or none"}
"""A block attends over pixels (0), then over channels (1)."""
DAVIT_CHANNELS: Roles = {**OUTPUT, **MLP, "attn.qkv.weight": "value+query+key or none"}
"""ChannelAttention: attn = softmax(kᵀv), x = attn·qᵀ. What is called q is mixed; k and v decide how."""

_PARTITION: Roles = {
    **MBCONV_BESIDE_MLP,
    "attn_block.mlp.fc1.weight": "mlp_in",
    "attn_block.mlp.fc2.weight": "mlp_out",
    "attn_grid.mlp.fc1.weight": "mlp_in",
    "attn_grid.mlp.fc2.weight": "mlp_out",
    "attn_block.attn.proj.weight": "attention_output",
    "attn_grid.attn.proj.weight": "attention_output",
    "conv.se.fc1.weight": "none",
    "conv.se.fc2.weight": "none",
}
_POSITIONS: Roles = {"rel_pos.mlp.fc1.weight": "none", "rel_pos.mlp.fc2.weight": "none"}
MAXVIT: Roles = {
    **_PARTITION,
    "attn_block.attn.qkv.weight": "query+key+value",
    "attn_grid.attn.qkv.weight": "query+key+value",
}
"""head_first=False, as the models converted from TensorFlow have it."""
MAXVIT_HEAD_FIRST: Roles = {
    **_PARTITION,
    **_POSITIONS,
    "attn_block.attn.qkv.weight": "head-major query+key+value",
    "attn_grid.attn.qkv.weight": "head-major query+key+value",
}
MAXXVIT: Roles = {**MAXVIT_HEAD_FIRST, "conv.mlp.fc1.weight": "mlp_in", "conv.mlp.fc2.weight": "mlp_out"}
MAXXVIT_V2: Roles = {
    **_POSITIONS,
    "attn_grid.attn.qkv.weight": "head-major query+key+value",
    "attn_grid.attn.proj.weight": "attention_output",
    "attn_grid.mlp.fc1.weight": "mlp_in",
    "attn_grid.mlp.fc2.weight": "mlp_out",
    "conv.mlp.fc1.weight": "mlp_in",
    "conv.mlp.fc2.weight": "mlp_out",
}
COATNET: Roles = {**MBCONV, "attn.qkv.weight": "head-major query+key+value", **OUTPUT, **MLP, **SQUEEZE, **_POSITIONS}

LEVIT: Roles = {
    "attn.qkv.linear.weight": "head-major query+key+value",
    "attn.proj.ln.linear.weight": "attention_output",
    "mlp.ln1.linear.weight": "mlp_in",
    "mlp.ln2.linear.weight": "mlp_out",
    "attn_downsample.q.ln.linear.weight": "query",
    "attn_downsample.kv.linear.weight": "head-major key+value",
    "attn_downsample.proj.ln.linear.weight": "attention_output or none",
}
"""`ln` is a linear layer with a batch norm. Values have twice a key's rows."""
EFFICIENTFORMER: Roles = {
    "token_mixer.qkv.weight": "head-major query+key+value",
    "token_mixer.proj.weight": "attention_output",
    **MLP,
}
EFFICIENTFORMER_V2: Roles = {
    "token_mixer.q.conv.weight": "query",
    "token_mixer.k.conv.weight": "key",
    "token_mixer.v.conv.weight": "value",
    "token_mixer.proj.conv.weight": "attention_output",
    "mlp.fc1.conv.weight": "mlp_in",
    "mlp.fc2.conv.weight": "mlp_out",
    "token_mixer.talking_head1.weight": "none",
    "token_mixer.talking_head2.weight": "none",
    "v_local.conv.weight": "none",
    "downsample.attn.q.proj.conv.weight": "query",
    "downsample.attn.k.conv.weight": "key",
    "downsample.attn.v.conv.weight": "value",
    "downsample.attn.proj.conv.weight": "attention_output",
}
TINY_VIT: Roles = {"attn.qkv.weight": "head-major query+key+value", **OUTPUT, **MLP}
EFFICIENTVIT_MIT: Roles = {
    **MBCONV,
    "context_module.main.qkv.conv.weight": "head-major query+key+value or none",
    "context_module.main.proj.conv.weight": "attention_output or none",
}
"""LiteMLA; proj reads the attention of two scales side by side."""
EFFICIENTVIT_MSRA: Roles = {
    **MBCONV,
    ".pw1.conv.weight": "mlp_in",
    ".pw2.conv.weight": "mlp_out",
    "mixer.m.attn.qkvs.0.conv.weight": "query+key+value or none",
    "mixer.m.attn.qkvs.1.conv.weight": "query+key+value or none",
    "mixer.m.attn.proj.1.conv.weight": "attention_output or none",
}
"""Each head has a `qkv` of its own, over its share of the channels plus the output of the head before."""
SHVIT: Roles = {
    "mixer.m.qkv.c.weight": "query+key+value or none",
    "mixer.m.proj.1.c.weight": "attention_output or none",
    ".pw1.c.weight": "mlp_in",
    ".pw2.c.weight": "mlp_out",
    "conv1.c.weight": "mlp_in or none",
    "conv3.c.weight": "mlp_out or none",
}
"""Attention over some of the channels; the output reads the others too."""
COAT: Roles = {
    "factoratt_crpe.qkv.weight": "query+key+value",
    "factoratt_crpe.proj.weight": "attention_output",
    **MLP,
}
COAT_PARALLEL: Roles = {
    **COAT,
    **{f"factoratt_crpe{branch}.qkv.weight": "query+key+value" for branch in (2, 3, 4)},
    **{f"factoratt_crpe{branch}.proj.weight": "attention_output" for branch in (2, 3, 4)},
    "mlp2.fc1.weight": "mlp_in",
    "mlp2.fc2.weight": "mlp_out",
}
"""Three branches with an attention each; mlp2, mlp3 and mlp4 are one module."""
VISFORMER: Roles = {**FUSED, "mlp.conv1.weight": "mlp_in", "mlp.conv3.weight": "mlp_out", "mlp.conv2.weight": "none"}
CAFORMER: Roles = {
    "token_mixer.qkv.weight": "query+key+value",
    "token_mixer.proj.weight": "attention_output",
    **MLP,
    **MBCONV_BESIDE_MLP,
}
"""The separable convolutions of the first stages widen too; they mix tokens, beside the mlp."""
NEXTVIT: Roles = {
    "e_mhsa.q.weight": "query",
    "e_mhsa.k.weight": "key",
    "e_mhsa.v.weight": "value",
    "e_mhsa.proj.weight": "attention_output",
    **MLP,
    "mhca.projection.weight": "none",
}
FASTVIT: Roles = {"token_mixer.qkv.weight": "query+key+value", "token_mixer.proj.weight": "attention_output", **MLP}
EDGENEXT: Roles = {"xca.qkv.weight": "query+key+value", "xca.proj.weight": "attention_output", **MLP}
SWIFTFORMER: Roles = {
    "linear.fc1.weight": "mlp_in",
    "linear.fc2.weight": "mlp_out",
    "attn.to_query.weight": "query or none",
    "attn.to_key.weight": "key or none",
    "attn.proj.weight": "none",
    "attn.final.weight": "attention_output or none",
    **MBCONV,
    "local_representation.pwconv1.weight": "another mlp_in or none",
    "local_representation.pwconv2.weight": "another mlp_out or none",
}
"""Additive attention has no value, and `proj` stands before the sum, not after it."""
MOBILENET_V4: Roles = {
    **MBCONV,
    "attn.query.proj.weight": "query",
    "attn.key.proj.weight": "key",
    "attn.value.proj.weight": "value",
    "attn.output.proj.weight": "attention_output",
}
"""All heads share one key and one value (MultiQueryAttention2d)."""
CSATV2: Roles = {
    **FUSED,
    **MLP,
    "pwconv1.weight": "mlp_in",
    "pwconv2.weight": "mlp_out",
    "attn.attn.qkv.weight": "none",
    "attn.attn.mlp.fc1.weight": "none",
    "attn.attn.mlp.fc2.weight": "none",
}
"""Inside a convolution block, a transformer of width 1 makes a map of 7 × 7 weights: no layer of the block's width."""

VOLO_ROLES: Roles = {
    **VIT_BLOCK,
    **QUERY_AND_KV,
    "attn.attn.weight": "none",
    "attn.v.weight": "value or none",
    **{f"network.0.{block}.attn.proj.weight": "attention_output or none" for block in (0, 1)},
}
"""An outlooker's `attn` makes the attention map itself; it has a value, and neither query nor key."""

CONVNEXT: Roles = {**MLP, "conv_dw.weight": "none"}
INCEPTION_NEXT: Roles = MLP
POOLFORMER: Roles = MLP
FOCALNET: Roles = {
    **MLP,
    "modulation.f.weight": "none",
    "modulation.h.weight": "none",
    "modulation.proj.weight": "none",
}
REPVIT: Roles = {
    **{f"{owner}.conv1.c.weight": "mlp_in" for owner in ("channel_mixer", "ffn")},
    **{f"{owner}.conv2.c.weight": "mlp_out" for owner in ("channel_mixer", "ffn")},
    **SQUEEZE,
}
MAMBAOUT: Roles = {"fc1.weight": "mlp_gate+mlp_in or none", "fc2.weight": "mlp_out"}
"""The second half passes a depthwise convolution in part before it is gated."""
STARNET: Roles = {
    ".f1.conv.weight": "mlp_gate or none",
    ".f2.conv.weight": "mlp_in or none",
    ".g.conv.weight": "mlp_out or none",
}
"""act(f1(x)) * f2(x), then g: g is no gate."""
