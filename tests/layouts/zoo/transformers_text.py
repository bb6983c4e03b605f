"""Text encoders, and encoders with decoders, of transformers; roles and norms as in each family's modeling file."""

from tests.layouts.zoo.configuration import Configuration
from tests.layouts.zoo.transformers_build import (
    BART,
    BERT,
    CLIP,
    DEPTH,
    HEADS,
    HIDDEN,
    MARKS,
    SIZES,
    TWO_STACKS,
    WIDTH,
    WORDS,
    configuration,
    gated_roles,
    plain_roles,
)

TEXT = SIZES | WORDS
TRANSLATOR = TWO_STACKS | WORDS | MARKS | {"decoder_start_token_id": 1, "forced_eos_token_id": 2}
T5 = {
    "d_model": WIDTH,
    "d_kv": WIDTH // HEADS,
    "d_ff": HIDDEN,
    "num_layers": DEPTH,
    "num_heads": HEADS,
    "vocab_size": 50,
}
DEBERTA = TEXT | {"relative_attention": True, "pos_att_type": "c2p|p2c"}
DENSE = {"attention.output.dense": "attention_output", "intermediate.dense": "mlp_in", "output.dense": "mlp_out"}
T5_ATTENTION = {
    "layer.0.SelfAttention.q": "query",
    "layer.0.SelfAttention.k": "key",
    "layer.0.SelfAttention.v": "value",
    "layer.0.SelfAttention.o": "attention_output",
}
ALBERT = plain_roles("attention", "query", "key", "value", "attention.dense", "ffn", "ffn_output")

LIKE_BERT: tuple[Configuration, ...] = (
    configuration("BertModel", TEXT, BERT, norm="post"),
    configuration("RobertaModel", TEXT, BERT, norm="post"),
    configuration("XLMRobertaModel", TEXT, norm="post"),
    configuration("CamembertModel", TEXT, norm="post"),
    configuration("ElectraModel", TEXT, BERT, norm="post"),
    configuration("Data2VecTextModel", TEXT, norm="post"),
    configuration("RobertaPreLayerNormModel", TEXT, BERT),
    configuration("XLMRobertaXLModel", TEXT, BERT),
    configuration("BigBirdModel", TEXT | {"block_size": 2, "num_random_blocks": 1}, norm="post"),
    configuration("EsmModel", TEXT | {"pad_token_id": 1, "mask_token_id": 3}, BERT),
    configuration(
        "LayoutLMv3Model",
        TEXT | {"input_size": 32, "patch_size": 8, "coordinate_size": 4, "shape_size": 8},
        BERT,
        norm="post",
    ),
    configuration(
        "LongformerModel",
        TEXT | {"attention_window": 4},
        BERT
        | {
            "attention.self.query_global": "none",
            "attention.self.key_global": "none",
            "attention.self.value_global": "none",
        },
        norm="post",
        misleading=True,  # query_global and its like are a second set of inputs of the same attention
    ),
    configuration("BlipTextModel", TEXT | MARKS | {"encoder_hidden_size": WIDTH}, BERT, norm="post"),
    configuration(
        "Blip2QFormerModel",
        TEXT | {"encoder_hidden_size": WIDTH},
        plain_roles(
            "attention.attention",
            "query",
            "key",
            "value",
            "attention.output.dense",
            "intermediate_query.dense",
            "output_query.dense",
        )
        | {"crossattention.attention.query": "another query", "crossattention.attention.key": "another key"},
        norm="post",
    ),
    configuration("CLIPTextModel", TEXT | MARKS, CLIP),
    configuration("SiglipTextModel", TEXT | MARKS, CLIP),
)

