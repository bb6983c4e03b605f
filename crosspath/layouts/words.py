"""What libraries call the weights of a block: words that name a role, and words that name what is no matrix of a layer.

A word is the last part of a weight's path, in lower case and without `.weight`: `q_proj` of `self_attn.q_proj.weight`.
Words are evidence; shapes have to agree with them (pathway/anatomy/block_roles.py).
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


QUERY = _words(
    "q query q_proj query_proj q_lin to_q to_query linear_q wq w_q q_attn fc_q q_linear query_layer in_proj_q"
)
KEY = _words("k key k_proj key_proj k_lin to_k to_key linear_k wk w_k k_attn fc_k k_linear key_layer in_proj_k")
VALUE = _words(
    "v value v_proj value_proj v_lin to_v to_value linear_v wv w_v v_attn fc_v v_linear value_layer in_proj_v"
)
QUERY_KEY_VALUE = _words(
    "qkv qkv_proj to_qkv wqkv query_key_value c_attn in_proj_weight qkv_linear linear_qkv c_qkv attn_qkv"
)
KEY_VALUE = _words("kv to_kv kv_proj key_value kv_linear wkv")
QUERY_KEY = _words("qk to_qk qk_proj query_key")
ATTENTION_OUTPUT = _words(
    "proj out_proj o_proj o out out_lin dense to_out linear_out wo w_o c_proj attn_out output projection "
    "output_dense proj_out attn_proj attention_output fc_o output_proj out_linear dense_output post"
)

MLP_IN = _words(
    "fc1 fc_1 lin1 linear1 linear_1 lin_1 c_fc fc_in up_proj up wi wi_1 w_in w3 dense_h_to_4h intermediate ffn "
    "intermediate_query pw1 "
    "fc1_x intermediate_dense pwconv1 dense1 dense_1 layer_1 lin_in linear_in ln1 ff1 ffw_layer_1 expand "
    "input_layer ffn_in pointwise_conv1"
)
MLP_GATE = _words("gate_proj gate wi_0 w1 fc1_g fc_g gate_linear linear_gate w_gate")
MLP_OUT = _words(
    "fc2 fc_2 lin2 linear2 linear_2 lin_2 c_proj fc_out down_proj down wo w_out w2 dense_4h_to_h output "
    "output_query pw2 "
    "ffn_output output_dense pwconv2 dense2 dense_2 layer_2 lin_out linear_out ln2 ff2 ffw_layer_2 contract "
    "output_layer ffn_out pointwise_conv2"
)
POINTWISE = _words("pwconv1 pointwise_conv1 pw_conv1")
"""Those of them that are a token mixer's where the block has an mlp beside it."""
NUMBERED_WORDS = _words("w1 w2 w3")
"""Words that mean one thing in Llama (gate, out, in) and another elsewhere: shapes have to decide."""
MLP_SCOPES = _words("mlp ffn ff feed_forward feedforward channel_mixer ffn0 ffn1")
"""Modules in which two matrices of unknown words are an mlp, even as convolutions."""
MLP_OF_THREE = {"w0": "mlp_gate", "w1": "mlp_in", "w2": "mlp_out"}
"""Words of a gated mlp that mean something else where they stand alone (Llama's w1 is the gate, w3 the other input)."""
MLP_GATE_AND_IN = _words("gate_up_proj w12 gate_and_up gate_up")
"""Both inputs of a gated mlp in one weight, by the name the gate's rows first."""

WRAPPERS = _words("linear conv conv2d c m dense base_layer fn ln proj")
"""What a role's own module may be wrapped in: `intermediate.dense`, `qkv.linear`."""
LAYERS = _words("linear conv conv2d c fn base_layer")
"""Those of them that say no more than what kind of layer it is."""
IN_PROJ = "in_proj"
"""A fused query, key and value where it stands in an attention; elsewhere the first matrix of many things."""

CROSS = ("cross", "encoder_attn", "encdecattention", "encoder_decoder", "multihead_attn", "context_attn")
"""Parts of names of an attention over another sequence."""
SECONDARY = ("temporal", "time_attn", "token", "spatial", "global", "channel_attn")
"""Parts of names of a second attention or mlp, beside the one over tokens' features."""

EXPERT = "expert"
"""Part of the names of one summand among several: no mlp of the whole stream."""
SQUEEZE = _words("se se_early se_module se_layer squeeze_excite squeeze_excitation")
"""Modules that weigh channels by two small matrices: no mlp over the stream."""

POSITIONS = (
    "meta_mlp",
    "relative_position",
    "rel_pos",
    "relative_attention_bias",
    "relative_bias",
    "rel_attn_embed",
    "rel_embed",
    "position_embed",
    "pos_embed",
    "pos_bias",
    "position_bias",
    "attention_bias",
    "attention_biases",
    "cpb_mlp",
    "continuous_position_bias",
    "distance_embedding",
    "rel_height",
    "rel_width",
    "logit_scale",
    "rotary",
    "rope",
    "inv_freq",
)
"""Parts of names of tables of positions: they are looked up, or added to attention scores; no features pass them."""
SCANS = ("a_log", "dt_bias")
"""Parts of names of what a state-space layer scans with: rates of decay."""
BUFFERS = (
    "attn_mask",
    "relative_coords_table",
    "masked_bias",
    "attention_mask",
    "num_batches",
    "running_",
    "causal_mask",
)
"""Parts of names of what a state dict holds beside parameters."""
NORMS = ("norm", "ln", "bn", "layer_norm", "affine")
"""Parts of names of normalisation layers."""
MASKED_DECODERS = ("decoder_blocks", "decoder_layers", "decoder_layer", "decoder_encoder")
"""Lists of blocks that only a masked autoencoder's pretraining uses."""
