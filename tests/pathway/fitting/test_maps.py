"""The maps of `fit=`: orthogonal, consistent over a model, and equal to what attention and mlp compute by hand."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from crosspath.pathway.fitting.attention import AttentionShape, balanced_maps, head_maps, strongest_heads
from crosspath.pathway.fitting.blocks import BlockShape, fit_block
from crosspath.pathway.fitting.fit import FITS, Fit, PairFit
from crosspath.pathway.fitting.maps import by_head, choice, first, neighbours, times
from crosspath.pathway.fitting.mlp import hidden_maps, strongest_channels
from crosspath.pathway.fitting.stream import stream_map


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def shape_of(heads: int, width: int, key_heads: int | None = None) -> AttentionShape:
    return AttentionShape(heads=heads, key_value_heads=key_heads or heads, width=width, value_width=width)


def attend(x: Tensor, values: dict[str, Tensor], shape: AttentionShape) -> Tensor:
    """An attention over tokens x (tokens, stream), by torch; scores are q·k alone, without the root of the width."""
    q, k, v = (
        (x @ values[role].T).unflatten(-1, (heads, -1)).transpose(0, 1)
        for role, heads in (("query", shape.heads), ("key", shape.key_value_heads), ("value", shape.key_value_heads))
    )
    mixed = scaled_dot_product_attention(q, k, v, scale=1.0, enable_gqa=shape.key_value_heads < shape.heads)
    return mixed.transpose(0, 1).flatten(1) @ values["attention_output"].T


def attention_values(shape: AttentionShape, stream: int) -> dict[str, Tensor]:
    rows, key_rows = shape.heads * shape.width, shape.key_value_heads * shape.width
    return {
        "query": draw(rows, stream), "key": draw(key_rows, stream), "value": draw(key_rows, stream),
        "attention_output": draw(stream, rows),
    }  # fmt: skip


def fit_heads(fit: Fit, ours: AttentionShape, theirs: AttentionShape, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The attention's matrices, fitted in their heads alone."""
    stream = values["query"].shape[1]
    fits = fit_block(
        fit,
        BlockShape(stream=stream, attention=ours, hidden=None),
        BlockShape(stream=stream, attention=theirs, hidden=None),
        None,
        lambda: values,
    )
    return {role: fits[role].apply(value) for role, value in values.items()}


def test_maps_are_what_they_say() -> None:
    assert first(2, 3).to_dense().tolist() == [[1, 0, 0], [0, 1, 0]]
    assert first(3, 2).to_dense().tolist() == [[1, 0], [0, 1], [0, 0]]
    assert choice([2, 0], 2, 3).to_dense().tolist() == [[0, 0, 1], [1, 0, 0]]
    assert neighbours(2, 4, 1.0).to_dense().tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    assert neighbours(4, 2, 0.0).to_dense().tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert neighbours(2, 5, 0.0).to_dense().sum(1).tolist() == [3, 2]  # as equal as they can be
    a, b = draw(2, 3), draw(4, 5)
    assert torch.equal(by_head(first(2, 2), [a, 2 * a]).to_dense(), torch.block_diag(a, 2 * a))
    assert torch.equal(by_head(a, [b] * 3).to_dense(), torch.kron(a, b))
    values = draw(3, 4, 2)
    assert torch.allclose(times(a, values), torch.einsum("ij,jkl->ikl", a, values))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("ours", "theirs"), [(4, 8), (8, 4), (5, 8)])
def test_the_map_of_the_stream_is_orthonormal(fit: Fit, ours: int, theirs: int) -> None:
    matrix = stream_map(fit, ours, theirs, [draw(theirs, 6), draw(theirs, 20)])
    assert matrix is not None
    dense = matrix.to_dense()
    square = dense @ dense.T if ours < theirs else dense.T @ dense
    assert torch.allclose(square, torch.eye(min(ours, theirs), dtype=torch.float64), atol=1e-12)
    assert stream_map(fit, 8, 8, []) is None