OWN_NAMES: tuple[Configuration, ...] = (
    configuration(
        "DistilBertModel",
        WORDS | {"dim": WIDTH, "n_layers": DEPTH, "n_heads": HEADS, "hidden_dim": HIDDEN},
        plain_roles("attention", "q_lin", "k_lin", "v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2"),
        norm="post",
    ),
    configuration(
        "AlbertModel",
        TEXT | {"embedding_size": 16},
        ALBERT,
        norm="post",
        misleading=True,  # `ffn` is the mlp's first matrix, `ffn_output` its second; one block stands for all layers
    ),
    configuration(
        "AlbertModel",
        TEXT | {"embedding_size": 16, "num_hidden_groups": 2},
        ALBERT,
        variant="two groups",
        norm="post",
        misleading=True,
    ),
    configuration(
        "DebertaModel",
        DEBERTA,
        # in_proj(x).view(..., heads, 3 * head width).chunk(3): the rows of one head after those of another
        {
            "attention.self.in_proj": "head-major query+key+value",
            "attention.self.pos_proj": "none",
            "attention.self.pos_q_proj": "none",
        }
        | DENSE,
        norm="post",
        misleading=True,
    ),
    configuration(
        "DebertaV2Model",
        DEBERTA | {"share_att_key": False, "conv_kernel_size": 3},
        plain_roles(
            "attention.self",
            "query_proj",
            "key_proj",
            "value_proj",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        )
        | {"attention.self.pos_key_proj": "none", "attention.self.pos_query_proj": "none"},
        norm="post",
        misleading=True,  # pos_key_proj and pos_query_proj project positions
    ),
    configuration(
        "MPNetModel",
        TEXT,
        plain_roles("attention.attn", "q", "k", "v", "attention.attn.o", "intermediate.dense", "output.dense"),
        norm="post",
    ),
    configuration(
        "ModernBertModel",
        TEXT | MARKS | {"cls_token_id": 1, "sep_token_id": 2},
        {
            "attn.Wqkv": "query+key+value",
            "attn.Wo": "attention_output",
            # input, gate = Wi(x).chunk(2); Wo(act(input) * gate): what it calls `input` is activated
            "mlp.Wi": "mlp_gate+mlp_in",
            "mlp.Wo": "mlp_out",
        },
        misleading=True,
    ),
    configuration("NomicBertModel", TEXT, gated_roles("self_attn", "mlp"), norm="post"),
    configuration(
        "MobileBertModel",
        TEXT | {"embedding_size": 16, "intra_bottleneck_size": 16},
        # Queries and keys read the bottleneck's narrow stream, values the wide one; three mlps stand before this one
        plain_roles(
            "attention.self",
            "query",
            "key",
            "value",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        )
        | {
            "ffn.0.intermediate.dense": "another mlp_in",
            "ffn.0.output.dense": "another mlp_out",
            "bottleneck.input.dense": "none",
            "bottleneck.attention.dense": "none",
            "output.bottleneck.dense": "none",
        },
        norm="post",
        misleading=True,
    ),
    configuration(
        "XLNetModel",
        {"vocab_size": 50, "d_model": WIDTH, "n_layer": DEPTH, "n_head": HEADS, "d_inner": HIDDEN},
        {"ff.layer_1": "mlp_in", "ff.layer_2": "mlp_out"},  # its attention is stored with three axes, without `.weight`
        norm="post",
        misleading=True,  # `r` projects positions
    ),
    configuration(
        "XLMModel",
        {
            "vocab_size": 50,
            "emb_dim": WIDTH,
            "n_layers": DEPTH,
            "n_heads": HEADS,
            "n_langs": 1,
            "max_position_embeddings": 16,
        },
        # Lists of attentions and of mlps side by side: no part of the model holds one block
        {
            "q_lin": "query",
            "k_lin": "key",
            "v_lin": "value",
            "out_lin": "attention_output",
            "lin1": "mlp_in",
            "lin2": "mlp_out",
        },
        norm="post",
        misleading=True,
    ),
    configuration(
        "CTRLModel",
        {
            "vocab_size": 50,
            "n_positions": 16,
            "n_embd": WIDTH,
            "dff": HIDDEN,
            "n_layer": DEPTH,
            "n_head": HEADS,
        },
        plain_roles("multi_head_attention", "Wq", "Wk", "Wv", "multi_head_attention.dense", "ffn.0", "ffn.2"),
    ),
)

TWO_STACK_MODELS: tuple[Configuration, ...] = (
    configuration("BartModel", TRANSLATOR, BART, norm="post"),
    configuration("BartModel", TRANSLATOR, BART, variant="its encoder", part="encoder", norm="post"),
    configuration("MarianModel", TRANSLATOR, BART, variant="its encoder", part="encoder", norm="post"),
    configuration("M2M100Model", TRANSLATOR, BART, variant="its encoder", part="encoder", config="M2M100Config"),
    configuration("PegasusModel", TRANSLATOR, BART, variant="its encoder", part="encoder"),
    configuration(
        "T5Model",
        T5,
        T5_ATTENTION
        | {
            "layer.1.DenseReluDense.wi": "mlp_in",
            "layer.1.DenseReluDense.wo": "mlp_out",
        },
    ),
    configuration(
        "T5EncoderModel",
        T5,
        T5_ATTENTION
        | {
            "layer.1.DenseReluDense.wi": "mlp_in",
            "layer.1.DenseReluDense.wo": "mlp_out",
        },
        config="T5Config",
    ),
    configuration(
        "T5EncoderModel",
        T5 | {"feed_forward_proj": "gated-gelu"},
        # act(wi_0(x)) * wi_1(x)
        T5_ATTENTION
        | {
            "layer.1.DenseReluDense.wi_0": "mlp_gate",
            "layer.1.DenseReluDense.wi_1": "mlp_in",
            "layer.1.DenseReluDense.wo": "mlp_out",
        },
        variant="gated",
        config="T5Config",
        misleading=True,
    ),
)

CONFIGURATIONS = LIKE_BERT + OWN_NAMES + TWO_STACK_MODELS
