"""The roles of one block's weights, by words and shapes, and what is not guessed."""

from collections.abc import Mapping

import pytest

from crosspath.pathway.anatomy.block_roles import find_roles

D, F = 8, 32
QKV = {f"attn.{name}.weight": (D, D) for name in ("q", "k", "v", "proj")}
NORM = {"norm1.weight": (D,)}


def roles(weights: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """{weight: role}, with the branch before it and the kind of a fused weight."""
    result = find_roles(weights | NORM)
    found: dict[str, str] = {}
    for attention in result.attentions:
        prefix = f"{attention.branch}." if attention.branch else ""
        found |= {name: prefix + kind for kind, name in attention.inputs.items()}
        found |= {attention.output: f"{prefix}attention_output"} if attention.output else {}
    for mlp in result.mlps:
        prefix = f"{mlp.branch}." if mlp.branch else ""
        found |= {
            name: prefix + role + (" fused" * (mlp.fused and role == "mlp_in")) for role, name in mlp.weights.items()
        }
    return {name.removesuffix(".weight"): role for name, role in found.items()}


def test_a_plain_block() -> None:
    assert roles(QKV | {"mlp.fc1.weight": (F, D), "mlp.fc2.weight": (D, F)}) == {
        "attn.q": "query",
        "attn.k": "key",
        "attn.v": "value",
        "attn.proj": "attention_output",
        "mlp.fc1": "mlp_in",
        "mlp.fc2": "mlp_out",
    }


def test_one_word_is_two_roles_by_where_it_stands() -> None:
    bert = {f"attention.self.{n}.weight": (D, D) for n in ("query", "key", "value")}
    bert |= {
        "attention.output.dense.weight": (D, D),
        "intermediate.dense.weight": (F, D),
        "output.dense.weight": (D, F),
    }
    found = roles(bert)
    assert found["attention.output.dense"] == "attention_output"
    assert found["output.dense"] == "mlp_out"
    t5 = {f"layer.0.SelfAttention.{n}.weight": (D, D) for n in "qkvo"}
    t5 |= {f"layer.1.DenseReluDense.{n}.weight": (F, D) for n in ("wi_0", "wi_1")} | {
        "layer.1.DenseReluDense.wo.weight": (D, F)
    }
    found = roles(t5)
    assert found["layer.0.SelfAttention.o"] == "attention_output"
    assert [found[f"layer.1.DenseReluDense.{n}"] for n in ("wi_0", "wi_1", "wo")] == ["mlp_gate", "mlp_in", "mlp_out"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("gate_proj", "up_proj", "down_proj"), ("mlp_gate", "mlp_in", "mlp_out")),
        (("w1", "w3", "w2"), ("mlp_gate", "mlp_in", "mlp_out")),  # Llama
        (("w0", "w1", "w2"), ("mlp_gate", "mlp_in", "mlp_out")),  # ViTamin: w1 is the other one
        (("fc1_g", "fc1_x", "fc2"), ("mlp_gate", "mlp_in", "mlp_out")),
    ],
)
def test_gated_mlps(words: tuple[str, ...], expected: tuple[str, ...]) -> None:
    shapes = ((F, D), (F, D), (D, F))
    found = roles({f"mlp.{word}.weight": shape for word, shape in zip(words, shapes, strict=True)})
    assert tuple(found[f"mlp.{word}"] for word in words) == expected


def test_numbered_words_of_square_matrices_are_not_guessed() -> None:
    """Llama's w2 takes the result out; others' w2 is the second input, and their w3 the output."""
    assert roles({f"mlp.{word}.weight": (D, D) for word in ("w1", "w2", "w3")}) == {}
    assert roles({"mlp.w1.weight": (F, D), "mlp.w2.weight": (F, D), "mlp.w3.weight": (D, F)}) == {}


def test_a_gate_with_nothing_to_gate_is_the_one_input() -> None:
    assert roles({"mlp.gate_proj.weight": (F, D), "mlp.down_proj.weight": (D, F)})["mlp.gate_proj"] == "mlp_in"


