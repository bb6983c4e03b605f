"""Token numbers to rows of a table: which row, which positions, and what a frozen table keeps."""

import pytest
import torch

from crosspath.tokenizers import TextTokenizer, sincos_1d
from tests.errors import refused

IDS = torch.tensor([[0, 3, 3, 5], [1, 0, 2, 4]])


def test_each_number_has_its_row_and_each_place_its_position() -> None:
    tokenizer = TextTokenizer(6, 4, 8)
    tokens, positions, _ = tokenizer(IDS)
    table = tokenizer.state_dict()["embedding.weight"]
    for sample in range(2):
        for place in range(4):
            assert torch.equal(tokens[sample, place], table[IDS[sample, place]])
    assert torch.equal(positions, sincos_1d(4, 8)[None])
    assert set(tokenizer.state_dict()) == {"embedding.weight"}


def test_positions_may_be_learned() -> None:
    tokenizer = TextTokenizer(6, 4, 8, positions="learned")
    assert set(tokenizer.state_dict()) == {"embedding.weight", "positions"}
    tokenizer(IDS).positions_BND.sum().backward()
    assert tokenizer.get_parameter("positions").grad is not None


def test_a_frozen_table_is_random_and_gets_no_gradient() -> None:
    torch.manual_seed(0)
    tokenizer = TextTokenizer(200, 4, 64, freeze=True)
    table = tokenizer.get_parameter("embedding.weight")
    assert not table.requires_grad
    assert table.std().item() == pytest.approx(0.5, rel=0.02)
    assert not tokenizer(IDS).tokens_BND.requires_grad
    assert TextTokenizer(200, 4, 64).get_parameter("embedding.weight").requires_grad


@pytest.mark.parametrize("batch", [IDS[:, :3], IDS[0], IDS.float()])
def test_another_length_and_other_numbers_are_refused(batch: torch.Tensor) -> None:
    with refused("batch", "4", "batch"):
        TextTokenizer(6, 4, 8)(batch)


def test_on_the_meta_device_there_are_shapes_and_no_values() -> None:
    with torch.device("meta"):
        tokenizer = TextTokenizer(6, 4, 8)
    assert all(parameter.is_meta for parameter in tokenizer.parameters())
    assert not tokenizer.positions.is_meta
