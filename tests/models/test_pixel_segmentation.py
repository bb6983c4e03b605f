"""The two decoders of segmentation: what they compute, on which blocks, and that a batch's parts are its whole."""

import pytest
import torch

from crosspath.config import apply_overrides
from crosspath.models.build import build_pixel_segmenter
from crosspath.models.dense_decoders import LinearDecoder, PyramidDecoder, level_blocks
from crosspath.models.pixel_segmentation import PixelSegmenter
from crosspath.recipes import recipe_named


def segmenter(decoder: str, *settings: str) -> PixelSegmenter:
    recipe = apply_overrides(
        recipe_named("image/scenes"),
        (f"segmentation.decoder={decoder}", "model.width=32", "model.depth=4", "model.heads=2", *settings),
    )
    torch.manual_seed(0)
    return build_pixel_segmenter(recipe, 5)


def test_the_blocks_of_twelve_are_the_published_ones() -> None:
    assert level_blocks(12, 4) == (3, 5, 7, 11)
    assert level_blocks(24, 4) == (7, 11, 15, 23)
    assert level_blocks(12, 1) == (11,)
    assert level_blocks(2, 4) == (0, 0, 0, 1)


def test_the_linear_decoder_is_one_layer_on_each_token() -> None:
    decoder = LinearDecoder(6, 3)
    tokens = torch.randn(2, 12, 6)
    logits, auxiliary = decoder([tokens], (3, 4))
    assert auxiliary is None
    for row in range(3):
        for column in range(4):
            expected = decoder.linear(tokens[:, 4 * row + column])
            torch.testing.assert_close(logits[:, :, row, column], expected)


def test_a_whole_patch_moves_the_logits_of_its_pixels_most() -> None:
    model = segmenter("linear", "model.depth=1").eval()
    picture = torch.zeros(1, 3, 32, 32)
    changed = picture.clone()
    changed[:, :, 8:12, 20:24] = 1.0
    difference = (model(changed) - model(picture)).abs().sum(dim=1)[0]
    assert divmod(int(difference.argmax()), 32)[0] in range(8, 12)
    assert divmod(int(difference.argmax()), 32)[1] in range(20, 24)


@pytest.mark.parametrize("grid", [(8, 8), (5, 7), (1, 1)])
def test_the_pyramid_gives_four_places_for_each_token_along_an_axis(grid: tuple[int, int]) -> None:
    decoder = PyramidDecoder(32, 5, 16).eval()
    levels = [torch.randn(2, grid[0] * grid[1], 32) for _ in range(4)]
    logits, auxiliary = decoder(levels, grid, with_auxiliary=True)
    assert logits.shape == (2, 5, 4 * grid[0], 4 * grid[1])
    assert auxiliary is not None
    assert auxiliary.shape == (2, 5, *grid)
    alone, none = decoder([level[:1] for level in levels], grid)
    assert none is None
    torch.testing.assert_close(alone, logits[:1])


def test_the_pyramid_reads_each_of_its_blocks() -> None:
    decoder = PyramidDecoder(32, 5, 16).eval()
    levels = [torch.randn(1, 16, 32, requires_grad=True) for _ in range(4)]
    decoder(levels, (4, 4))[0].square().sum().backward()
    assert all(level.grad is not None and level.grad.abs().sum() > 0 for level in levels)


@pytest.mark.parametrize("decoder", ["linear", "upernet"])
def test_in_training_a_sample_is_alone_what_it_is_in_a_batch(decoder: str) -> None:
    width = ["segmentation.decoder_width=16"] if decoder == "upernet" else []
    model = segmenter(decoder, *width).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.p = 0.0
    pictures = torch.randn(3, 3, 32, 32)
    logits, auxiliary = model(pictures, True)
    alone, own = model(pictures[:1], True)
    torch.testing.assert_close(alone, logits[:1], rtol=1e-4, atol=1e-5)
    assert (auxiliary is None) == (own is None) == (decoder == "linear")
    assert logits.shape == (3, 5, 32, 32)
    assert torch.equal(model.eval()(pictures), model(pictures, True)[0])


def test_the_encoder_ends_with_a_norm_only_where_its_last_tokens_are_read() -> None:
    assert "encoder.norm.weight" in segmenter("linear").state_dict()
    assert "encoder.norm.weight" not in segmenter("upernet").state_dict()
