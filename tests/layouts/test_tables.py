"""Layout tables against the real modules they describe, and what the documentation says of them."""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn
from torchvision.models import vit_b_16

import crosspath
from crosspath.layouts import LAYOUTS, ROLES
from crosspath.layouts.timm import TIMM_BLOCKS
from crosspath.layouts.torch import TORCH_ATTENTION, TORCH_ENCODER, TORCH_ENCODER_LAYER, TORCHVISION_VIT
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.resolve_layout import layout_named, resolve_layout
from crosspath.pathway.sources.source import ModuleSource


def encoder_layer() -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(12, 3, 20, norm_first=True)


MODELS = {
    TIMM_BLOCKS.name: (lambda: timm.create_model("vit_tiny_patch16_224"), 12, 3),
    TORCHVISION_VIT.name: (vit_b_16, 12, 12),
    TORCH_ENCODER.name: (lambda: nn.TransformerEncoder(encoder_layer(), 2, enable_nested_tensor=False), 2, 3),
    TORCH_ENCODER_LAYER.name: (encoder_layer, 1, 3),
    TORCH_ATTENTION.name: (lambda: nn.MultiheadAttention(12, 3), 1, 3),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_table_describes_the_module(name: str) -> None:
    build, depth, heads = MODELS[name]
    with torch.device("meta"):
        model = build()
    anatomy = locate(ModuleSource(model))
    assert anatomy is not None
    assert anatomy.layout.name == name
    assert anatomy.blocks == tuple(range(depth))
    assert set(anatomy.heads.values()) == {heads}
    assert anatomy.norm == "pre"
    row_counts: dict[str, int] = {}
    for slot in anatomy.slots.values():
        assert slot.bias is None or slot.bias.weight in dict(model.named_parameters())
        row_counts[slot.weight] = row_counts.get(slot.weight, 0) + slot.stop - slot.start
    # Roles cover each weight they name, once and whole.
    assert all(rows == model.get_parameter(weight).shape[0] for weight, rows in row_counts.items())
    assert len(anatomy.slots) == depth * len(anatomy.layout.roles)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_tables_are_consistent(layout: object) -> None:
    assert set(layout.roles) <= set(ROLES)
    assert resolve_layout(layout, "layout") is layout
    assert layout_named(layout.name) == layout
    assert set(layout.absent) <= set(ROLES)


def test_the_documentation_names_every_layout() -> None:
    text = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")
    assert [layout.name for layout in LAYOUTS if f"`{layout.name}`" not in text] == []
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)


def test_the_documented_swin_takes_a_vit_of_its_third_stages_width() -> None:
    with torch.device("meta"):
        swin, vit = timm.create_model("swin_tiny_patch4_window7_224"), timm.create_model("vit_small_patch16_224")
    blocks = {4: 0, 5: 2, 6: 4, 7: 6, 8: 8, 9: 10}
    report = crosspath.match(swin, vit, blocks=blocks, accept={"heads"})
    assert report.ok
    assert {pair.target.weight.partition(".blocks.")[0] for pair in report.pairs} == {"layers.2"}
    assert len(report.pairs) == 6 * 6
