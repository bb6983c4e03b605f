"""Every argument of a wrong type is refused in one line that names it, and nothing is touched."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import crosspath
from tests.errors import refused
from tests.pathway.small_models import Body

NOTHING = object()
TYPES: dict[str, list[Any]] = {
    "roles": [3, None, NOTHING, {"query": 1}, [3], {"query", 3}, b"all", nn.Linear(1, 1)],
    "names": [3, NOTHING, [3], {"a": 3}, {3: "a"}, 1.5],
    "blocks": [3, None, NOTHING, ["spread"], {"0": 0}, {0: 1.5}, "diagonal"],
    "accept": [3, None, NOTHING, [3], {"heads": True}],
    "target_layout": [3, NOTHING, ["timm blocks"]],
    "auxiliary_layout": [3, NOTHING, ["timm blocks"]],
    "scale_init": ["0", NOTHING, [0.0], True, 1j, torch.zeros(1), float("nan"), 10**400],
    "shrink": ["0.4", NOTHING, True, 0.0, -1.0, float("inf"), float("nan")],
    "start": [3, NOTHING, "whole body", ["paper"]],
    "scale_per": [3, None, NOTHING, ["layer"]],
    "train_scale": [1, None, "yes"],
    "train_auxiliary": [0, "no"],
    "bias": [1, None, "yes"],
}
OF_MATCH = ("roles", "names", "blocks", "accept", "target_layout", "auxiliary_layout")


@pytest.mark.parametrize(("argument", "value"), [(name, value) for name, values in TYPES.items() for value in values])
def test_a_wrong_type_is_one_line(argument: str, value: Any) -> None:
    target = Body()
    calls: list[Callable[..., Any]] = [crosspath.connect]
    calls += [crosspath.match] if argument in OF_MATCH else []
    for call in calls:
        with refused(argument, kind=crosspath.PathwayError) as error:
            call(target, Body(), **{argument: value})
        assert len(str(error.value).splitlines()) == 1
    assert not any(parametrize.is_parametrized(module) for module in target.modules())


@pytest.mark.parametrize("value", [3, None, "model", {"weight": torch.zeros(1)}, [Body()], Body])
@pytest.mark.parametrize("call", ["connect", "match", "merge", "disconnect", "pathways", "status"])
def test_a_target_that_is_no_module_is_one_line(call: str, value: Any) -> None:
    arguments = [Body()] if call in ("connect", "match") else []
    with refused("target", kind=crosspath.PathwayError):
        getattr(crosspath, call)(value, *arguments)


@pytest.mark.parametrize(
    "name", ["copy", "keys", "values", "forward", "training", "T_destination", "_parameters", "1a"]
)
def test_a_name_that_torch_uses_leaves_the_target_as_it_was(name: str) -> None:
    target = Body()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with refused("auxiliary", repr(name), kind=crosspath.PathwayError):
        crosspath.connect(target, {name: Body()}, start="whole-body")
    after = target.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("number", [Fraction(1, 2), np.float32(0.5), torch.tensor(0.5).numpy()[()]])
def test_numbers_of_other_libraries_are_saved(number: Any, tmp_path: Path) -> None:
    target = Body()
    handle = crosspath.connect(target, Body(), scale_init=number, shrink=number)
    assert all(scale.item() == 0.5 for scale in handle.scales().values())
    crosspath.save_pathway(target, tmp_path)
    options = json.loads((tmp_path / "pathway.json").read_text())["auxiliaries"]["auxiliary"]["options"]
    assert (options["scale_init"], options["shrink"]) == (0.5, 0.5)


def test_iterators_and_numbers_of_other_libraries_serve() -> None:
    target = Body()
    handle = crosspath.connect(
        target,
        {"one": Body(), "two": Body()},
        roles=(role for role in ("query", "mlp_in")),  # type: ignore[arg-type]
        accept=iter(()),
        scale_init=torch.tensor(0.5).numpy()[()],
    )
    assert len(handle.scales()) == 2 * 2 * 2
    assert all(scale.item() == 0.5 for scale in handle.scales().values())


def test_of_a_checkpoint_its_entry_of_weights_is_named() -> None:
    state, optimizer = Body().state_dict(), {"state": {}, "param_groups": []}
    checkpoint: Any = {"epoch": 3, "model": state, "optimizer": optimizer}
    for auxiliary in (checkpoint, {"vit": checkpoint}, {"model": state, "optimizer": optimizer}):
        with refused("auxiliary", "['model']", kind=crosspath.PathwayError):
            crosspath.connect(Body(), auxiliary)
    with refused("auxiliary", "['model']", kind=crosspath.PathwayError):
        crosspath.match(Body(), checkpoint)
    for call in (crosspath.connect, crosspath.match):
        with refused("auxiliary", "empty", kind=crosspath.PathwayError):
            call(Body(), {})
