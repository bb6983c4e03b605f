"""Decoders: GPT-2, which stores its weights transposed, and families whose fused query, key and value are stored
head by head, or in an order that their names do not determine.
"""

from crosspath.layouts.layout import Layout, Order, Place, Role, fused_roles, split_roles

_EMBEDDINGS = ("wte", "wpe", "transformer.wte", "transformer.wpe", "embed_in", "word_embeddings", "embedding")


def _gpt2(transposed: bool) -> dict[Role, Place]:
    return fused_roles("attn.c_attn.weight", "attn.c_attn.bias", transposed=transposed) | split_roles(
        {
            "attention_output": ("attn.c_proj.weight", "attn.c_proj.bias"),
            "mlp_in": ("mlp.c_fc.weight", "mlp.c_fc.bias"),
            "mlp_out": ("mlp.c_proj.weight", "mlp.c_proj.bias"),
        },
        transposed=transposed,
    )


def _query_key_value(attention: str, order: Order | None) -> dict[Role, Place]:
    return fused_roles(
        f"{attention}.query_key_value.weight", f"{attention}.query_key_value.bias", order=order
    ) | split_roles(
        {
            "attention_output": (f"{attention}.dense.weight", f"{attention}.dense.bias"),
            "mlp_in": ("mlp.dense_h_to_4h.weight", "mlp.dense_h_to_4h.bias"),
            "mlp_out": ("mlp.dense_4h_to_h.weight", "mlp.dense_4h_to_h.bias"),
        }
    )


TRANSFORMERS_GPT2 = Layout(
    name="transformers GPT-2",
    block="h.",
    roles=_gpt2(transposed=True),
    heads="attn.num_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

NANOGPT = Layout(
    name="GPT-2's names with plain linear layers",
    block="h.",
    roles=_gpt2(transposed=False),
    heads="attn.n_head",
    norm="pre",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_GPT_NEOX = Layout(
    name="transformers GPT-NeoX",
    block="layers.",
    roles=_query_key_value("attention", "head-major"),
    heads="attention.config.num_attention_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_BLOOM = Layout(
    name="transformers BLOOM",
    block="h.",
    roles=_query_key_value("self_attention", "head-major"),
    heads="self_attention.num_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

MEGATRON = Layout(
    name="Megatron",
    block="layers.",
    roles=_query_key_value("self_attention", None),
    norm="pre",
    stem=_EMBEDDINGS,
)
