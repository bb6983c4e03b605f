"""Pairs of unlike families, role by role against the tables that were written by hand for both sides.

A model against its own copy proves nothing about roles, since equal names pair anyhow.
"""

import pytest
import timm

import crosspath
from crosspath.layouts import Role
from tests.errors import refused
from tests.layouts.zoo.alike import (
    CONFIGURATIONS,
    GATED,
    GROUPED,
    GROUPED_PLAIN,
    MORE,
    PLAIN,
    SINGLE_KEY,
    TRANSPOSED,
    model_of,
    roles_of,
)
from tests.layouts.zoo.transformers_build import DEPTH
from tests.layouts.zoo.truth import ATTENTION, rows_of


def rotate(names: tuple[str, ...], step: int) -> list[tuple[str, str]]:
    """Each with the one `step` places further on, around the end."""
    return [(name, names[(place + step) % len(names)]) for place, name in enumerate(names)]


WHOLE = [
    *rotate(PLAIN, 1),
    *rotate(PLAIN, 17),
    *rotate(GATED, 1),
    *rotate(GATED, 3),
    *rotate(GROUPED, 1),
    *rotate(GROUPED_PLAIN, 1),
    *rotate(SINGLE_KEY, 1),
]
"""Pairs in which every role of every block has a counterpart."""
UNLIKE_MLPS = [
    ("transformers LlamaModel", "transformers ViTModel"),
    ("transformers ViTModel", "transformers DINOv3ViTModel, gated"),
    ("transformers ModernBertModel", "transformers BertModel"),
    ("transformers TimesFmModel", "transformers LlamaModel"),
    ("transformers T5EncoderModel, gated", "transformers T5EncoderModel"),
    ("timm vit_tiny_patch16_224", "transformers PixtralVisionModel"),
    ("transformers MptModel", "transformers NomicBertModel"),
    ("transformers Phi3Model", "transformers PhiModel"),
    ("transformers Starcoder2Model", "transformers LlamaModel, grouped queries"),
    ("transformers FalconModel, grouped queries", "transformers Glm4Model"),
    ("nanoGPT", "transformers Qwen2Model"),
    ("torch TransformerEncoder", "transformers Dinov2Model, SwiGLU"),
]
"""One of each has a gated mlp, the other a plain one."""


def with_ids(pairs: list[tuple[str, str]]) -> list[object]:
    return [pytest.param(*pair, id=" <- ".join(pair)) for pair in pairs]


def check_pairs(report: crosspath.MatchReport, target: str, auxiliary: str) -> dict[tuple[int, Role | None], int]:
    """Every pair joins the places that both tables name for its role; returns how often each block's role pairs."""
    models = model_of(target), model_of(auxiliary)
    counts: dict[tuple[int, Role | None], int] = {}
    for pair in report.pairs:
        ours, theirs = rows_of(pair.target, models[0]), rows_of(pair.auxiliary, models[1])
        block = next((index for index, roles in enumerate(roles_of(target)) if roles.get(str(pair.role)) == ours), None)
        assert block is not None, f"{target}: {pair.target} is no {pair.role}"
        assert roles_of(auxiliary)[block].get(str(pair.role)) == theirs, f"{auxiliary}: {pair.auxiliary}, {pair.role}"
        for slot, name in ((pair.target, target), (pair.auxiliary, auxiliary)):
            assert slot.transposed == (name in TRANSPOSED), f"{name}: {slot}"
        counts[block, pair.role] = counts.get((block, pair.role), 0) + 1
    return counts


@pytest.mark.parametrize(("target", "auxiliary"), with_ids(WHOLE))
def test_equal_roles_pair_and_nothing_else(target: str, auxiliary: str) -> None:
    roles = roles_of(target)[0].keys()
    assert roles == roles_of(auxiliary)[0].keys()
    report = crosspath.match(model_of(target), model_of(auxiliary), accept={"norm"})
    if {target, auxiliary} & MORE:
        assert not report.ok
        check_pairs(report, target, auxiliary)
        report = crosspath.match(model_of(target), model_of(auxiliary), accept={"norm", "partial"}, roles=set(roles))
    assert not report.mismatches
    assert check_pairs(report, target, auxiliary) == {(block, role): 1 for block in range(DEPTH) for role in roles}


@pytest.mark.parametrize(("target", "auxiliary"), with_ids(UNLIKE_MLPS))
def test_a_gated_mlp_pairs_with_no_plain_one(target: str, auxiliary: str) -> None:
    report = crosspath.match(model_of(target), model_of(auxiliary), accept={"norm"})
    assert not report.ok
    assert {role for _, role in check_pairs(report, target, auxiliary)} <= set(ATTENTION)
    assert any("mlp" in mismatch.where for mismatch in report.mismatches)
    report = crosspath.match(model_of(target), model_of(auxiliary), accept={"norm"}, roles="attention")
    assert not report.mismatches
    assert check_pairs(report, target, auxiliary) == {(block, role): 1 for block in range(DEPTH) for role in ATTENTION}


def test_most_pairs_join_unlike_libraries_or_modalities() -> None:
    assert len(WHOLE) + len(UNLIKE_MLPS) >= 60
    assert all(ours != theirs for ours, theirs in WHOLE)