def test_spectra_keep_the_most_that_any_projection_can() -> None:
    axes = [draw(8, 3) @ draw(3, 6), draw(8, 5)]
    matrix = stream_map("spectra", 4, 8, axes)
    assert matrix is not None
    shares = [torch.linalg.norm(matrix @ axis) ** 2 / torch.linalg.norm(axis) ** 2 for axis in axes]
    total = sum(axis @ axis.T / (axis @ axis.T).trace() for axis in axes)
    assert isinstance(total, Tensor)
    assert torch.allclose(torch.stack(shares).sum(), torch.linalg.eigvalsh(total)[-4:].sum())


def test_spectra_of_a_stream_that_uses_its_first_channels_are_a_slice() -> None:
    axis = draw(8, 5)
    axis[4:] = 0
    matrix = stream_map("spectra", 4, 8, [axis])
    assert matrix is not None
    assert torch.allclose(matrix, first(4, 8).to_dense(), atol=1e-12)


@pytest.mark.parametrize("fit", FITS)
def test_what_is_read_is_what_was_written(fit: Fit) -> None:
    """P where the stream is written and Pᵀ where it is read: a wider target computes the auxiliary's own products."""
    writing, reading = draw(6, 3), draw(4, 6)
    matrix = stream_map(fit, 9, 6, [])
    product = PairFit(inputs=matrix).apply(reading) @ PairFit(outputs=matrix).apply(writing)
    assert torch.allclose(product, reading @ writing)


@pytest.mark.parametrize("fit", FITS)
def test_repeated_keys_and_values_are_exact(fit: Fit) -> None:
    theirs, ours = shape_of(6, 4, key_heads=2), shape_of(6, 4)
    values, x = attention_values(theirs, 8), draw(5, 8)
    assert torch.allclose(attend(x, fit_heads(fit, ours, theirs, values), ours), attend(x, values, theirs))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("ours", [shape_of(6, 4), shape_of(3, 6), shape_of(5, 7)])
def test_more_or_wider_heads_are_exact(fit: Fit, ours: AttentionShape) -> None:
    theirs = shape_of(3, 4)
    values, x = attention_values(theirs, 8), draw(5, 8)
    result = fit_heads(fit, ours, theirs, values)
    assert torch.allclose(attend(x, result, ours), attend(x, values, theirs))


@pytest.mark.parametrize("fit", FITS)
def test_as_many_channels_in_other_heads_stay_where_they_are(fit: Fit) -> None:
    theirs, ours = shape_of(4, 3), shape_of(2, 6)
    values = attention_values(theirs, 8)
    assert all(result is values[role] for role, result in fit_heads(fit, ours, theirs, values).items())


def test_the_first_and_the_strongest_heads_stay_whole() -> None:
    theirs, ours = shape_of(4, 3), shape_of(2, 3)
    values, x = attention_values(theirs, 8), draw(5, 8)
    values["value"][:3] *= 1e-6  # the first head adds next to nothing
    values["value"][6:9] *= 9.0
    strongest = strongest_heads(2, theirs, values)
    assert 0 not in strongest
    assert 2 in strongest
    for fit, heads in (("slice", [0, 1]), ("spectra", strongest)):
        rows = torch.cat([torch.arange(3 * head, 3 * head + 3) for head in heads])
        their_values = {
            role: value[:, rows] if role == "attention_output" else value[rows] for role, value in values.items()
        }
        result = fit_heads(fit, ours, theirs, values)  # type: ignore[arg-type]
        assert torch.equal(result["query"], their_values["query"])
        assert torch.allclose(attend(x, result, ours), attend(x, their_values, ours))


def test_averages_of_heads_that_are_alike_are_exact() -> None:
    theirs, ours, one = shape_of(4, 3), shape_of(2, 3), attention_values(shape_of(2, 3), 8)
    output = one.pop("attention_output").unflatten(1, (2, 3)).repeat_interleave(2, 1).flatten(1)
    values = {role: value.unflatten(0, (2, 3)).repeat_interleave(2, 0).flatten(0, 1) for role, value in one.items()}
    values["attention_output"] = output
    x = draw(5, 8)
    assert torch.allclose(attend(x, fit_heads("average", ours, theirs, values), ours), attend(x, values, theirs))


