"""The order of a fused weight of an attention of the user's own, whatever its names are."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosspath import match
from crosspath.pathway.anatomy.shown_order import shown_order


class Attention(nn.Module):
    """Query, key and value in the order that is asked for."""

    def __init__(self, order: str, **attributes: Any) -> None:
        super().__init__()
        self.num_heads, self.order = 4, order
        self.qkv, self.proj = nn.Linear(32, 96), nn.Linear(32, 32)
        vars(self).update(attributes)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        rows = self.qkv(x)
        if self.order == "head-major":
            parts = rows.view(batch, count, 4, 3, 8).permute(3, 0, 2, 1, 4)
        elif self.order == "interleaved":
            parts = rows.view(batch, count, 4, 8, 3).permute(4, 0, 2, 1, 3)
        else:
            parts = rows.view(batch, count, 3, 4, 8).permute(2, 0, 3, 1, 4)
        letters = self.order if len(self.order) == 3 else "qkv"
        query, key, value = (parts[letters.index(letter)] for letter in "qkv")
        heads = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(heads.transpose(1, 2).reshape(batch, count, width))
        return out


class Block(nn.Module):
    def __init__(self, order: str, **attributes: Any) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
        self.attn = Attention(order, **attributes)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(32, 64), "fc2": nn.Linear(64, 32)})

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](self.mlp["fc1"](self.norm2(x)))


def model(order: str, **attributes: Any) -> nn.Module:
    return nn.ModuleDict({"blocks": nn.ModuleList([Block(order, **attributes)])})


def query_of(target: nn.Module, auxiliary: Any) -> tuple[str, str]:
    report = match(target, auxiliary)
    assert report.ok, report
    pair = next(pair for pair in report.pairs if pair.role == "query")
    return str(pair.target).partition(".weight")[2], str(pair.auxiliary).partition(".weight")[2]


@pytest.mark.parametrize(
    ("order", "answer"),
    [(order, order) for order in ("three-major", "head-major", "interleaved")] + [("vqk", "other"), ("kqv", "other")],
)
def test_an_attention_shows_its_order(order: str, answer: str) -> None:
    assert shown_order(Attention(order), "qkv.weight", "proj", 4) == answer


@pytest.mark.parametrize(
    ("order", "rows"), [("head-major", "[0:8 of 4 groups]"), ("interleaved", "[0:1 of 32 groups]")]
)
def test_names_of_a_known_family_do_not_hide_another_order(order: str, rows: str) -> None:
    assert query_of(model(order), model("three-major")) == (rows, "[0:32]")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_another_default_type_shows_the_same(dtype: torch.dtype) -> None:
    attention = Attention("head-major")
    torch.set_default_dtype(dtype)
    try:
        assert shown_order(attention, "qkv.weight", "proj", 4) == "head-major"
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_order_that_no_one_knows_is_asked_for() -> None:
    report = match(model("vqk"), model("three-major"))
    assert {fault.what for fault in report.mismatches} == {"order"}


@pytest.mark.parametrize("order", ["head-major", "vqk"])
def test_a_state_dict_has_the_order_of_its_own_model(order: str) -> None:
    report = match(model(order), model(order).state_dict())
    assert report.ok
    assert all(str(pair.target) == str(pair.auxiliary) for pair in report.pairs)


@pytest.mark.parametrize("attribute", ["multi_query", "head_first"])
def test_attributes_of_other_libraries_say_nothing(attribute: str) -> None:
    target = model("three-major", **{attribute: attribute == "head_first"})
    assert query_of(target, model("three-major")) == ("[0:32]", "[0:32]")
