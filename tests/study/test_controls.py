"""The random control: the auxiliary's shapes and root mean squares, none of its values, another draw a seed."""

import pytest
import torch
from torch import Tensor, nn

from crosspath.checkpoints.sources import Auxiliary
from crosspath.config import apply_overrides
from crosspath.config.pathway import PathwaySection
from crosspath.models.build import build_model
from crosspath.pathway import connect, match, pathways
from crosspath.recipes import recipe_named
from crosspath.study.controls import (
    copied_start,
    mimetic_start,
    random_auxiliary,
    shuffled_auxiliary,
    spectrum_auxiliary,
)
from crosspath.training.pathways import connect_auxiliaries, selection_of


@pytest.fixture
def auxiliary() -> Auxiliary:
    """A model whose query, key and value have quite different sizes, as trained ones do."""
    torch.manual_seed(3)
    model = build_model(recipe_named("audio/sounds"), 10)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("qkv.weight"):
                third = len(parameter) // 3
                parameter[:third] *= 3.0
                parameter[2 * third :] *= 0.25
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    return Auxiliary(origin="runs/sounds", sha256="0" * 64, weights=model)


def tensors(auxiliary: Auxiliary) -> dict[str, Tensor]:
    weights = auxiliary.weights
    named = weights.named_parameters() if isinstance(weights, nn.Module) else weights.items()
    return {name: tensor.detach() for name, tensor in named}


def rms(tensor: Tensor) -> float:
    return float(tensor.double().pow(2).mean().sqrt())


def pieces(name: str, tensor: Tensor) -> list[Tensor]:
    return list(tensor.chunk(3)) if ".qkv." in name else [tensor]


def connectable(values: dict[str, Tensor]) -> list[str]:
    """Weights and biases of the blocks' linear layers."""
    return [name for name in values if "blocks." in name and ".norm" not in name]


def test_every_matrix_keeps_its_root_mean_square_and_nothing_else(auxiliary: Auxiliary) -> None:
    before, after = tensors(auxiliary), tensors(random_auxiliary(auxiliary, 0))
    names = connectable(before)
    assert len(names) == 6 * 4 * 2
    for name in names:
        for old, new in zip(pieces(name, before[name]), pieces(name, after[name]), strict=True):
            assert new.shape == old.shape
            assert new.dtype == old.dtype
            assert rms(new) == pytest.approx(rms(old), rel=1e-6)
            if new.ndim == 2:
                correlation = torch.corrcoef(torch.stack([old.flatten(), new.flatten()]))[0, 1]
                assert abs(float(correlation)) < 5 / old.numel() ** 0.5
                # Uniform around zero: the fourth moment is 9/5 of the squared second.
                assert float(new.double().pow(4).mean()) == pytest.approx(1.8 * rms(new) ** 4, rel=0.05)


def test_each_seed_draws_anew_and_the_same_seed_the_same(auxiliary: Auxiliary) -> None:
    first, again, other = (tensors(random_auxiliary(auxiliary, seed)) for seed in (0, 0, 1))
    for name in connectable(first):
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
    blocks = [first[f"encoder.blocks.{index}.mlp.fc1.weight"] for index in range(6)]
    assert all(not torch.allclose(blocks[0] / rms(blocks[0]), block / rms(block)) for block in blocks[1:])


def test_the_auxiliary_and_torchs_random_state_are_left_alone(auxiliary: Auxiliary) -> None:
    before = {name: tensor.clone() for name, tensor in tensors(auxiliary).items()}
    state = torch.get_rng_state()
    drawn = random_auxiliary(auxiliary, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors(auxiliary).items())
    assert drawn.sha256 != auxiliary.sha256
    assert "runs/sounds" in drawn.origin
    assert "random" in drawn.origin


def test_it_connects_exactly_where_the_auxiliary_does(auxiliary: Auxiliary) -> None:
    target = build_model(recipe_named("image/digits"), 10)
    drawn = random_auxiliary(auxiliary, 0).weights
    ours, theirs = match(target, drawn), match(target, auxiliary.weights)
    assert [str(pair) for pair in ours.pairs] == [str(pair) for pair in theirs.pairs]
    assert ours.unverified == theirs.unverified == ()
    assert len(connect(target, drawn).scales()) == 6 * 4


def test_named_tensors_are_redrawn_as_a_model_is(auxiliary: Auxiliary) -> None:
    named = Auxiliary(origin="file", sha256="0" * 64, weights=dict(tensors(auxiliary)))
    from_model, from_names = tensors(random_auxiliary(auxiliary, 4)), tensors(random_auxiliary(named, 4))
    for name in connectable(from_model):
        assert torch.equal(from_model[name], from_names[name])
    norm = "encoder.blocks.0.norm1.weight"
    assert torch.equal(from_names[norm], tensors(auxiliary)[norm])


def test_a_shuffled_auxiliary_has_the_same_values_in_other_places(auxiliary: Auxiliary) -> None:
    before, after = tensors(auxiliary), tensors(shuffled_auxiliary(auxiliary, 0))
    for name in connectable(before):
        for old, new in zip(pieces(name, before[name]), pieces(name, after[name]), strict=True):
            assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)
            assert not torch.equal(old, new)


