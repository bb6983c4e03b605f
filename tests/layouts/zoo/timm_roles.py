"""Which weight of timm's blocks does what, read in the forward functions of timm 1.0.31, never taken from names.

A key is the end of a weight's name; where two end alike, the longer one holds for the weights that it fits. Of a weight
that looks as if it had a role and has none (a talking head, the channels of a squeeze and excitation, a shortcut) the
value is `none`. Others of a block, such as convolutions and tables of positions, are not listed: they have no role.
"""

from collections.abc import Mapping

Roles = Mapping[str, str]

MLP: Roles = {"mlp.fc1.weight": "mlp_in", "mlp.fc2.weight": "mlp_out"}
OUTPUT: Roles = {"attn.proj.weight": "attention_output"}
FUSED: Roles = {"attn.qkv.weight": "query+key+value", **OUTPUT}
SPLIT: Roles = {"attn.q.weight": "query", "attn.k.weight": "key", "attn.v.weight": "value", **OUTPUT}
QUERY_AND_KV: Roles = {"attn.q.weight": "query", "attn.kv.weight": "key+value", **OUTPUT}
QK_AND_VALUE: Roles = {"attn.qk.weight": "query+key", "attn.v.weight": "value", **OUTPUT}
SQUEEZE: Roles = {f"{name}.fc{number}.weight": "none" for name in ("se", "se_early") for number in (1, 2)}
MBCONV: Roles = {
    f"{name}{wrapper}.weight": role
    for names, role in (
        (("conv1_1x1", "conv_exp", "pw_exp", "inverted_conv", "patchmerge.conv1", "pwconv1"), "mlp_in or none"),
        (("conv3_1x1", "conv_pwl", "pw_proj", "point_conv", "patchmerge.conv3", "pwconv2"), "mlp_out or none"),
    )
    for name in names
    for wrapper in ("", ".conv")
}
"""Widen, mix pixels channel by channel, narrow: an mlp with a depthwise convolution inside, if one likes."""
MBCONV_BESIDE_MLP: Roles = {name: f"another {role}" for name, role in MBCONV.items()}

# vision_transformer.py
VIT_BLOCK: Roles = {**FUSED, **MLP}
VIT_RELATIVE: Roles = {
    **VIT_BLOCK,
    **{f"{owner}.mlp.fc{number}.weight": "none" for owner in ("rel_pos", "shared_rel_pos") for number in (1, 2)},
}
"""The mlp in rel_pos makes the bias of relative positions."""
SWIGLU_PACKED: Roles = {**FUSED, "mlp.fc1.weight": "mlp_gate+mlp_in", "mlp.fc2.weight": "mlp_out"}
"""layers/mlp.py, GluMlp with gate_last=False: act(x1) * x2, so the first half is activated."""
PARALLEL_SCALING: Roles = {
    "in_proj.weight": "mlp_in+query+key+value or none",
    "attn_out_proj.weight": "attention_output or none",
    "mlp_out_proj.weight": "mlp_out or none",
}
"""One matrix for the mlp's input (the first mlp_ratio·width rows), then query, key and value."""
PARALLEL_SCALING_FUSED: Roles = {"in_proj.weight": "mlp_in+query+key+value or none", "out_proj.weight": "none"}
"""out_proj reads attention and mlp side by side: its columns, not its rows, are two roles."""
PARALLEL_THINGS: Roles = {
    "attns.0.attn.qkv.weight": "query+key+value",
    "attns.1.attn.qkv.weight": "query+key+value",
    "attns.0.attn.proj.weight": "attention_output",
    "attns.1.attn.proj.weight": "attention_output",
    "ffns.0.mlp.fc1.weight": "mlp_in",
    "ffns.1.mlp.fc1.weight": "mlp_in",
    "ffns.0.mlp.fc2.weight": "mlp_out",
    "ffns.1.mlp.fc2.weight": "mlp_out",
}

