"""Image tokens against patches cut by hand and a plain matrix product."""

import torch

from crosspath.tokenizers import ImageTokenizer, sincos_2d
from tests.errors import refused


def test_tokens_are_patches_row_by_row_through_one_linear_map() -> None:
    torch.manual_seed(0)
    tokenizer = ImageTokenizer(8, (2, 4), 16).double()
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    tokens, positions, _ = tokenizer(images)
    assert tokenizer.grid == (4, 2)
    assert tokenizer.num_tokens == 8
    for row in range(4):
        for column in range(2):
            patch = images[:, :, 2 * row : 2 * row + 2, 4 * column : 4 * column + 4].flatten(1)
            expected = patch @ tokenizer.proj.weight.flatten(1).T + tokenizer.proj.bias
            torch.testing.assert_close(tokens[:, 2 * row + column], expected, rtol=0, atol=1e-12)
    assert torch.equal(positions[0].float(), sincos_2d(4, 2, 16))


def test_the_published_grid() -> None:
    with torch.device("meta"):
        assert ImageTokenizer(224, (16, 16), 768).num_tokens == 196


def test_another_channel_count_is_named() -> None:
    with refused("batch", "(3, 8, 8)", "(1, 8, 8)"):
        ImageTokenizer(8, (4, 4), 16)(torch.zeros(2, 1, 8, 8))


def test_other_channel_counts_can_be_built() -> None:
    assert ImageTokenizer(8, (4, 4), 16, channels=1)(torch.zeros(2, 1, 8, 8)).tokens_BND.shape == (2, 4, 16)
