"""What all patch tokenizers do: the grid, positions in and out of the state dict, other sizes."""

import copy

import pytest
import torch

from crosspath.errors import InputError
from crosspath.tokenizers import AudioTokenizer, ImageTokenizer, VideoTokenizer, fixed_positions
from crosspath.tokenizers.patches import PatchTokenizer, from_patches, patch_grid, patches_of
from tests.errors import refused


def build(kind: str, positions: str = "sincos", larger: bool = False) -> PatchTokenizer:
    torch.manual_seed(0)
    if kind == "image":
        return ImageTokenizer(16 if larger else 8, (4, 4), 16, positions=positions)  # type: ignore[arg-type]
    if kind == "audio":
        size = (24, 8) if larger else (16, 8)
        return AudioTokenizer(*size, (4, 4), 16, positions=positions)  # type: ignore[arg-type]
    size = (6, 8) if larger else (4, 8)
    return VideoTokenizer(*size, (2, 4, 4), 16, positions=positions)  # type: ignore[arg-type]


def batch_for(tokenizer: PatchTokenizer) -> torch.Tensor:
    shape = tokenizer.sizes if isinstance(tokenizer, AudioTokenizer) else (tokenizer.channels, *tokenizer.sizes)
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))


KINDS = pytest.mark.parametrize("kind", ["image", "audio", "video"])


def test_patches_that_do_not_fit_are_an_error_with_the_numbers() -> None:
    with pytest.raises(InputError) as raised:
        patch_grid((8, 30, 32), (2, 7, 8))
    assert str(raised.value).startswith("model.tokenizer.patch: ")
    assert "2 x 7 x 8 on an input of 8 x 30 x 32" in str(raised.value)
    assert isinstance(raised.value, ValueError)


@KINDS
def test_the_state_dict_holds_positions_only_when_learned(kind: str) -> None:
    assert set(build(kind).state_dict()) == {"proj.weight", "proj.bias"}
    assert set(build(kind, "learned").state_dict()) == {"proj.weight", "proj.bias", "positions"}


@KINDS
def test_stored_positions_restore_into_a_learned_tokenizer(kind: str) -> None:
    fixed, learned = build(kind), build(kind, "learned")
    learned.load_state_dict({**fixed.state_dict(), "positions": fixed.positions})
    batch = batch_for(fixed)
    for ours, theirs in zip(learned(batch)[:2], fixed(batch)[:2], strict=True):
        assert torch.equal(ours, theirs)


@KINDS
def test_learned_positions_start_small_and_receive_gradients(kind: str) -> None:
    tokenizer = build(kind, "learned")
    assert tokenizer.positions.shape == (1, tokenizer.num_tokens, tokenizer.width)
    assert 0.01 < tokenizer.positions.std().item() < 0.03
    tokens, positions, _ = tokenizer(batch_for(tokenizer))
    (tokens + positions).sum().backward()
    # One sum of ones a sample: the batch of two shares the positions.
    assert torch.equal(tokenizer.positions.grad, torch.full_like(tokenizer.positions, 2.0))


@KINDS
@pytest.mark.parametrize("positions", ["sincos", "learned"])
def test_resized_takes_the_other_size_and_back(kind: str, positions: str) -> None:
    tokenizer, larger = build(kind, positions), build(kind, positions, larger=True)
    sizes = {"image": (16,), "audio": (24, 8), "video": (6, 8)}[kind]
    with refused("batch", "samples", "shape"):
        tokenizer(batch_for(larger))
    tokenizer.resize(*sizes)  # type: ignore[operator]
    tokens, resized, _ = tokenizer(batch_for(larger))
    assert tokens.shape == (2, larger.num_tokens, 16)
    assert resized.shape == (1, larger.num_tokens, 16)
    assert (tokenizer.grid, tokenizer.num_tokens) == (larger.grid, larger.num_tokens)
    if positions == "sincos":
        # A resized tokenizer equals one built with those sizes, so its state dict and sizes say all there is.
        assert torch.equal(resized, larger.positions)
        assert "positions" not in tokenizer.state_dict()
    else:
        assert isinstance(tokenizer.positions, torch.nn.Parameter)


def test_resizing_keeps_frozen_positions_frozen() -> None:
    tokenizer = build("image", "learned")
    tokenizer.positions.requires_grad_(False)
    tokenizer.resize(16)  # type: ignore[operator]
    assert not tokenizer.positions.requires_grad


@KINDS
def test_meta_construction_keeps_fixed_positions(kind: str) -> None:
    with torch.device("meta"):
        tokenizer = build(kind)
    assert all(parameter.is_meta for parameter in tokenizer.parameters())
    assert torch.equal(tokenizer.positions, fixed_positions(tokenizer.grid, 16))
    tokens, positions, _ = tokenizer(batch_for(tokenizer).to("meta"))
    assert tokens.is_meta
    assert positions.is_meta
    # Filled from a state dict, it is a whole tokenizer.
    real = build(kind)
    tokenizer.load_state_dict(real.state_dict(), assign=True)
    batch = batch_for(real)
    for ours, theirs in zip(tokenizer(batch)[:2], real(batch)[:2], strict=True):
        assert torch.equal(ours, theirs)


@KINDS
def test_the_kernel_is_xavier_uniform_over_its_flattened_form(kind: str) -> None:
    tokenizer = build(kind)
    weight = tokenizer.proj.weight
    bound = (6 / (16 + weight[0].numel())) ** 0.5
    assert weight.abs().max().item() <= bound
    assert weight.abs().max().item() > 0.98 * bound
    assert not tokenizer.proj.bias.any()


@KINDS
def test_a_copy_is_apart(kind: str) -> None:
    tokenizer = build(kind, "learned")
    other = copy.deepcopy(tokenizer)
    with torch.no_grad():
        other.positions.add_(1.0)
        other.proj.weight.zero_()
    assert not torch.equal(tokenizer.positions, other.positions)
    assert tokenizer.proj.weight.any()


@KINDS
def test_the_values_of_patches_are_what_the_kernel_reads_channel_last(kind: str) -> None:
    tokenizer = build(kind).double()
    batch = batch_for(tokenizer).double()
    kernel = tokenizer.proj.weight.movedim(1, -1).flatten(1)
    actual = patches_of(tokenizer, batch)
    assert actual.shape == (2, tokenizer.num_tokens, kernel.shape[1])
    torch.testing.assert_close(actual @ kernel.T + tokenizer.proj.bias, tokenizer(batch).tokens_BND)


def test_the_values_of_a_tubelet_stand_in_the_published_order() -> None:
    tokenizer = build("video")
    clip = batch_for(tokenizer)[:1]
    token = patches_of(tokenizer, clip)[0, 1 * 4 + 1 * 2 + 0]
    expected = [
        clip[0, channel, 2 + frame, 4 + row, column]
        for frame in range(2)
        for row in range(4)
        for column in range(4)
        for channel in range(3)
    ]
    assert torch.equal(token, torch.stack(expected))


@KINDS
def test_patches_put_together_are_the_batch(kind: str) -> None:
    tokenizer = build(kind)
    batch = batch_for(tokenizer)
    whole = from_patches(tokenizer, patches_of(tokenizer, batch))
    assert torch.equal(whole, batch.reshape(whole.shape))
