"""transformers' Trainer: λ logged, plain and small checkpoints, resuming to the bit, merging at the end."""

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import crosspath

transformers = pytest.importorskip("transformers")

from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification  # noqa: E402

from crosspath.integrations.transformers import PathwayCallback, optimizer_for  # noqa: E402
from tests.errors import refused  # noqa: E402

CONFIG = ViTConfig(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    image_size=16,
    patch_size=8,
    num_labels=4,
)
WEIGHTS = r"layers\.\d+\..*weight"
"""The linear weights of every block."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def vit(seed: int) -> Any:
    torch.manual_seed(seed)
    return ViTForImageClassification(CONFIG)


def connected(frozen: bool = False, **options: Any) -> Any:
    model = vit(0)
    crosspath.connect(model, {"audio": vit(1)}, names=WEIGHTS, scale_init=0.1, train_auxiliary=not frozen, **options)
    return model


def data(seed: int = 2) -> list[dict[str, Any]]:
    torch.manual_seed(seed)
    return [{"pixel_values": torch.randn(3, 16, 16), "labels": index % 4} for index in range(16)]


def settings(folder: Path, **options: Any) -> Any:
    return TrainingArguments(
        str(folder),
        per_device_train_batch_size=4,
        max_steps=4,
        save_steps=2,
        logging_steps=1,
        learning_rate=1e-2,
        weight_decay=0.1,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )


def trainer_of(model: Any, args: Any, **options: Any) -> tuple[Any, PathwayCallback]:
    trainer = Trainer(
        model, args, train_dataset=data(), eval_dataset=data(3), optimizers=(optimizer_for(model, args), None)
    )
    callback = PathwayCallback(trainer, **options)
    trainer.add_callback(callback)
    return trainer, callback


def everything(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert different == []


def test_every_scale_stands_in_the_trainers_log_at_every_step(tmp_path: Path) -> None:
    model = connected()
    trainer, _ = trainer_of(model, settings(tmp_path))
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if any(name.startswith("pathway/") for name in entry)]
    scales = crosspath.pathways(model).scales()
    assert [entry["step"] for entry in logged] == [1, 2, 3, 4]
    last = {f"pathway/{weight}/{name}": value.item() for (weight, name), value in scales.items()}
    assert {name: value for name, value in logged[-1].items() if name in last} == last
    assert len(last) == 2 * 6


def test_a_checkpoint_holds_the_plain_target_that_from_pretrained_loads(tmp_path: Path) -> None:
    model = connected()
    trainer, _ = trainer_of(model, settings(tmp_path))
    trainer.train()
    folder = tmp_path / "checkpoint-4"
    plain, info = ViTForImageClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    crosspath.disconnect(model)
    assert_same(everything(plain), everything(model))


def test_load_pathway_rebuilds_the_connected_model_from_a_checkpoint(tmp_path: Path) -> None:
    model = connected()
    trainer, _ = trainer_of(model, settings(tmp_path))
    trainer.train()
    rebuilt = vit(5)
    crosspath.load_pathway(rebuilt, tmp_path / "checkpoint-4")
    assert_same(everything(rebuilt), everything(model))


def test_a_frozen_auxiliary_is_not_in_the_checkpoint(tmp_path: Path) -> None:
    trainer, _ = trainer_of(connected(frozen=True), settings(tmp_path))
    trainer.train()
    saved = load_file(tmp_path / "checkpoint-4" / "pathway.safetensors")
    assert len(saved) == 12
    assert all(name.endswith(".scale") for name in saved)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_resumed_run_ends_as_an_uninterrupted_one_to_the_bit(tmp_path: Path, frozen: bool) -> None:
    whole = connected(frozen)
    trainer_of(whole, settings(tmp_path))[0].train()
    resumed = connected(frozen)
    trainer, _ = trainer_of(resumed, settings(tmp_path))
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert_same(everything(resumed), everything(whole))


@pytest.mark.parametrize("groups", ["ours", "the Trainer's"])
def test_the_optimizers_engine_trains_and_resumes_to_the_same_bits(tmp_path: Path, groups: str) -> None:
    """Against live sums, which the Trainer's clipping treats otherwise: so without it."""

    def trained(engine: str, folder: Path, **resume: str) -> dict[str, torch.Tensor]:
        model, args = connected(engine=engine), settings(folder, max_grad_norm=0.0)
        optimizers = (optimizer_for(model, args), None) if groups == "ours" else (None, None)
        trainer = Trainer(model, args, train_dataset=data(), optimizers=optimizers)
        trainer.add_callback(PathwayCallback(trainer))
        trainer.train(**resume)
        return everything(model)

    whole = trained("optimizer", tmp_path / "one")
    resumed = trained("optimizer", tmp_path / "one", resume_from_checkpoint=str(tmp_path / "one" / "checkpoint-2"))
    assert_same(resumed, whole)
    if groups == "ours":  # The Trainer's own decay λ of live sums.
        assert_same(trained("live", tmp_path / "two"), whole)


def test_resuming_warns_of_no_missing_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer_of(connected(), settings(tmp_path))[0].train()
    trainer, _ = trainer_of(connected(), settings(tmp_path))
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    logger.removeHandler(caplog.handler)
    assert [record.message for record in caplog.records if "keys" in record.message] == []


def test_a_model_made_by_the_trainer_is_resumed_to_the_bit(tmp_path: Path) -> None:
    """`model_init` makes the model inside `train()`, when the callback exists already."""

    def trained(**resume: str) -> Any:
        args = settings(tmp_path)
        trainer = Trainer(args=args, model_init=lambda: connected(), train_dataset=data())
        trainer.create_optimizer = lambda model=None: setattr(trainer, "optimizer", optimizer_for(trainer.model, args))
        trainer.add_callback(PathwayCallback(trainer))
        trainer.train(**resume)
        return trainer.model

    whole = trained()
    assert_same(everything(trained(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))), everything(whole))


