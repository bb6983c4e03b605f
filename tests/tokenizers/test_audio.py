"""Audio tokens: time is the row, frequency the column, token t * F' + f."""

import pytest
import torch

from crosspath.tokenizers import AudioTokenizer, sincos_2d
from tests.errors import refused


def test_tokens_run_over_frequency_first() -> None:
    torch.manual_seed(0)
    tokenizer = AudioTokenizer(12, 8, (4, 2), 16).double()
    mels = torch.randn(2, 12, 8, dtype=torch.float64)
    tokens, positions, _ = tokenizer(mels)
    assert tokenizer.grid == (3, 4)
    for t in range(3):
        for f in range(4):
            patch = mels[:, 4 * t : 4 * t + 4, 2 * f : 2 * f + 2].flatten(1)
            expected = patch @ tokenizer.proj.weight.flatten(1).T + tokenizer.proj.bias
            torch.testing.assert_close(tokens[:, 4 * t + f], expected, rtol=0, atol=1e-12)
    assert torch.equal(positions[0].float(), sincos_2d(3, 4, 16))


def test_neighbours_in_time_share_the_frequency_half_of_their_positions() -> None:
    positions = AudioTokenizer(12, 8, (4, 2), 16).positions.reshape(3, 4, 16)
    assert torch.equal(positions[0, :, :8], positions[2, :, :8])
    assert torch.equal(positions[:, 0, 8:], positions[:, 3, 8:])
    assert not torch.equal(positions[0, :, 8:], positions[2, :, 8:])


@pytest.mark.parametrize(("frames", "tokens"), [(1024, 512), (512, 256), (128, 64)])
def test_the_published_grids(frames: int, tokens: int) -> None:
    with torch.device("meta"):
        assert AudioTokenizer(frames, 128, (16, 16), 768).num_tokens == tokens


def test_a_batch_with_a_channel_is_refused() -> None:
    with refused("batch", "3"):
        AudioTokenizer(12, 8, (4, 2), 16)(torch.zeros(2, 1, 12, 8))