def test_one_weight_for_both_inputs_of_a_gated_mlp() -> None:
    assert roles({"mlp.fc1.weight": (2 * F, D), "mlp.fc2.weight": (D, F)})["mlp.fc1"] == "mlp_in fused"
    assert (
        roles({"mlp.gate_up_proj.weight": (2 * F, D), "mlp.down_proj.weight": (D, F)})["mlp.gate_up_proj"]
        == "mlp_in fused"
    )


def test_three_numbered_matrices_of_twice_the_width_are_no_fused_mlp() -> None:
    """silu(fc1)·fc2 → fc3: of the shapes of the first two alone, fc2 would take fc1's halves out."""
    assert roles({"mlp.fc1.weight": (2 * D, D), "mlp.fc2.weight": (2 * D, D), "mlp.fc3.weight": (D, 2 * D)}) == {}


def test_unknown_words_are_decided_by_shapes_of_linear_layers_only() -> None:
    assert roles({"net.a.weight": (D, F), "net.b.weight": (F, D)}) == {"net.a": "mlp_out", "net.b": "mlp_in"}
    assert roles({"net.a.weight": (D, D), "net.b.weight": (D, D)}) == {}
    bottleneck = {"conv1.weight": (2, D, 1, 1), "conv3.weight": (D, 2, 1, 1)}
    assert roles(bottleneck) == {}
    assert roles({f"ffn.{name}": shape for name, shape in bottleneck.items()}) != {}


def test_what_weighs_channels_and_what_attends_to_nothing_has_no_role() -> None:
    assert roles({"se.fc1.weight": (2, D), "se.fc2.weight": (D, 2)}) == {}
    assert roles({"ffn.key.weight": (F, D), "ffn.value.weight": (D, F), "ffn.receptance.weight": (D, D)}) == {}  # RWKV


def test_a_token_mixer_of_pointwise_convolutions_is_no_mlp_beside_one() -> None:
    mixer = {"token_mixer.pwconv1.weight": (F, D), "token_mixer.pwconv2.weight": (D, F)}
    mlp = {"mlp.fc1.weight": (F, D), "mlp.fc2.weight": (D, F)}
    assert roles(mixer | mlp) == {"mlp.fc1": "mlp_in", "mlp.fc2": "mlp_out"}
    assert set(roles(mixer).values()) == {"mlp_in", "mlp_out"}


def test_an_mlp_over_one_feature_is_none() -> None:
    assert roles({"mlp.fc1.weight": (4, 1), "mlp.fc2.weight": (1, 4)}) == {}


def test_a_second_attention_or_mlp_has_a_name_of_its_own() -> None:
    cross = {name.replace("attn.", "encoder_attn."): shape for name, shape in QKV.items()}
    found = roles(QKV | cross)
    assert (found["attn.q"], found["encoder_attn.q"]) == ("query", "cross.query")
    two = {name.replace("attn.", f"attn_{kind}."): shape for kind in ("block", "grid") for name, shape in QKV.items()}
    found = roles(two)
    assert (found["attn_block.v"], found["attn_grid.v"]) == ("attn_block.value", "attn_grid.value")
    mixer = {"mlp_tokens.fc1.weight": (6, 12), "mlp_tokens.fc2.weight": (12, 6)}
    found = roles(mixer | {"mlp_channels.fc1.weight": (F, D), "mlp_channels.fc2.weight": (D, F)})
    assert (found["mlp_channels.fc1"], found["mlp_tokens.fc1"]) == ("mlp_in", "mlp_tokens.mlp_in")


def test_an_output_reads_what_the_heads_write() -> None:
    """A matrix of the right word and the wrong size is none."""
    weights = {f"attn.{name}.weight": (D, D) for name in ("q", "k", "v")} | {"attn.proj.weight": (D, 3)}
    assert "attention_output" not in roles(weights).values()
