"""Decoders of transformers; roles and norms as in each family's modeling file."""

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.transformers_build import (
    BART,
    DEPTH,
    HEADS,
    HIDDEN,
    MARKS,
    SIZES,
    WIDTH,
    WORDS,
    configuration,
    gated_roles,
    plain_roles,
)

LLAMA = SIZES | WORDS | MARKS
ALL_HEADS = LLAMA | {"num_key_value_heads": HEADS, "head_dim": WIDTH // HEADS}
GROUPED = LLAMA | {"num_key_value_heads": HEADS // 2, "head_dim": WIDTH // HEADS}
GPT = {
    "n_embd": WIDTH,
    "n_layer": DEPTH,
    "n_head": HEADS,
    "n_positions": 16,
    "vocab_size": 50,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
OPT = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "ffn_dim": HIDDEN,
    "word_embed_proj_dim": WIDTH,
    **WORDS,
}
FALCON = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "vocab_size": 50,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2 = {
    "attn.c_attn": "query+key+value",
    "attn.c_proj": "attention_output",
    "mlp.c_fc": "mlp_in",
    "mlp.c_proj": "mlp_out",
}
"""Both `c_proj` are outputs, one of attention and one of the mlp."""
H_TO_4H = {"mlp.dense_h_to_4h": "mlp_in", "mlp.dense_4h_to_h": "mlp_out"}
FALCON_REST = {"self_attention.dense": "attention_output"} | H_TO_4H
GATED = gated_roles("self_attn", "mlp")
ATTENTION = {path: role for path, role in GATED.items() if path.startswith("self_attn")}
PROJECTIONS = ("self_attn", "q_proj", "k_proj", "v_proj")
GPT_J = plain_roles("attn", "q_proj", "k_proj", "v_proj", "attn.out_proj", "mlp.fc_in", "mlp.fc_out")

LIKE_LLAMA: tuple[Configuration, ...] = (
    configuration("LlamaModel", ALL_HEADS, GATED),
    configuration("LlamaModel", GROUPED, GATED, variant="grouped queries"),
    configuration("Qwen2Model", ALL_HEADS, GATED),
    configuration("Qwen3Model", GROUPED, GATED, misleading=True),  # q_norm and k_norm are no pre-norms
    configuration("GemmaModel", GROUPED, GATED),
    configuration("Gemma2Model", GROUPED, GATED, misleading=True),  # each branch is normalised before and behind
    configuration("Gemma3TextModel", GROUPED, GATED, misleading=True),
    configuration("MistralModel", GROUPED, GATED),
    configuration("SmolLM3Model", GROUPED, GATED),
    configuration("Olmo2Model", GROUPED, GATED, norm="res-post"),
    configuration("CohereModel", GROUPED, GATED),
    configuration(
        "Phi3Model",
        GROUPED,
        {
            # query, then key, then value; key and value have two of the four heads
            "self_attn.qkv_proj": "query+key+value",
            "self_attn.o_proj": "attention_output",
            # gate, up = gate_up_proj(x).chunk(2); up * act(gate)
            "mlp.gate_up_proj": "mlp_gate+mlp_in",
            "mlp.down_proj": "mlp_out",
        },
        misleading=True,
    ),
    configuration(
        "Glm4Model",
        GROUPED,
        ATTENTION | {"mlp.gate_up_proj": "mlp_gate+mlp_in", "mlp.down_proj": "mlp_out"},
    ),
    configuration("PhiModel", GROUPED, plain_roles(*PROJECTIONS, "self_attn.dense", "mlp.fc1", "mlp.fc2")),
    configuration("Starcoder2Model", GROUPED, plain_roles(*PROJECTIONS, "self_attn.o_proj", "mlp.c_fc", "mlp.c_proj")),
    configuration(
        "Qwen2MoeModel",
        GROUPED
        | {
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 24,
            "shared_expert_intermediate_size": 40,
        },
        ATTENTION | {"mlp.gate": "none", "mlp.shared_expert_gate": "none"},
        misleading=True,  # `mlp.gate` routes tokens to experts
    ),
    configuration(
        "GptOssModel",
        GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2},
        ATTENTION | {"mlp.router": "none"},
    ),
    configuration(
        "DeepseekV3Model",
        LLAMA
        | {
            "num_key_value_heads": HEADS,
            "q_lora_rank": 16,
            "kv_lora_rank": 8,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 4,
            "v_head_dim": 8,
            "first_k_dense_replace": 1,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 1,
            "topk_group": 1,
            "moe_intermediate_size": 24,
        },
        {
            # Keys and values pass a narrow layer, so that no matrix is the keys' or the values' alone
            "self_attn.q_a_proj": "none",
            "self_attn.kv_a_proj_with_mqa": "none",
            "self_attn.kv_b_proj": "none",
        },
        misleading=True,
    ),
    configuration(
        "MixtralModel", GROUPED | {"num_local_experts": 4}, ATTENTION | {"mlp.gate": "none"}, misleading=True
    ),
)

LIKE_GPT: tuple[Configuration, ...] = (
    configuration("GPT2Model", GPT, GPT2, misleading=True, config="GPT2Config"),
    configuration(
        "GPT2Model",
        GPT | {"add_cross_attention": True},
        GPT2
        | {
            # The keys and values of a cross-attention are one weight, its queries another
            "crossattention.c_attn": "another key+value",
            "crossattention.q_attn": "another query",
        },
        variant="cross-attention",
        misleading=True,
    ),
    configuration(
        "OpenAIGPTModel",
        GPT,
        GPT2,
        norm="post",  # n = ln_1(x + attn(x)); ln_2(n + mlp(n))
        misleading=True,
    ),
    configuration(
        "GPTNeoXModel",
        SIZES | WORDS | MARKS,
        {"attention.query_key_value": "head-major query+key+value", "attention.dense": "attention_output"} | H_TO_4H,
    ),
    configuration(
        "BloomModel",
        {"hidden_size": WIDTH, "n_layer": DEPTH, "n_head": HEADS, "vocab_size": 50},
        {"self_attention.query_key_value": "head-major query+key+value"} | FALCON_REST,
        misleading=True,
    ),
    configuration("OPTModel", OPT, BART),
    configuration("OPTModel", OPT | {"do_layer_norm_before": False}, BART, variant="post-norm", norm="post"),
    configuration(
        "GPTNeoModel",
        {
            "hidden_size": WIDTH,
            "num_layers": DEPTH,
            "num_heads": HEADS,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 4,
            **WORDS,
        },
        plain_roles(
            "attn.attention", "q_proj", "k_proj", "v_proj", "attn.attention.out_proj", "mlp.c_fc", "mlp.c_proj"
        ),
    ),
    configuration(
        "GPTJModel", GPT | {"rotary_dim": 4}, GPT_J, misleading=True
    ),  # out_proj of attention, fc_out of the mlp
    configuration(
        "CodeGenModel",
        GPT | {"rotary_dim": 4},
        # qkv_proj(x).view(..., 4, 3 * width / 4).split: query, value, key; always four stretches, here one a head
        {
            "attn.qkv_proj": "head-major query+value+key or none",
            "attn.out_proj": "attention_output",
            "mlp.fc_in": "mlp_in",
            "mlp.fc_out": "mlp_out",
        },
        misleading=True,
    ),
    configuration(
        "FalconModel",
        FALCON,
        {"self_attention.query_key_value": "query+key+value"} | FALCON_REST,  # one key and one value for all heads
        variant="multi-query",
        misleading=True,
    ),
    configuration(
        "FalconModel",
        FALCON | {"new_decoder_architecture": True, "num_kv_heads": HEADS // 2},
        # The queries of a group of heads, their key, their value; then the next group
        {"self_attention.query_key_value": "head-major query+key+value"} | FALCON_REST,
        variant="grouped queries",
        misleading=True,
    ),
    configuration(
        "FalconModel",
        FALCON | {"multi_query": False, "alibi": True, "parallel_attn": False},
        {"self_attention.query_key_value": "head-major query+key+value"} | FALCON_REST,
        variant="all heads",
        misleading=True,
    ),
    configuration("GPTBigCodeModel", GPT, GPT2, variant="multi-query", misleading=True),
    configuration(
        "GPTBigCodeModel",
        GPT | {"multi_query": False},
        # c_attn(x).view(..., heads, 3 * head width): head by head, unlike GPT-2's weight of the same name
        GPT2 | {"attn.c_attn": "head-major query+key+value"},
        variant="all heads",
        misleading=True,
    ),
    configuration(
        "PersimmonModel",
        SIZES | WORDS | MARKS,
        {"self_attn.query_key_value": "head-major query+key+value", "self_attn.dense": "attention_output"} | H_TO_4H,
        misleading=True,
    ),
    configuration(
        "MptModel",
        {"d_model": WIDTH, "n_layers": DEPTH, "n_heads": HEADS, "max_seq_len": 16, "vocab_size": 50},
        {
            "attn.Wqkv": "query+key+value",
            "attn.out_proj": "attention_output",
            "ffn.up_proj": "mlp_in",  # down_proj(gelu(up_proj(x))): a plain mlp
            "ffn.down_proj": "mlp_out",
        },
    ),
    configuration(
        "MambaModel",
        {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "vocab_size": 50, "state_size": 4},
        # Its four linear layers connect by their own paths; A_log, the scan's coefficients, is no matrix of a layer
        {"mixer.in_proj": "none", "mixer.x_proj": "none", "mixer.dt_proj": "none", "mixer.out_proj": "none"},
    ),
)

CONFIGURATIONS = LIKE_LLAMA + LIKE_GPT
