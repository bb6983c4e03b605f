"""Reading a held-out part: in evaluation mode, in order, whatever the batch size; other classes are refused."""

import numpy as np
import pytest
import torch

from crosspath.config import apply_overrides
from crosspath.data.examples import DataSet, Examples
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.evaluate import check_classes
from crosspath.evaluation.held_out import batch_size_on, predict_logits
from tests.checkpoints.small import fresh, image_recipe
from tests.errors import refused

CPU = Compute(device=torch.device("cpu"), precision="float32", reason="test")


def _examples(count: int) -> Examples:
    inputs = np.random.default_rng(0).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    return Examples(inputs, np.zeros(count, dtype=np.int64), tuple(map(str, range(count))))


def test_logits_come_in_order_from_a_model_in_evaluation_mode() -> None:
    recipe = image_recipe("evaluate.batch_size=4", "model.head_dropout=0.5", "model.drop_path=0.5")
    model = fresh(recipe, 3).train()
    examples = _examples(10)
    found = predict_logits(model, recipe, examples, CPU)
    assert model.training
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(np.asarray(examples.inputs)).float() / 127.5 - 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_the_mode_is_restored_after_an_error() -> None:
    recipe = image_recipe()
    model = fresh(recipe, 3).train()
    with pytest.raises(InputError):
        predict_logits(
            model, recipe, Examples(np.zeros((2, 3, 9, 9), np.uint8), np.zeros(2, np.int64), ("a", "b")), CPU
        )
    assert model.training


def test_other_classes_are_refused() -> None:
    empty = _examples(0)
    data = DataSet("image", ("a", "b", "c"), empty, empty, empty, (), "")
    check_classes(data, ("a", "b", "c"), "run")
    with refused("run", "2", "3", "classes"):
        check_classes(data, ("a", "b"), "run")
    with pytest.raises(InputError):
        check_classes(data, ("a", "c", "b"), "run")


@pytest.mark.parametrize(
    ("tokens", "device", "asked", "expected"),
    [
        *((64, "cpu", 256, 64), (64, "cpu", 8, 8), (8, "cpu", 256, 256), (10_000, "cpu", 256, 1)),
        *((64, "cuda", 256, 256), (64, "meta", 256, 256), (None, "cpu", 256, 256)),
    ],
)
def test_a_processor_reads_few_tokens_at_once(
    tokens: int | None, device: str, asked: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = apply_overrides(image_recipe(), [f"evaluate.batch_size={asked}"])
    model = torch.nn.Module()
    if tokens is not None:
        model.tokenizer = torch.nn.Module()
        model.tokenizer.num_tokens = tokens
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert batch_size_on(torch.device(device), model, recipe) == expected
    if device == "cpu" and tokens == 64 and asked == 256:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
        assert batch_size_on(torch.device(device), model, recipe) == 192
