"""Families of transformers that store their blocks in yet another way; roles as in each family's modeling file."""

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.transformers_build import (
    BERT,
    DEPTH,
    HEADS,
    HIDDEN,
    MARKS,
    SIZES,
    TWO_STACKS,
    WIDTH,
    WORDS,
    configuration,
)

TEXT = SIZES | WORDS
GROUPED = TEXT | MARKS | {"num_key_value_heads": HEADS // 2}
FEW_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}

CONFIGURATIONS: tuple[Configuration, ...] = (
    configuration(
        "ClvpEncoder",
        TEXT | {"projection_dim": 16},
        {
            "self_attn.q_proj": "query",
            "self_attn.k_proj": "key",
            "self_attn.v_proj": "value",
            "self_attn.out_proj": "attention_output",
            # x, gate = proj(x).chunk(2); x * act(gate), inside a module that is called fc1
            "mlp.fc1.proj": "mlp_in+mlp_gate or none",
            "mlp.fc2": "mlp_out or none",
        },
        config="ClvpEncoderConfig",
        misleading=True,
    ),
    configuration(
        "LEDModel",
        TWO_STACKS
        | {
            "vocab_size": 50,
            "max_encoder_position_embeddings": 16,
            "max_decoder_position_embeddings": 16,
            "attention_window": 4,
        },
        norm="post",
    ),
    configuration(
        "FNetModel",
        {key: value for key, value in TEXT.items() if key != "num_attention_heads"},
        {"intermediate.dense": "mlp_in", "output.dense": "mlp_out"},  # a Fourier transform instead of attention
        norm="post",
    ),
    configuration("NystromformerModel", TEXT, BERT, norm="post"),
    configuration("ConvBertModel", TEXT | {"head_ratio": 2, "embedding_size": WIDTH}, norm="post"),
    configuration(
        "SqueezeBertModel",
        TEXT
        | {
            "embedding_size": WIDTH,
            "q_groups": 2,
            "k_groups": 2,
            "v_groups": 2,
            "intermediate_groups": 2,
            "output_groups": 2,
        },
        norm="post",
    ),
    configuration(
        "FunnelModel",
        {
            "vocab_size": 50,
            "block_sizes": [1, 1],
            "d_model": WIDTH,
            "n_head": HEADS,
            "d_head": WIDTH // HEADS,
            "d_inner": HIDDEN,
            "num_decoder_layers": 1,
        },
        norm="post",
    ),
    configuration(
        "JambaModel",
        GROUPED
        | {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "num_experts": 2,
            "mamba_dt_rank": 2,
            "use_mamba_kernels": False,
        },
        norm="pre",
    ),
    configuration(
        "Qwen3NextModel",
        GROUPED
        | FEW_EXPERTS
        | {
            "head_dim": WIDTH // HEADS,
            "num_hidden_layers": 2 * DEPTH,
            "shared_expert_intermediate_size": 24,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "linear_num_key_heads": 2,
            "linear_num_value_heads": 4,
        },
        norm="pre",
    ),
)