FUSED = [
    name
    for name in PLAIN + GATED + GROUPED + GROUPED_PLAIN
    if any("+" in role for role in CONFIGURATIONS[name].roles.values())
    and name != "transformers GPTBigCodeModel, all heads"
]
"""All but one whose names and shapes are nanoGPT's: files alone do not tell the two apart, and nanoGPT's are common."""
PARTNERS = {
    PLAIN: "transformers ViTModel",
    GATED: "transformers LlamaModel",
    GROUPED: "transformers LlamaModel, grouped queries",
    GROUPED_PLAIN: "transformers PhiModel",
}


@pytest.mark.parametrize("name", FUSED)
def test_of_a_state_dict_rows_are_right_or_asked_for(name: str) -> None:
    """Without classes, the order of a fused weight's rows follows from its name or from nothing."""
    partner = next(model for names, model in PARTNERS.items() if name in names)
    report = crosspath.match(model_of(partner), model_of(name).state_dict(), accept={"norm", "partial"})
    roles = {role for _, role in check_pairs(report, partner, name)}
    assert "attention_output" in roles
    asked_for = {mismatch.where.partition(" of ")[0] for mismatch in report.mismatches}
    assert roles_of(name)[0].keys() - roles <= asked_for


@pytest.mark.parametrize(
    "name",
    [
        "transformers CLIPModel",
        "transformers BartModel",
        "transformers WhisperModel",
        "transformers T5Model",
        "transformers SamModel",
        "transformers VJEPA2Model",
        "torch Transformer",
        "open_clip CLIP, both towers",
    ],
)
def test_of_several_stacks_none_is_guessed(name: str) -> None:
    """Two encoders, or an encoder and a decoder, have as many blocks together as this ViT."""
    vit = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=4, embed_dim=32, num_heads=4)
    whole = CONFIGURATIONS[name].build()
    with refused(type(whole).__name__, kind=crosspath.PathwayError):
        crosspath.match(vit, whole, accept={"norm"})


def test_key_and_value_in_one_weight_pair_once_their_order_is_stated() -> None:
    target, auxiliary = "transformers ViTModel", "to_q, to_kv and to_out, as x-transformers has them"
    report = crosspath.match(model_of(target), model_of(auxiliary), accept={"norm"})
    assert not report.ok
    assert {role for _, role in check_pairs(report, target, auxiliary)} == {
        "query",
        "attention_output",
        "mlp_in",
        "mlp_out",
    }
    places = {
        "query": crosspath.Place(weight="0.to_q.weight"),
        "key": crosspath.Place(weight="0.to_kv.weight", part=0, parts=2),
        "value": crosspath.Place(weight="0.to_kv.weight", part=1, parts=2),
        "attention_output": crosspath.Place(weight="0.to_out.0.weight", bias="0.to_out.0.bias"),
        "mlp_in": crosspath.Place(weight="1.1.weight", bias="1.1.bias"),
        "mlp_out": crosspath.Place(weight="1.4.weight", bias="1.4.bias"),
    }
    layout = crosspath.Layout(name="mine", block="layers.", roles=places, heads="0.heads", norm="pre")
    report = crosspath.match(model_of(target), model_of(auxiliary), auxiliary_layout=layout)
    assert report.ok
    assert sum(check_pairs(report, target, auxiliary).values()) == DEPTH * len(places)


def test_a_bare_parameter_has_no_role_whatever_its_name() -> None:
    """XLNet's q, k, v and o have three axes and stand in no layer: which of them are outputs, nothing states."""
    vit, xlnet = model_of("transformers ViTModel"), model_of("transformers XLNetModel")
    report = crosspath.match(vit, xlnet, accept={"norm"})
    assert not report.ok
    assert {pair.role for pair in report.pairs} == {"mlp_in", "mlp_out"}
    assert any("rel_attn.q" in str(mismatch) for mismatch in report.mismatches)
    copy = crosspath.match(xlnet, CONFIGURATIONS["transformers XLNetModel"].build())
    assert copy.ok
    assert {f"layer.{block}.rel_attn.{name}" for block in range(DEPTH) for name in "qkvor"} <= {
        pair.target.weight for pair in copy.pairs
    }


def test_mlps_in_a_list_of_their_own_are_blocks_too() -> None:
    """XLM holds its attentions in one list and its mlps in another."""
    xlm = CONFIGURATIONS["transformers XLMModel"]
    weights = {pair.target.weight for pair in crosspath.match(xlm.build(), xlm.build()).pairs}
    assert {f"ffns.{block}.{layer}.weight" for block in range(DEPTH) for layer in ("lin1", "lin2")} <= weights


def test_the_coefficients_of_a_scan_are_no_matrix() -> None:
    """Mamba's linear layers connect with another Mamba's; A_log has two axes, and is left out and named."""
    mamba = CONFIGURATIONS["transformers MambaModel"]
    report = crosspath.match(mamba.build(), mamba.build())
    assert report.ok
    assert {pair.role for pair in report.pairs} == {f"mixer.{name}_proj" for name in ("in", "x", "dt", "out")}
    assert any("A_log" in entry for entry in report.not_chosen)
    assert not crosspath.match(model_of("transformers ViTModel"), mamba.build()).pairs
