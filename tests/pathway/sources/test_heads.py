"""Head counts, as the attention modules of several libraries state them."""

import pytest
import timm
from torch import nn

from crosspath.pathway.sources.heads import Heads, heads_of

SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32, "vocab_size": 40, "num_attention_heads": 4}
CASES: dict[str, tuple[str, dict[str, object], str, str, Heads]] = {
    "BERT": ("Bert", SIZES, "encoder.layer.0", "attention.self", Heads(4, 4)),
    "Llama": ("Llama", {**SIZES, "num_key_value_heads": 2}, "layers.0", "self_attn", Heads(4, 2)),
    "Gemma, heads wider than the width": (
        "Gemma",
        {**SIZES, "num_key_value_heads": 1, "head_dim": 16},
        "layers.0",
        "self_attn",
        Heads(4, 1),
    ),
    "Phi-3, fused": (
        "Phi3",
        {**SIZES, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
        "layers.0",
        "self_attn",
        Heads(4, 2),
    ),
    "Falcon, one key for all": ("Falcon", {**SIZES, "multi_query": True}, "h.0", "self_attention", Heads(4, 1)),
    "GPT-NeoX": ("GPTNeoX", {**SIZES, "bos_token_id": 1, "eos_token_id": 2}, "layers.0", "attention", Heads(4, 4)),
    "T5": (
        "T5",
        {"d_model": 32, "d_kv": 16, "d_ff": 32, "num_layers": 1, "num_heads": 4, "vocab_size": 40},
        "encoder.block.0",
        "layer.0.SelfAttention",
        Heads(4, 4),
    ),
    "GPT-BigCode": (
        "GPTBigCode",
        {"n_embd": 32, "n_layer": 1, "n_head": 4, "vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2},
        "h.0",
        "attn",
        Heads(4, 1),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_heads_of_transformers(case: str) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    name, settings, block, attention, heads = CASES[case]
    model: nn.Module = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))
    assert heads_of(model.get_submodule(block), attention) == heads


def test_heads_of_stages() -> None:
    sizes = {"img_size": 16, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 4), "window_size": 2}
    model = timm.create_model("swin_tiny_patch4_window7_224", **sizes)
    assert [heads_of(stage.blocks[0], "attn") for stage in model.layers] == [Heads(2, 2), Heads(4, 4)]


def test_the_block_itself_may_attend() -> None:
    assert heads_of(nn.MultiheadAttention(8, 2)) == Heads(2, 2)


class Attention(nn.Module):
    def __init__(self, rows: int, **attributes: object) -> None:
        super().__init__()
        self.q_proj, self.k_proj = nn.Linear(16, rows), nn.Linear(16, 8)
        for name, value in attributes.items():
            setattr(self, name, value)


@pytest.mark.parametrize(
    ("attention", "heads"),
    [
        (Attention(16, head_dim=4), Heads(4, 2)),
        (Attention(16, heads=4, kv_heads=1), Heads(4, 1)),
        (Attention(16), None),
        (Attention(16, num_heads=True), None),
        (Attention(16, num_heads=(2, 4)), None),
        (Attention(16, head_dim=4, config=type("Config", (), {"n_head": 4})()), Heads(4, 2)),
        # A query weight with a gate in it has twice the rows that the head count promises.
        (Attention(32, head_dim=4, config=type("Config", (), {"n_head": 4})()), None),
    ],
)
def test_what_counts_as_a_statement(attention: Attention, heads: Heads | None) -> None:
    block = nn.Module()
    block.attention = attention
    assert heads_of(block, "attention") == heads


def test_an_attribute_around_the_attention_counts() -> None:
    block = nn.Module()
    block.num_heads, block.attention = 4, nn.ModuleDict({"inner": nn.Linear(8, 8)})
    assert heads_of(block, "attention.inner") == Heads(4, 4)
    assert str(Heads(4, 2)) != str(Heads(4, 4))
