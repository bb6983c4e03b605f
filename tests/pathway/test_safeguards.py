"""Ways of losing a pathway unnoticed: each is noticed at the step where it goes wrong, and right use is quiet."""

import copy
import gc
import multiprocessing
import pickle
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_post_hooks as hooks

import crosspath
from tests.errors import refused
from tests.pathway.small_models import Body, randomise


class Model(nn.Module):
    """Blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = randomise(Body()).blocks
        self.head = nn.Linear(8, 3)

    def forward(self, tokens_BND: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.blocks(tokens_BND).mean(1))
        return result


class SavingModel(Model):
    """With the method of a library's models that writes them."""

    def save_pretrained(self, folder: Path, name: str = "w") -> str:
        torch.save(self.state_dict(), folder / name)
        return name


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.randn(2, 5, 8)).square().mean().backward()
    optimizer.step()


@pytest.fixture(autouse=True)
def no_other_models() -> None:
    """Those that other tests have left in cycles."""
    gc.collect()
    model = Model()
    crosspath.connect(model, Body())
    crosspath.disconnect(model)
    return


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def sgd(parameters: Any, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=0.1, **options)


def test_an_optimizer_made_before_connecting_is_noticed_at_its_first_step_and_at_merging() -> None:
    model = Model()
    optimizer = sgd(model.parameters())
    crosspath.connect(model, Body())
    with pytest.warns(UserWarning, match=r"crosspath: 8 of 8 λ are in no optimizer.*after `connect`"):
        step(model, optimizer)
    with quiet():  # said once
        step(model, optimizer)
    assert any("optimizer did not hold λ" in text for text in crosspath.status(model).warnings)
    with pytest.warns(UserWarning, match="every λ has the value it was connected with"):
        crosspath.merge(model)


def test_an_optimizer_made_before_loading_is_noticed(tmp_path: Path) -> None:
    model = Model()
    crosspath.connect(model, Body(), scale_init=0.1)
    crosspath.save_pathway(model, tmp_path)
    fresh = Model()
    optimizer = sgd(fresh.parameters())
    crosspath.load_pathway(fresh, tmp_path)
    with pytest.warns(UserWarning, match="λ are in no optimizer"):
        step(fresh, optimizer)


def test_parameters_of_the_head_alone_are_noticed() -> None:
    """As in the published linear probe, whose λ is never in the optimizer."""
    model = Model()
    crosspath.connect(model, Body())
    with pytest.warns(UserWarning, match="8 of 8 λ"):
        step(model, sgd(model.head.parameters()))


def test_some_forgotten_scales_are_counted() -> None:
    model = Model()
    crosspath.connect(model, Body())
    names = [name for name, _ in model.named_parameters() if not ("scales" in name and "blocks.1." in name)]
    with pytest.warns(UserWarning, match="4 of 8 λ"):
        step(model, sgd([model.get_parameter(name) for name in names]))


@pytest.mark.parametrize("freeze", ["all", "scales"])
def test_scales_frozen_after_connecting_are_noticed(freeze: str) -> None:
    model = Model()
    handle = crosspath.connect(model, Body())
    if freeze == "all":
        model.requires_grad_(False)
        model.head.requires_grad_(True)
    else:
        for scale in handle.scales().values():
            scale.requires_grad_(False)
    with pytest.warns(UserWarning, match=r"every λ was frozen after `connect`.*train_scale=False"):
        step(model, sgd([parameter for parameter in model.parameters() if parameter.requires_grad]))


def all_parameters(model: Model) -> list[torch.optim.Optimizer]:
    crosspath.connect(model, Body())
    return [sgd(model.parameters())]


def groups(model: Model) -> list[torch.optim.Optimizer]:
    crosspath.connect(model, {"a": Body(), "b": Body()}, bias=True)
    return [torch.optim.AdamW(crosspath.param_groups(model, lr=0.1))]


def frozen_scale(model: Model) -> list[torch.optim.Optimizer]:
    crosspath.connect(model, Body(), scale_init=0.3, train_scale=False)
    return [sgd(p for p in model.parameters() if p.requires_grad)]


def two_optimizers(model: Model) -> list[torch.optim.Optimizer]:
    handle = crosspath.connect(model, Body())
    return [sgd([*model.head.parameters()]), sgd([*handle.scales().values()])]


def extra_group(model: Model) -> list[torch.optim.Optimizer]:
    optimizer = sgd(model.parameters())
    handle = crosspath.connect(model, Body())
    optimizer.add_param_group({"params": [*handle.scales().values()]})
    return [optimizer]


def one_block(model: Model) -> list[torch.optim.Optimizer]:
    crosspath.connect(model, Body())
    return [sgd(model.blocks[1].parameters())]


@pytest.mark.parametrize("build", [all_parameters, groups, frozen_scale, two_optimizers, extra_group, one_block])
def test_right_use_is_quiet_and_leaves_no_hook(build: Callable[[Model], list[torch.optim.Optimizer]]) -> None:
    before = len(hooks)
    model = Model()
    with quiet():
        optimizers = build(model)
        for _ in range(2):
            for optimizer in optimizers:
                step(model, optimizer)
        crosspath.status(model)
        crosspath.merge(model)
    assert len(hooks) == before