def test_a_spectrum_auxiliary_has_the_same_singular_values_in_other_bases(auxiliary: Auxiliary) -> None:
    before, after = tensors(auxiliary), tensors(spectrum_auxiliary(auxiliary, 0))
    for name in connectable(before):
        for old, new in zip(pieces(name, before[name]), pieces(name, after[name]), strict=True):
            if old.ndim == 2:
                torch.testing.assert_close(
                    torch.linalg.svdvals(new.double()), torch.linalg.svdvals(old.double()), rtol=1e-4, atol=1e-6
                )
                cosine = float((old * new).sum() / (old.norm() * new.norm()))
                assert abs(cosine) < 0.05


def test_mimetic_attention_has_products_near_plus_and_minus_the_identity() -> None:
    """Against float64 products of the weights themselves: the expected diagonal is 0.7 and -0.4 (arXiv 2305.09828)."""
    torch.manual_seed(0)
    model = build_model(recipe_named("image/digits"), 10)
    mlp = model.encoder.blocks[0].mlp.fc1.weight.clone()
    mimetic_start(5).apply(model)
    block = model.encoder.blocks[0]
    width = block.attn.proj.weight.shape[0]
    query, key, value = block.attn.qkv.weight.detach().double().chunk(3)
    output = block.attn.proj.weight.detach().double()
    heads = block.attn.num_heads
    rank = width // heads
    for head in range(heads):
        rows = slice(head * rank, (head + 1) * rank)
        product = query[rows].T @ key[rows]
        assert torch.linalg.matrix_rank(product) == rank
        assert float(product.trace()) / width > 0.1
    joined = value.T @ output.T
    assert float(joined.diagonal().mean()) == pytest.approx(-0.4, abs=0.05)
    rest = joined - torch.diag(joined.diagonal())
    assert float(rest.std()) == pytest.approx(0.4 / width**0.5, rel=0.1)
    assert torch.equal(mlp, block.mlp.fc1.weight)


def test_a_copied_start_is_the_auxiliary_where_a_pathway_would_pair_and_nowhere_else(auxiliary: Auxiliary) -> None:
    torch.manual_seed(1)
    model = build_model(recipe_named("image/digits"), 10)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copied_start(auxiliary, selection_of(PathwaySection(), "sounds")).apply(model)
    theirs = tensors(auxiliary)
    for name, value in model.state_dict().items():
        paired = "blocks." in name and ".norm" not in name
        assert torch.equal(value, theirs[name] if paired else before[name]), name


def test_a_copied_start_is_fitted_as_a_pathway_would_be(auxiliary: Auxiliary) -> None:
    torch.manual_seed(1)
    width = tensors(auxiliary)["encoder.blocks.0.attn.proj.weight"].shape[0] // 2
    recipe = apply_overrides(recipe_named("image/digits"), [f"model.width={width}"])
    model = build_model(recipe, 10)
    copied_start(auxiliary, selection_of(PathwaySection(fit="slice"), "sounds")).apply(model)
    theirs = tensors(auxiliary)["encoder.blocks.1.mlp.fc1.weight"]
    ours = model.get_parameter("encoder.blocks.1.mlp.fc1.weight")
    assert torch.equal(ours, theirs[: ours.shape[0], : ours.shape[1]])


def test_a_copied_start_is_folded_where_the_pathway_would_be(auxiliary: Auxiliary) -> None:
    torch.manual_seed(1)
    model = build_model(recipe_named("image/digits"), 10)
    theirs = tensors(auxiliary)
    for name, value in theirs.items():
        if ".norm" in name and "blocks." in name:
            value.copy_(torch.rand(value.shape) + 0.5)
    section = PathwaySection(canonical=True)
    copied_start(auxiliary, selection_of(section, "sounds")).apply(model)
    fc1, norm = (f"encoder.blocks.0.{name}.weight" for name in ("mlp.fc1", "norm2"))
    assert torch.equal(model.get_parameter(fc1), theirs[fc1] * theirs[norm])  # the target's own norms are neutral
    connected = build_model(recipe_named("image/digits"), 10)
    connect_auxiliaries(connected, section, {"sounds": auxiliary.weights})
    for (name, _), value in pathways(connected).auxiliaries().items():
        assert torch.equal(model.get_parameter(name), value), name


def test_a_copied_start_follows_the_choices_of_the_recipe() -> None:
    """The blocks that a pathway would pair, of an auxiliary whose names only a layout by hand knows."""
    torch.manual_seed(2)
    model = build_model(recipe_named("image/digits"), 10)
    values = {
        f"tower.{index}.{name}": torch.randn_like(model.get_parameter(f"encoder.blocks.0.mlp.{role}.weight"))
        for index in range(3)
        for name, role in (("up.weight", "fc1"), ("down.weight", "fc2"))
    }
    section = PathwaySection.model_validate(
        {
            "roles": ("mlp_in",),
            "blocks": "spread",
            "auxiliary_layout": {"block": "tower.", "norm": "pre", "roles": {"mlp_in": {"weight": "up.weight"}}},
        }
    )
    selection = selection_of(section, "mine")
    mine = Auxiliary(origin="runs/mine", sha256="0" * 64, weights=values)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copied_start(mine, selection).apply(model)
    for block, source in enumerate((0, 0, 1, 1, 2, 2)):
        assert torch.equal(
            model.get_parameter(f"encoder.blocks.{block}.mlp.fc1.weight"), values[f"tower.{source}.up.weight"]
        )
        name = f"encoder.blocks.{block}.mlp.fc2.weight"
        assert torch.equal(model.get_parameter(name), before[name])
    drawn = random_auxiliary(mine, 0, selection["auxiliary_layout"])
    assert not torch.equal(tensors(drawn)["tower.0.up.weight"], values["tower.0.up.weight"])
