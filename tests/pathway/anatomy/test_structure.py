"""Where the blocks of a model are, by the names and shapes of its weights."""

import pytest

from crosspath.pathway.anatomy.structure import find_structure, list_of, weights_in
from crosspath.pathway.anatomy.weight_names import is_matrix, parts

D, F = 8, 32
ATTENTION = {f"attn.{name}.weight": (D, D) for name in ("q", "k", "v", "proj")}
MLP = {"mlp.fc1.weight": (F, D), "mlp.fc2.weight": (D, F)}
NORMS = {"norm1.weight": (D,), "norm2.weight": (D,)}


def at(*paths: str, **_: object) -> dict[str, tuple[int, ...]]:
    """Weights of a transformer block at each of these paths."""
    return {f"{path}{name}": shape for path in paths for name, shape in (ATTENTION | MLP | NORMS).items()}


def test_blocks_are_numbered_parts_with_an_attention_and_what_stands_beside_it() -> None:
    shapes = at(*(f"encoder.layers.{index}." for index in range(11))) | {"head.weight": (10, D)}
    structure = find_structure(shapes)
    assert structure.blocks == tuple(f"encoder.layers.{index}." for index in range(11))  # 10 after 9
    assert structure.attending == set(structure.blocks)


def test_an_attention_and_an_mlp_in_numbered_parts_of_their_own_are_one_block() -> None:
    """T5 numbers the two halves of a block."""
    shapes = {
        f"block.{index}.layer.{half}.{name}": shape
        for index in range(2)
        for half, names in ((0, {f"SelfAttention.{n}.weight": (D, D) for n in "qkvo"}), (1, {"ff.wi.weight": (F, D)}))
        for name, shape in (names | {"layer_norm.weight": (D,)}).items()
    }
    assert find_structure(shapes).blocks == ("block.0.", "block.1.")


def test_a_stage_is_no_block() -> None:
    """Neither one with attentions alone in its parts, nor one that shrinks the picture by an attention."""
    alone = {
        f"blocks.0.{index}.attn.{n}.weight": (D, D) for index in (1, 3) for n in ("query", "key", "value", "output")
    }
    convolutions = {f"blocks.0.{index}.{n}.weight": (D, D, 3, 3) for index in (0, 2) for n in ("conv1", "conv2")}
    norms = {f"blocks.0.{index}.bn.weight": (D,) for index in (0, 2)}
    assert find_structure(alone | convolutions | norms).blocks == tuple(f"blocks.0.{index}." for index in range(4))
    shapes = at("stages.0.blocks.0.", "stages.0.blocks.1.")
    shapes |= {f"stages.0.downsample.attn.{n}.weight": (D, D) for n in ("q", "k", "v")}
    structure = find_structure(shapes)
    assert structure.blocks == ("stages.0.", "stages.0.blocks.0.", "stages.0.blocks.1.")
    assert set(weights_in("stages.0.", structure.blocks, shapes)) == {f"downsample.attn.{n}.weight" for n in "qkv"}


def test_a_stage_with_an_attention_of_its_own_leaves_its_blocks_apart() -> None:
    shapes = at("stages.0.blocks.1.") | {f"stages.0.downsample.attn.{n}.weight": (D, D) for n in ("q", "k", "v")}
    shapes |= {f"stages.0.blocks.0.{n}.weight": (D, D, 3, 3) for n in ("conv1", "conv2")}
    shapes["stages.0.blocks.0.bn.weight"] = (D,)
    assert find_structure(shapes).blocks == ("stages.0.", "stages.0.blocks.0.", "stages.0.blocks.1.")


def test_residual_blocks_have_a_norm_and_two_matrices() -> None:
    block = {
        "conv1.weight": (D, D, 3, 3),
        "bn1.weight": (D,),
        "conv2.weight": (D, D, 3, 3),
        "downsample.0.weight": (D, D),
    }
    shapes = {
        f"layer{stage}.{index}.{name}": shape for stage in (1, 2) for index in (0, 1) for name, shape in block.items()
    }
    shapes |= {"conv1.weight": (D, 3, 7, 7), "bn1.weight": (D,), "classifier.0.weight": (D, D)}
    structure = find_structure(shapes)
    assert structure.blocks == ("layer1.0.", "layer1.1.", "layer2.0.", "layer2.1.")
    assert not structure.attending