# eva.py: SwiGLU computes act(fc1_g(x)) * fc1_x(x)
_SWIGLU: Roles = {"mlp.fc1_g.weight": "mlp_gate", "mlp.fc1_x.weight": "mlp_in", "mlp.fc2.weight": "mlp_out"}
EVA_PROJECTIONS: Roles = {
    "attn.q_proj.weight": "query",
    "attn.k_proj.weight": "key",
    "attn.v_proj.weight": "value",
    **OUTPUT,
}
EVA02: Roles = {**EVA_PROJECTIONS, **_SWIGLU}
EVA02_FUSED_SWIGLU: Roles = {**FUSED, **_SWIGLU}

# cait.py, xcit.py: two blocks at the end attend from the class token alone
CAIT: Roles = {**FUSED, **SPLIT, **MLP, "attn.proj_l.weight": "none", "attn.proj_w.weight": "none"}
XCIT: Roles = {**FUSED, **SPLIT, **MLP}

CONVIT: Roles = {**FUSED, **QK_AND_VALUE, **MLP, "attn.pos_proj.weight": "none"}
TNT: Roles = {
    "attn_in.qk.weight": "query+key",
    "attn_in.v.weight": "value",
    "attn_in.proj.weight": "attention_output",
    "mlp_in.fc1.weight": "mlp_in",
    "mlp_in.fc2.weight": "mlp_out",
    "attn_out.qk.weight": "query+key",
    "attn_out.v.weight": "value",
    "attn_out.proj.weight": "attention_output",
    "mlp.fc1.weight": "mlp_in",
    "mlp.fc2.weight": "mlp_out",
    # From the pixels of a patch to its token.
    ".proj.weight": "none",
}
"""`mlp_in` and `attn_out` are the inner mlp and the outer attention, not roles."""
CROSSVIT: Roles = {
    **FUSED,
    **MLP,
    "attn.wq.weight": "query",
    "attn.wk.weight": "key",
    "attn.wv.weight": "value",
}

# mlp_mixer.py
_CHANNELS: Roles = {"mlp_channels.fc1.weight": "mlp_in", "mlp_channels.fc2.weight": "mlp_out"}
MIXER: Roles = {
    **_CHANNELS,
    "mlp_tokens.fc1.weight": "another mlp_in",
    "mlp_tokens.fc2.weight": "another mlp_out",
}
GMIXER: Roles = {
    "mlp_channels.fc1.weight": "mlp_in+mlp_gate",
    "mlp_channels.fc2.weight": "mlp_out",
    "mlp_tokens.fc1.weight": "another mlp_in+mlp_gate",
    "mlp_tokens.fc2.weight": "another mlp_out",
}
"""GluMlp with gate_last=True: x1 * act(x2), so the second half is activated."""
GMLP: Roles = {
    "mlp_channels.fc1.weight": "none",
    "mlp_channels.fc2.weight": "mlp_out or none",
    "mlp_channels.gate.proj.weight": "none",
}
"""All of fc1 is activated; its second half, mixed over positions, then multiplies the first. Neither a plain mlp's
input nor a gated one's."""
RESMLP: Roles = {**_CHANNELS, "linear_tokens.weight": "none"}
SEQUENCER: Roles = {**_CHANNELS, "rnn_tokens.fc.weight": "none"}

# vitamin.py: GeGluMlp computes act(w0(x)) * w1(x), then w2
VITAMIN: Roles = {**MBCONV, **FUSED, "mlp.w0.weight": "mlp_gate", "mlp.w1.weight": "mlp_in", "mlp.w2.weight": "mlp_out"}

MOBILEVIT: Roles = {**VIT_BLOCK, **MBCONV, "conv_1x1.weight": "none", "conv_proj.conv.weight": "none"}
"""conv_1x1 and conv_proj lead into the transformer's width and back, with all its layers between them."""
MOBILEVIT_V2: Roles = {
    **MBCONV,
    "conv_1x1.weight": "none",
    "conv_proj.conv.weight": "none",
    "attn.qkv_proj.weight": "query+key+value or none",
    "attn.out_proj.weight": "attention_output",
    **MLP,
}
"""One row of query, then as many of key and of value as there are channels."""
