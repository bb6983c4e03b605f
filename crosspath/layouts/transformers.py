"""Hugging Face transformers' encoders: names of release 5, and those of release 4 (which files on the hub have) where
they differ.
"""

from crosspath.layouts.layout import Layout, Place, Role, split_roles

_EMBEDDINGS = (
    *("embeddings", "embed_tokens", "embed_positions", "project_in", "layernorm_embedding", "pre_layrnorm"),
    *("conv1", "conv2", "feature_projection", "feature_extractor", "masked_spec_embed"),
    *("pos_conv_embed", "encoder.pos_conv_embed"),
)


def _roles(attention: str, names: tuple[str, str, str], output: str, mlp: tuple[str, str]) -> dict[Role, Place]:
    places = {
        "query": f"{attention}.{names[0]}",
        "key": f"{attention}.{names[1]}",
        "value": f"{attention}.{names[2]}",
        "attention_output": output,
        "mlp_in": mlp[0],
        "mlp_out": mlp[1],
    }
    return split_roles({role: (f"{path}.weight", f"{path}.bias") for role, path in places.items()})  # type: ignore[misc]


_PROJECTIONS = ("q_proj", "k_proj", "v_proj")
_PLAIN = ("query", "key", "value")
_VIT = _roles("attention", _PROJECTIONS, "attention.o_proj", ("mlp.fc1", "mlp.fc2"))

TRANSFORMERS_VIT = Layout(
    name="transformers ViT, ViTMAE, DeiT, BEiT, AST",
    block="layers.",
    roles=_VIT,
    heads="attention.num_attention_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_SWIN = Layout(
    name="transformers Swin",
    stage="layers.",
    block="blocks.",
    roles=_VIT,
    heads="attention.num_attention_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_DINOV2 = Layout(
    name="transformers DINOv2",
    block="encoder.layer.",
    roles=_VIT,
    heads="attention.num_attention_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_VIDEOMAE = Layout(
    name="transformers VideoMAE; ViT, DeiT and AST before release 5",
    block="encoder.layer.",
    roles=_roles("attention.attention", _PLAIN, "attention.output.dense", ("intermediate.dense", "output.dense")),
    heads="attention.attention.num_attention_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_BERT = Layout(
    name="transformers BERT, RoBERTa",
    block="encoder.layer.",
    roles=_roles("attention.self", _PLAIN, "attention.output.dense", ("intermediate.dense", "output.dense")),
    heads="attention.self.num_attention_heads",
    norm="post",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_WAV2VEC2 = Layout(
    name="transformers wav2vec 2.0, HuBERT",
    block="encoder.layers.",
    roles=_roles(
        "attention",
        _PROJECTIONS,
        "attention.out_proj",
        ("feed_forward.intermediate_dense", "feed_forward.output_dense"),
    ),
    heads="attention.num_heads",
    norm="attention.config.do_stable_layer_norm",
    stem=_EMBEDDINGS,
    post_stem=("encoder.layer_norm",),
)

TRANSFORMERS_CLIP = Layout(
    name="transformers CLIP tower",
    block="encoder.layers.",
    roles=_roles("self_attn", _PROJECTIONS, "self_attn.out_proj", ("mlp.fc1", "mlp.fc2")),
    heads="self_attn.num_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)

TRANSFORMERS_WHISPER = Layout(
    name="transformers Whisper encoder",
    block="layers.",
    roles=_roles("self_attn", _PROJECTIONS, "self_attn.out_proj", ("fc1", "fc2")),
    heads="self_attn.num_heads",
    norm="pre",
    stem=_EMBEDDINGS,
)
