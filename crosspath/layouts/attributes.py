"""What libraries call the numbers of a model's attention: attributes of modules, and settings of a `config.json`."""

QUERY_HEADS = (
    "num_heads",
    "num_attention_heads",
    "n_heads",
    "n_head",
    "nhead",
    "num_q_heads",
    "num_query_heads",
    "attention_heads",
    "num_attn_heads",
    "heads",
)
KEY_VALUE_HEADS = (
    "num_key_value_heads",
    "num_kv_heads",
    "n_kv_heads",
    "n_kv_head",
    "n_head_kv",
    "kv_heads",
    "kv_n_heads",
    "multi_query_group_num",
)
HEAD_WIDTH = (
    "head_dim",
    "head_size",
    "attention_head_size",
    "d_kv",
    "d_head",
    "dim_head",
    "kv_channels",
    "key_value_proj_dim",
)
WIDTH = ("hidden_size", "d_model", "n_embd", "dim", "width")
NORM_FIRST = ("do_layer_norm_before", "do_stable_layer_norm", "norm_first", "normalize_before", "pre_norm", "prenorm")
"""Settings that are true where a block is `pre`, and false where it is `post`."""
PARTS = {
    "text": ("text", "language", "lm", "llm"),
    "vision": ("vision", "visual", "image"),
    "audio": ("audio", "speech"),
}
"""{a word of the settings of a part (`text_config`): words in the names of that part's weights}."""