def test_resuming_from_another_folder_needs_its_name(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    whole = connected()
    trainer_of(whole, settings(first))[0].train()
    checkpoint = str(first / "checkpoint-2")
    with refused("checkpoint-2", "resume_from", kind=crosspath.PathwayError):
        trainer_of(connected(), settings(second))[0].train(resume_from_checkpoint=checkpoint)
    resumed = connected()
    trainer_of(resumed, settings(second), resume_from=checkpoint)[0].train(resume_from_checkpoint=checkpoint)
    assert_same(everything(resumed), everything(whole))


def test_the_checkpoint_of_another_run_in_the_output_folder_is_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    trainer_of(connected(), settings(first))[0].train()
    trainer_of(connected(), settings(second, lr_scheduler_type="constant"))[0].train()
    state = json.loads((second / "checkpoint-2" / "trainer_state.json").read_text())
    assert state["global_step"] == 2
    with refused("checkpoint-2", kind=crosspath.PathwayError):
        trainer_of(connected(), settings(second))[0].train(resume_from_checkpoint=str(first / "checkpoint-2"))


def test_merged_at_the_end_the_model_is_plain_and_computes_the_same(tmp_path: Path) -> None:
    inputs = torch.stack([row["pixel_values"] for row in data(7)])
    apart, together = connected(), connected()
    trainer_of(apart, settings(tmp_path))[0].train()
    trainer, callback = trainer_of(together, settings(tmp_path), merge_at_end=True)
    trainer.train()
    assert callback.receipt is not None
    with torch.no_grad():
        assert torch.equal(together.eval()(inputs).logits, apart.eval()(inputs).logits)
    assert list(together.state_dict()) == list(vit(0).state_dict())
    assert type(together.vit.layers[0].mlp.fc1) is torch.nn.Linear
    trainer.save_model(str(tmp_path / "merged"))
    loaded, info = ViTForImageClassification.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not any(info.values())
    assert_same(everything(loaded), everything(together))


def test_a_model_that_the_trainer_compiles_is_saved_and_merged_like_any_other(tmp_path: Path) -> None:
    torch.compiler.reset()
    apart, together = connected(), connected()
    trainer_of(apart, settings(tmp_path / "apart"))[0].train()
    args = settings(tmp_path / "together", torch_compile=True, torch_compile_backend="eager")
    trainer_of(together, args, merge_at_end=True)[0].train()
    crosspath.load_pathway(rebuilt := vit(5), tmp_path / "together" / "checkpoint-4")
    for model in (apart, rebuilt):
        crosspath.merge(model)
        assert model.state_dict().keys() == together.state_dict().keys()
        for name, value in model.state_dict().items():
            torch.testing.assert_close(value, together.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_the_best_checkpoint_comes_back_with_its_scales(tmp_path: Path) -> None:
    model = connected()
    options = {"eval_strategy": "steps", "eval_steps": 2, "load_best_model_at_end": True}
    args = settings(tmp_path, **options, metric_for_best_model="score", greater_is_better=True)
    trainer, _ = trainer_of(model, args)
    scores = iter((0.9, 0.1))
    trainer.compute_metrics = lambda prediction: {"score": next(scores)}
    trainer.train()
    assert Path(trainer.state.best_model_checkpoint).name == "checkpoint-2"
    best = vit(5)
    crosspath.load_pathway(best, tmp_path / "checkpoint-2")
    assert_same(everything(model), everything(best))


def test_a_plain_model_is_refused_before_training(tmp_path: Path) -> None:
    model, args = vit(0), settings(tmp_path)
    trainer = Trainer(model, args, train_dataset=data())
    trainer.add_callback(PathwayCallback(trainer))
    with refused("ViTForImageClassification", kind=crosspath.PathwayError):
        trainer.train()


def test_the_trainers_own_optimizer_decays_the_scale_and_a_warning_says_so(tmp_path: Path) -> None:
    trainer = Trainer(connected(), settings(tmp_path), train_dataset=data())
    trainer.add_callback(PathwayCallback(trainer))
    with pytest.warns(UserWarning, match="optimizer_for"):
        trainer.train()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="crosspath")
        trainer_of(connected(), settings(tmp_path))[0].train()


def test_the_optimizer_is_the_one_the_arguments_name_over_param_groups(tmp_path: Path) -> None:
    model = connected()
    args = settings(tmp_path, adam_beta2=0.95, optim="adamw_torch")
    optimizer = optimizer_for(model, args, scale_lr=0.5)
    assert type(optimizer) is torch.optim.AdamW
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert groups["scales"]["lr"] == 0.5
    assert groups["scales"]["weight_decay"] == 0.0
    assert groups["weights"]["lr"] == 1e-2
    assert groups["weights"]["weight_decay"] == 0.1
    assert all(group["betas"] == (0.9, 0.95) for group in groups.values())
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    assert count == len(list(model.parameters()))


def test_an_optimizer_that_chooses_its_own_parameters_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, args = connected(), settings(tmp_path)
    choice = torch.optim.AdamW, {"params": list(model.parameters())}
    monkeypatch.setattr(Trainer, "get_optimizer_cls_and_kwargs", staticmethod(lambda *count: choice))
    with refused("optim", kind=crosspath.PathwayError):
        optimizer_for(model, args)


def test_a_checkpoint_keeps_to_the_trainers_limit(tmp_path: Path) -> None:
    trainer_of(connected(), settings(tmp_path, save_total_limit=1))[0].train()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-4"]
