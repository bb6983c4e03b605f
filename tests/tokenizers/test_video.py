"""Video tokens: tubelets over columns, then rows, then time, with the published flattened sinusoid."""

import torch

from crosspath.tokenizers import VideoTokenizer, sincos_1d


def test_tokens_are_tubelets_columns_first() -> None:
    torch.manual_seed(0)
    tokenizer = VideoTokenizer(4, 6, (2, 2, 3), 8).double()
    clips = torch.randn(2, 3, 4, 6, 6, dtype=torch.float64)
    tokens, positions, _ = tokenizer(clips)
    assert tokenizer.grid == (2, 3, 2)
    for t in range(2):
        for row in range(3):
            for column in range(2):
                tubelet = clips[:, :, 2 * t : 2 * t + 2, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3].flatten(1)
                expected = tubelet @ tokenizer.proj.weight.flatten(1).T + tokenizer.proj.bias
                torch.testing.assert_close(tokens[:, 6 * t + 2 * row + column], expected, rtol=0, atol=1e-12)
    assert torch.equal(positions[0].float(), sincos_1d(12, 8))


def test_the_published_grid() -> None:
    with torch.device("meta"):
        tokenizer = VideoTokenizer(16, 224, (2, 16, 16), 768)
    assert tokenizer.grid == (8, 14, 14)
    assert tokenizer.num_tokens == 1568