def test_narrower_heads_are_the_best_approximation_of_their_products() -> None:
    query, key = draw(6, 9), draw(6, 9)
    a, b = balanced_maps(query, key, 2)
    left, sizes, right = torch.linalg.svd(query.T @ key)
    best = left[:, :2] * sizes[:2] @ right[:2]
    assert torch.allclose((a @ query).T @ (b @ key), best)
    assert torch.allclose(torch.linalg.norm(a @ query), torch.linalg.norm(b @ key))
    # Factors of a lower rank than is asked for leave zeros, not infinities.
    a, b = balanced_maps(draw(6, 1) @ draw(1, 9), key, 3)
    assert torch.isfinite(a).all()
    assert torch.allclose(a[1:], torch.zeros_like(a[1:]))
    theirs, ours = shape_of(2, 6), shape_of(2, 2)
    values = attention_values(theirs, 9)
    result = fit_heads("spectra", ours, theirs, values)
    for head in range(2):
        scores = values["query"][6 * head : 6 * head + 6].T @ values["key"][6 * head : 6 * head + 6]
        left, sizes, right = torch.linalg.svd(scores)
        own = result["query"][2 * head : 2 * head + 2].T @ result["key"][2 * head : 2 * head + 2]
        assert torch.allclose(own, left[:, :2] * sizes[:2] @ right[:2])


def test_a_target_that_shares_keys_gets_their_mean() -> None:
    maps = head_maps("slice", shape_of(4, 2, key_heads=2), shape_of(4, 2), dict)
    key = draw(8, 3)
    mean = key.unflatten(0, (2, 2, 2)).mean(1).flatten(0, 1)
    assert torch.allclose(times(maps.channels["key"], key), mean)
    assert "query" not in maps.channels


def mlp(x: Tensor, values: dict[str, Tensor]) -> Tensor:
    hidden = torch.nn.functional.gelu(x @ values["mlp_in"].T)
    return hidden @ values["mlp_out"].T


@pytest.mark.parametrize("fit", FITS)
def test_a_wider_mlp_is_exact(fit: Fit) -> None:
    values, x = {"mlp_in": draw(6, 4), "mlp_out": draw(4, 6)}, draw(5, 4)
    entering, leaving = hidden_maps(fit, 9, 6, lambda: values)
    wide = {"mlp_in": PairFit(outputs=entering).apply(values["mlp_in"]),
            "mlp_out": PairFit(inputs=leaving).apply(values["mlp_out"])}  # fmt: skip
    assert torch.allclose(mlp(x, wide), mlp(x, values))


def test_a_narrower_mlp_has_the_strongest_channels_or_means_of_those_alike() -> None:
    values, x = {"mlp_in": draw(6, 4), "mlp_out": draw(4, 6)}, draw(5, 4)
    values["mlp_out"][:, [1, 4]] = 0
    strongest = strongest_channels(4, values)
    assert strongest == [0, 2, 3, 5]
    entering, leaving = hidden_maps("spectra", 4, 6, lambda: values)
    narrow = {"mlp_in": PairFit(outputs=entering).apply(values["mlp_in"]),
              "mlp_out": PairFit(inputs=leaving).apply(values["mlp_out"])}  # fmt: skip
    assert torch.allclose(mlp(x, narrow), mlp(x, values))
    values["mlp_in"] = values["mlp_in"][:3].repeat_interleave(2, 0)
    entering, leaving = hidden_maps("average", 3, 6, lambda: values)
    narrow = {"mlp_in": PairFit(outputs=entering).apply(values["mlp_in"]),
              "mlp_out": PairFit(inputs=leaving).apply(values["mlp_out"])}  # fmt: skip
    assert torch.allclose(mlp(x, narrow), mlp(x, values))


def test_energies_are_squares_before_and_after() -> None:
    values = draw(6, 8)
    before, after = PairFit(outputs=first(3, 6), inputs=first(4, 8)).energies(values)
    assert before == pytest.approx(float(values.square().sum()))
    assert after == pytest.approx(float(values[:3, :4].square().sum()))
    before, after = PairFit(repeat=by_head(choice([0, 0], 2, 1), [first(6, 6)])).energies(values)
    assert before == after == pytest.approx(float(2 * values.square().sum()))  # a repeat keeps everything
    bias = draw(6)
    assert torch.equal(PairFit(outputs=first(3, 6), inputs=first(4, 8)).apply(bias), bias[:3])
    assert PairFit().apply(values) is values