def test_a_model_that_only_evaluates_is_quiet() -> None:
    other = Model()
    before = len(hooks)
    model = Model()
    with quiet():
        crosspath.connect(model, Body())
        optimizer = sgd(other.parameters())
        step(other, optimizer)  # of another model
        with torch.no_grad():
            model(torch.randn(1, 5, 8))
        crosspath.status(model)
        crosspath.merge(model)
    assert len(hooks) == before


def test_the_hook_holds_no_model_and_goes_with_the_last_one() -> None:
    before = len(hooks)
    model, other = Model(), Model()
    crosspath.connect(model, Body())
    crosspath.connect(other, Body())
    assert len(hooks) == before + 1
    step(model, sgd(model.parameters()))
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
    crosspath.disconnect(other)
    assert len(hooks) == before


def test_a_copy_of_a_model_trains_quietly() -> None:
    model = Model()
    crosspath.connect(model, Body())
    twin = copy.deepcopy(model)
    with quiet():
        step(twin, sgd(twin.parameters()))
        step(model, sgd(model.parameters()))


def test_save_pretrained_of_a_connected_model_is_noticed(tmp_path: Path) -> None:
    model = SavingModel()
    crosspath.connect(model, Body())
    outer = nn.ModuleList([model])
    for owner in (model, copy.deepcopy(model), outer[0]):
        with pytest.warns(UserWarning, match=r"save_pretrained.*crosspath\.merge before it"):
            assert owner.save_pretrained(tmp_path, name="x") == "x"
    twin = copy.deepcopy(model)
    crosspath.merge(model)
    with quiet():
        model.save_pretrained(tmp_path)
    assert "save_pretrained" not in model.__dict__
    assert twin.save_pretrained.__self__ is twin
    crosspath.disconnect(twin)
    SavingModel().load_state_dict(torch.load(tmp_path / "w"))


def test_loading_without_strictness_is_noticed() -> None:
    model = Model()
    crosspath.connect(model, {"audio": Body()})
    whole = model.state_dict()
    for state, match in (
        (Model().state_dict(), r"plain model's.*load it before `connect`"),
        ({name: value for name, value in whole.items() if "scales" not in name}, r"it lacks weight\.0\.scales\.audio"),
        ({name.replace("audio", "sound"): value for name, value in whole.items()}, "load_pathway"),
    ):
        with pytest.warns(UserWarning, match=match):
            model.load_state_dict(state, strict=False)
        with pytest.raises(RuntimeError, match="Missing key"):
            model.load_state_dict(state)
    with quiet():
        model.load_state_dict(whole, strict=False)
        model.load_state_dict({"head.bias": torch.zeros(3)}, strict=False)
        crosspath.merge(model)
        model.load_state_dict(Model().state_dict(), strict=False)


def test_pickling_and_sending_to_a_process_are_refused() -> None:
    model = Model()
    crosspath.connect(model, Body())
    with refused("Linear", "save_pathway", kind=crosspath.PathwayError):
        pickle.dumps(model)
    process = multiprocessing.get_context("spawn").Process(target=print, args=(model,))
    with refused("Linear", "save_pathway", kind=crosspath.PathwayError):
        process.start()
    crosspath.merge(model)
    pickle.dumps(model)


def test_swapped_arguments_are_named(tmp_path: Path) -> None:
    for call in (crosspath.connect, crosspath.match):
        for target in (str(tmp_path / "model.safetensors"), tmp_path, Body().state_dict()):
            with refused("target", "swap the two arguments", kind=crosspath.PathwayError):
                call(target, Body())  # type: ignore[arg-type]
        with refused("target", "pass the model itself", kind=crosspath.PathwayError):
            call(tmp_path, tmp_path)  # type: ignore[arg-type]
    calls: list[Callable[[Any], Any]] = [crosspath.merge, crosspath.status, crosspath.pathways, crosspath.disconnect]
    calls += [lambda folder: crosspath.save_pathway(folder, tmp_path), lambda f: crosspath.load_pathway(f, tmp_path)]
    for function in calls:
        with refused("target", kind=crosspath.PathwayError):
            function(tmp_path)


def test_a_target_that_is_its_own_auxiliary_is_refused() -> None:
    target = Body()
    with refused("auxiliary", "deepcopy"):
        crosspath.connect(target, target)
    crosspath.connect(target, copy.deepcopy(target))


def test_a_cell_that_runs_twice_is_noticed() -> None:
    target, auxiliary = Body(), Body()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crosspath.connect(target, auxiliary)
        crosspath.connect(target, {"named": auxiliary})
    with pytest.warns(UserWarning, match=r"disconnect\(target, 'auxiliary_2'\)"):
        handle = crosspath.connect(target, auxiliary)
    crosspath.disconnect(target, "auxiliary_2")
    assert handle.names == ("auxiliary", "named")


def test_scales_in_half_precision_are_noticed() -> None:
    with pytest.warns(UserWarning, match="half precision"):
        crosspath.connect(Body().half(), Body())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crosspath.connect(Body().half(), Body(), train_scale=False)


def test_a_reason_is_given_once_however_many_weights_have_it() -> None:
    with torch.device("meta"):
        auxiliary = Body()
    with refused("connect", "blocks.0.attn.proj.weight", "more") as caught:
        crosspath.connect(Body(), auxiliary)
    assert "\n" not in str(caught.value)
