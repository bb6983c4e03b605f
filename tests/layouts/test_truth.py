"""The tables that were written by hand, held against what the models compute.

Outputs of a block's layers are altered while the model runs. Values of 0 leave attention nothing; a query matters to
its own token alone, a key to other tokens; doubling a gated mlp's input doubles what its gate lets through, doubling
the gate does not. Attention that reads its weights without calling their layers cannot be altered so: `UNSEEN`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from tests.layouts.zoo.alike import GATED, GROUPED, GROUPED_PLAIN, PLAIN, SINGLE_KEY, TRANSPOSED, model_of, roles_of
from tests.layouts.zoo.transformers_build import DEPTH, WIDTH
from tests.layouts.zoo.truth import Rows

NAMES = tuple(dict.fromkeys(PLAIN + GATED + GROUPED + GROUPED_PLAIN + SINGLE_KEY))
UNSEEN = {
    "torch TransformerEncoder",
    "torchvision ViT",
    "open_clip Transformer",
    "hand-written blocks with unusual names",
    "transformers WavLMModel",
    "timm beit_base_patch16_224",
}
"""torch.nn.functional's multi-head attention, and a weight of timm's whose bias is two parameters."""
LONG_INPUTS: Mapping[str, tuple[int, ...]] = {
    "transformers TimesformerModel": (1, 2, 3, 32, 32),
    "transformers VideoMAEModel": (1, 4, 3, 32, 32),
    "transformers ASTModel": (1, 64, 32),
    "transformers WhisperModel, its encoder": (1, 16, 32),
    "transformers MoonshineModel, its encoder": (1, 3000),
    "transformers PatchTSTModel": (1, 32, 1),
    "timm samvit_base_patch16": (1, 3, 64, 64),
    "torch TransformerEncoder": (1, 5, 32),
    "open_clip Transformer": (1, 5, 32),
    "transformers TimeSeriesTransformerModel, its encoder": (1, 5, 32),
}
Change = Callable[[Tensor], Tensor]


def run(name: str) -> None:
    """The model on one sample; its output is of no interest, only what the hooks see."""
    model = model_of(name).eval()
    torch.manual_seed(0)
    kind = getattr(model, "main_input_name", "input_ids" if name == "nanoGPT" else "pixel_values")
    with torch.no_grad():
        if name.startswith("transformers Qwen2VLModel"):
            model(torch.randn(16, 3 * 2 * 8 * 8), grid_thw=torch.tensor([[1, 4, 4]]))
        elif name == "transformers TimesFmModel":
            model(past_values=torch.randn(1, 32), past_values_padding=torch.zeros(1, 32), freq=torch.zeros(1, 1).long())
        elif name.startswith("transformers Blip2QFormerModel"):
            model(torch.randn(1, 5, 32), encoder_hidden_states=torch.randn(1, 5, 32))
        elif name == "transformers TimeSeriesTransformerModel, its encoder":
            model(inputs_embeds=torch.randn(1, 5, model.config.feature_size))
        elif name in ("transformers BartModel, its encoder",) or (kind == "input_ids" and name not in LONG_INPUTS):
            model(torch.randint(3, 40, (1, 7)))
        elif kind == "input_values" and name not in LONG_INPUTS:
            model(torch.randn(1, 400))
        elif name == "hand-written blocks with unusual names":
            for block in model:
                block(torch.randn(1, 5, 32))
        else:
            model(torch.randn(LONG_INPUTS.get(name, (1, 3, 32, 32))))


@contextmanager
def alter(owner: nn.Module, rows: tuple[int, ...], change: Change, token: int | None = None) -> Iterator[None]:
    """While it lasts, these outputs of the layer are changed, of one token or of all."""

    def alter(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        tokens = output.clone().flatten(0, -2)
        rows_of_token = slice(None) if token is None else slice(token, token + 1)
        part = tokens[rows_of_token]
        part[:, rows] = change(part[:, rows])
        return tokens.reshape(output.shape)

    handle = owner.register_forward_hook(alter)
    try:
        yield
    finally:
        handle.remove()


def inputs_of(name: str, place: Rows) -> list[Tensor]:
    """What the layer with this weight takes in, call by call, when the model runs."""
    inputs: list[Tensor] = []
    handle = owner_of(name, place).register_forward_pre_hook(
        lambda module, arguments: inputs.append(arguments[0].detach().clone())
    )
    try:
        run(name)
    finally:
        handle.remove()
    return inputs


def observe(name: str, place: Rows) -> Tensor:
    """(tokens, features): what the layer takes in at its first call."""
    inputs = inputs_of(name, place)
    assert inputs, f"{place.weight} of {name} is not called"
    return inputs[0].flatten(0, -2)


def owner_of(name: str, place: Rows) -> nn.Module:
    return model_of(name).get_submodule(place.weight.rpartition(".")[0])


@cache
def first_block(name: str) -> dict[str, Rows]:
    return roles_of(name)[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_table_covers_each_row_once(name: str) -> None:
    """The truth itself: two blocks, roles that cover whole weights, four heads of the common width."""
    model, rows = model_of(name), {}
    assert len(roles_of(name)) == DEPTH
    for roles in roles_of(name):
        assert {"query", "key", "value", "attention_output", "mlp_in", "mlp_out"} <= roles.keys()
        for place in roles.values():
            rows.setdefault(place.weight, []).extend(place.rows)
        assert len(roles["query"].rows) == WIDTH
    for weight, numbers in rows.items():
        outputs = model.get_parameter(weight).shape[int(name in TRANSPOSED)]
        assert sorted(numbers) == list(range(outputs)), weight


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNSEEN])
def test_attention_does_what_its_roles_say(name: str) -> None:
    roles = first_block(name)
    output = roles["attention_output"]
    before = observe(name, output)

    def noise(part: Tensor) -> Tensor:
        return part + 10 * torch.randn(part.shape, generator=torch.Generator().manual_seed(1))

    with alter(owner_of(name, roles["value"]), roles["value"].rows, torch.zeros_like):
        assert not observe(name, output).any()
    for role in ("query", "key"):
        with alter(owner_of(name, roles[role]), roles[role].rows, noise, token=1):
            change = ((observe(name, output) - before).abs() > 1e-7).any(dim=1)
        if role == "query":
            assert change.nonzero().flatten().tolist() == [1]
        else:
            assert change.sum() > 1
    with alter(owner_of(name, roles["value"]), roles["value"].rows, noise, token=1):
        change = ((observe(name, output) - before).abs() > 1e-7).any(dim=1)
    assert change.sum() > 1


@pytest.mark.parametrize("name", NAMES)
def test_the_mlp_does_what_its_roles_say(name: str) -> None:
    roles = first_block(name)
    before = observe(name, roles["mlp_out"])
    assert (before - before[0]).abs().max() > 0
    silent = {role: owner_of(name, roles[role]) for role in ("mlp_in", "mlp_gate") if role in roles}
    for role, owner in silent.items():
        with alter(owner, roles[role].rows, torch.zeros_like):
            without = observe(name, roles["mlp_out"])
        torch.testing.assert_close(without, without[:1].expand_as(without), msg=f"{role} silenced: tokens differ still")
    if "mlp_gate" in roles:
        for role, exact in (("mlp_in", True), ("mlp_gate", False)):
            with alter(silent[role], roles[role].rows, lambda part: 2 * part):
                after = observe(name, roles["mlp_out"])
            assert torch.allclose(after, 2 * before, rtol=1e-5, atol=0) == exact, role


def test_only_layers_that_are_not_called_go_unseen() -> None:
    assert set(NAMES) >= UNSEEN
    for name in UNSEEN:
        assert not all(inputs_of(name, first_block(name)[role]) for role in ("query", "attention_output"))
