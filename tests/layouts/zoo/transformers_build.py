"""How a tiny model of transformers is built from its configuration alone, and the sizes that most of them share."""

from collections.abc import Callable, Mapping

import pytest
from torch import nn

from tests.layouts.zoo.configuration import Configuration

WIDTH, DEPTH, HEADS = 32, 2, 4
HIDDEN = 4 * WIDTH
"""Of a plain mlp and of a gated one alike, so that only its gate tells one from the other."""

SIZES = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS, "intermediate_size": HIDDEN}
WORDS = {"vocab_size": 50, "max_position_embeddings": 16}
MARKS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
PICTURE = {"image_size": 32, "patch_size": 8}
TWO_STACKS = {
    "d_model": WIDTH,
    "encoder_layers": DEPTH,
    "decoder_layers": DEPTH,
    "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS,
    "encoder_ffn_dim": HIDDEN,
    "decoder_ffn_dim": HIDDEN,
}
Settings = Mapping[str, object]


def build(model: str, config: str, settings: Settings, part: str = "") -> Callable[[], nn.Module]:
    """A function that builds the model, or the part of it at this path; it skips where transformers lacks the class."""

    def new_model() -> nn.Module:
        transformers = pytest.importorskip("transformers", reason="needs transformers")
        if not (hasattr(transformers, model) and hasattr(transformers, config)):
            pytest.skip(f"this release of transformers has no {model}")
        network = getattr(transformers, model)(getattr(transformers, config)(**settings))
        assert isinstance(network, nn.Module)
        return network.get_submodule(part)

    return new_model


def configuration(
    model: str,
    settings: Settings,
    roles: Mapping[str, str] | None = None,
    *,
    variant: str = "",
    config: str = "",
    part: str = "",
    norm: str | None = "pre",
    misleading: bool = False,
    refusal: str | None = None,
) -> Configuration:
    """The configuration of a class of transformers; `roles` names weights without `.weight`."""
    return Configuration(
        name=f"transformers {model}{', ' if variant else ''}{variant}",
        build=build(model, config or model.removesuffix("Model") + "Config", settings, part),
        roles={f"{path}.weight": role for path, role in (roles or {}).items()},
        norm=norm,
        misleading=misleading,
        refusal=refusal,
    )


def plain_roles(
    attention: str, query: str, key: str, value: str, output: str, mlp_in: str, mlp_out: str
) -> dict[str, str]:
    """Query, key and value apart, inside `attention`; a plain mlp."""
    return {
        f"{attention}.{query}": "query",
        f"{attention}.{key}": "key",
        f"{attention}.{value}": "value",
        output: "attention_output",
        mlp_in: "mlp_in",
        mlp_out: "mlp_out",
    }


def gated_roles(attention: str, mlp: str) -> dict[str, str]:
    """Llama's names: `down_proj(act(gate_proj(x)) * up_proj(x))`."""
    return {
        f"{attention}.q_proj": "query",
        f"{attention}.k_proj": "key",
        f"{attention}.v_proj": "value",
        f"{attention}.o_proj": "attention_output",
        f"{mlp}.gate_proj": "mlp_gate",
        f"{mlp}.up_proj": "mlp_in",
        f"{mlp}.down_proj": "mlp_out",
    }


# modeling_vit.py, modeling_bert.py, modeling_clip.py, modeling_bart.py, modeling_wav2vec2.py
VIT = plain_roles("attention", "q_proj", "k_proj", "v_proj", "attention.o_proj", "mlp.fc1", "mlp.fc2")
VIDEOMAE = plain_roles(
    "attention.attention", "query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"
)
BERT = plain_roles(
    "attention.self", "query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"
)
CLIP = plain_roles("self_attn", "q_proj", "k_proj", "v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")
BART = plain_roles("self_attn", "q_proj", "k_proj", "v_proj", "self_attn.out_proj", "fc1", "fc2")
WAV2VEC2 = plain_roles(
    "attention",
    "q_proj",
    "k_proj",
    "v_proj",
    "attention.out_proj",
    "feed_forward.intermediate_dense",
    "feed_forward.output_dense",
)