def test_a_model_may_be_one_block_and_a_list_may_be_bare() -> None:
    assert find_structure(at("")).blocks == ("",)
    assert find_structure(at("0.", "1.")).blocks == ("0.", "1.")
    assert find_structure({"head.weight": (4, 4), "norm.weight": (4,)}).blocks == ()


def test_the_decoder_of_a_masked_autoencoder_is_left_out_by_name() -> None:
    structure = find_structure(at("blocks.0.", "blocks.1.", "decoder_blocks.0."))
    assert structure.blocks == ("blocks.0.", "blocks.1.")
    assert structure.others == {"decoder_blocks": "the decoder of a masked autoencoder"}
    name = "decoder.decoder_encoder.layer.0."  # as release 5 of transformers saves it
    assert list(find_structure(at("blocks.0.", "blocks.1.", name)).others) == ["decoder.decoder_encoder"]


def test_an_attention_outside_of_the_blocks_is_named() -> None:
    structure = find_structure(at("down.0.", "middle.", "up.0.") | {f"pool.{n}.weight": (D, D) for n in ("q", "kv")})
    assert structure.blocks == ("down.0.", "up.0.")
    assert structure.others == dict.fromkeys(("middle.attn", "pool"), "an attention outside of the blocks")


def test_an_attention_attends_whatever_computes_its_weights() -> None:
    """torch's older weight normalisation stores two factors of each weight, its pruning a value and a mask."""
    shapes = at("blocks.0.", "blocks.1.", "blocks.2.")
    shapes |= {"blocks.0.attn.q.weight_g": (D, 1), "blocks.0.attn.q.weight_v": shapes.pop("blocks.0.attn.q.weight")}
    shapes |= {"blocks.1.attn.k.weight_orig": shapes.pop("blocks.1.attn.k.weight")}
    assert find_structure(shapes).attending == {"blocks.0.", "blocks.1.", "blocks.2."}


def with_ends(*paths: str, width: int = D) -> dict[str, tuple[int, ...]]:
    """What stands before and after the blocks of a model, at each of these paths."""
    ends = {"patches.weight": (width, 3, 4, 4), "norm.weight": (width,), "head.weight": (5, width)}
    return {path + name: shape for path in paths for name, shape in ends.items()}


def test_a_numbered_model_with_blocks_of_its_own_is_a_tower_and_no_block() -> None:
    for first, second in (("towers.0.", "towers.1."), ("0.", "1.")):
        shapes = at(f"{first}blocks.0.", f"{first}blocks.1.", f"{second}blocks.0.") | with_ends(first, second)
        structure = find_structure(shapes)
        assert structure.blocks == (f"{first}blocks.0.", f"{first}blocks.1.", f"{second}blocks.0.")
        lists = [list_of(block, structure.towers) for block in structure.blocks]
        assert lists == [f"{first}blocks.#.", f"{first}blocks.#.", f"{second}blocks.#."]


def test_stages_are_no_towers() -> None:
    """Of equal width, with and without what stands between them; and where the first alone reads pixels."""
    stages = at("stages.0.blocks.0.", "stages.1.blocks.0.")
    between = {"stages.1.downsample.weight": (D, D // 2, 2, 2)}
    for shapes in (stages, stages | between, stages | with_ends("stages.0.")):
        assert find_structure(shapes).towers == ()


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("fc.weight", (4, 4), True),
        ("fc.weight", (1, 4), True),
        ("conv.weight", (4, 4, 3, 3), True),
        ("conv_dw.weight", (4, 1, 7, 7), False),
        ("norm.weight", (4,), False),
        ("layer_scale", (4, 1, 1), False),
        ("attn.relative_position_bias_table", (169, 4), False),
        ("attn.cpb_mlp.0.weight", (512, 2), False),
        ("attn.bias", (1, 1, 8, 8), False),
    ],
)
def test_matrices_are_what_features_pass(name: str, shape: tuple[int, ...], expected: bool) -> None:
    assert is_matrix(name, shape) == expected


def test_a_role_may_be_wrapped() -> None:
    assert parts("attn.query.proj.weight")[-1] == "query"
    assert parts("attn.proj.ln.linear.weight") == ("attn", "proj")
    assert parts("attention.output.dense.weight") == ("attention", "output")
    assert parts("mlp.fc1.c.weight") == ("mlp", "fc1")
    assert parts("channel_mixer.conv1.c.weight") == ("channel_mixer", "conv1")
    assert parts("to_out.0.weight") == ("to_out",)
