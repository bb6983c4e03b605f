"""The ten mistakes that a newcomer makes first, with models of timm: each message names the place and what to do."""

import io
import warnings
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

import crosspath
from tests.checkpoints.small import image_recipe, saved_audio, saved_connected
from tests.errors import refused

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def vit(width: int = 64, *, heads: int = 2, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model: nn.Module = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=width, depth=2, num_heads=heads, num_classes=5
    )
    return model.eval()


def connect_vit(**options: object) -> nn.Module:
    target = vit()
    crosspath.connect(target, {"audio": vit(seed=1)}, **options)  # type: ignore[arg-type]
    return target


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    model(IMAGES.to(next(model.parameters()).dtype)).square().mean().backward()
    optimizer.step()


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-3)


def test_a_wrong_width_is_one_line_with_both_widths_and_two_ways_out() -> None:
    target = vit()
    with refused("connect", "64 wide", "128", 'fit="slice"', kind=crosspath.PathwayError) as caught:
        crosspath.connect(target, {"audio": vit(128, heads=4)})
    assert len(str(caught.value).splitlines()) == 1
    crosspath.connect(target, {"audio": vit(128, heads=4)}, fit="slice")


def test_swapped_arguments_are_named() -> None:
    with refused("target", "swap the two arguments", kind=crosspath.PathwayError):
        crosspath.connect({"audio": vit()}, vit())  # type: ignore[arg-type]


def test_connecting_twice_is_refused_by_name_and_noticed_without_one() -> None:
    target = connect_vit()
    with refused("auxiliary", "'audio'", "disconnect", kind=crosspath.PathwayError):
        crosspath.connect(target, {"audio": vit(seed=1)})
    target = vit()
    crosspath.connect(target, vit(seed=1))
    with pytest.warns(UserWarning, match=r"disconnect\(target, 'auxiliary_2'\)"):
        crosspath.connect(target, vit(seed=1))


def test_merging_twice_is_refused() -> None:
    target = connect_vit()
    crosspath.merge(target)
    with refused("VisionTransformer", "none", "connect it first", kind=crosspath.PathwayError):
        crosspath.merge(target)


def test_an_optimizer_made_too_early_is_noticed_at_its_first_step() -> None:
    target = vit()
    early = sgd(target)
    crosspath.connect(target, {"audio": vit(seed=1)})
    with pytest.warns(UserWarning, match=r"8 of 8 λ are in no optimizer.*make the optimizer after `connect`"):
        step(target, early)
    model = vit()
    early = sgd(model)
    crosspath.connect(model, {"audio": vit(seed=1)}, engine="optimizer")
    with refused("SGD", "attach(optimizer)", kind=crosspath.PathwayError):
        step(model, early)


def test_a_target_frozen_after_connecting_is_noticed_and_one_frozen_before_trains_its_scales() -> None:
    target = connect_vit()
    target.requires_grad_(False)
    target.get_submodule("head").requires_grad_(True)
    with pytest.warns(UserWarning, match="every λ was frozen after `connect`.*connect after that"):
        step(target, sgd(target))
    before = vit().requires_grad_(False)
    handle = crosspath.connect(before, {"audio": vit(seed=1)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(before, sgd(before))
    assert all(bool(scale.detach().ne(0)) for scale in handle.scales().values())


def test_half_precision_is_noticed() -> None:
    with pytest.warns(UserWarning, match="half precision.*float32 weights with autocast"):
        crosspath.connect(vit().bfloat16(), {"audio": vit(seed=1)})
    later = connect_vit().bfloat16()
    assert any("half precision" in text for text in crosspath.status(later).warnings)


def test_models_without_values_are_refused() -> None:
    with torch.device("meta"):
        empty = vit()
    with refused("connect", "meta device", "load it, then connect", kind=crosspath.PathwayError):
        crosspath.connect(empty, {"audio": vit(seed=1)})
    with refused("connect", "meta device", "load them first", kind=crosspath.PathwayError):
        crosspath.connect(vit(), {"audio": empty})


def test_connected_weights_in_a_plain_model_are_refused_where_anything_can_see_it(tmp_path: Path) -> None:
    state = connect_vit(scale_init=0.5).state_dict()
    with pytest.raises(RuntimeError, match=r"Missing key.*blocks\.0\.attn\.qkv\.weight"):
        vit().load_state_dict(state)
    report = vit().load_state_dict(state, strict=False)  # PyTorch's own: nothing of crosspath takes part
    assert len(report.missing_keys) == 8
    with pytest.warns(UserWarning, match="plain model's.*load it before `connect`"):
        connect_vit().load_state_dict(vit().state_dict(), strict=False)
    # A model of crosspath notices it itself.
    audio = saved_audio(tmp_path / "audio")
    own = saved_connected(tmp_path / "own", tmp_path / "audio")
    model = crosspath.build_model(image_recipe(), 3)
    crosspath.connect(model, {"audio": audio}, engine="optimizer")
    plain = crosspath.build_model(image_recipe(), 3)
    with pytest.warns(UserWarning, match="connected model's.*crosspath.merge"):
        plain.load_state_dict(own.state_dict(), strict=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.load_state_dict(own.state_dict(), strict=False)
        model.load_state_dict(model.state_dict())
        crosspath.merge(own)
        plain.load_state_dict(own.state_dict())


def test_pickling_is_refused_or_whole() -> None:
    with refused("Linear", "save_pathway", kind=crosspath.PathwayError):
        torch.save(connect_vit(), io.BytesIO())
    model, file = connect_vit(engine="optimizer", scale_init=0.5), io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert torch.equal(again(IMAGES), model(IMAGES))
    assert crosspath.merge(again).scales == crosspath.merge(model).scales
