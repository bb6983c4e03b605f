"""A whole run on data in memory: what it leaves behind, that it repeats, and what it refuses."""

import gc
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from crosspath.checkpoints import auxiliary_source, load_checkpoint, merge_checkpoint, save_checkpoint
from crosspath.config import Recipe, read_recipe
from crosspath.data.examples import DataSet
from crosspath.evaluation import evaluate
from crosspath.files import check_manifest, read_tensors
from crosspath.objectives.classification import SEVERAL_LABELS
from crosspath.objectives.drawing import Drawing
from crosspath.pathway import PathwayError, pathways
from crosspath.training import train
from crosspath.training.outcome import Outcome
from crosspath.training.result import read_result
from tests.checkpoints.small import audio_recipe, fresh, image_recipe
from tests.errors import refused
from tests.training.synthetic import CLASSES, in_memory

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]
SHORT = (
    "data.classes=null",
    "train.epochs=2",
    "train.batch_size=12",
    "train.log_every=2",
    "train.evaluate_every=1",
    "schedule.warmup_epochs=1",
)


def short(recipe: Callable[..., Recipe], *overrides: str) -> Recipe:
    """Two epochs of three steps."""
    return recipe(*SHORT, *overrides)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_parts_without_samples_are_refused_before_anything_is_written(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.accumulate=13")
    in_memory(recipe)
    with refused("train.batch_size", 13):
        train(recipe, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_run_s_weights_are_freed_at_its_end(tmp_path: Path, in_memory: InMemory) -> None:
    def parameters() -> int:
        return sum(type(thing) is nn.Parameter for thing in gc.get_objects())

    recipe = short(image_recipe)
    in_memory(recipe)
    train(recipe, out=tmp_path / "first", progress=False)  # what is loaded with the first run stays
    gc.collect()
    gc.disable()
    try:
        before = parameters()
        train(recipe, out=tmp_path / "second", progress=False)
        assert parameters() == before
    finally:
        gc.enable()


def test_what_a_run_leaves_behind(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe)
    data = in_memory(recipe)
    result = train(recipe, out=tmp_path / "run", progress=False)

    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == [
        "checkpoints",
        "inputs.json",
        "log.jsonl",
        "manifest.json",
        "model.safetensors",
        "pictures",
        "recipe.yaml",
        "result.json",
        "tensorboard",
    ]
    check_manifest(tmp_path / "run")
    assert read_recipe(tmp_path / "run" / "recipe.yaml") == recipe
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == json.loads(json.dumps(result.to_json()))
    assert set(result.metrics["validation"]) == set(result.metrics["test"]) == {"accuracy", "loss"}
    assert result.samples == {"train": 36, "validation": 18, "test": 18}
    assert result.data == {"fingerprint": data.fingerprint, "damaged": [], "unread": {}}
    assert (result.epoch, result.steps, result.seed, result.resumed_at) == (2, 6, 0, ())
    assert result.environment["versions"]["torch"] == torch.__version__
    assert result.cost["tokens"] == 4
    assert result.scales == {}

    steps = [line for line in lines(tmp_path / "run") if "loss" in line]
    assert [line["step"] for line in steps] == [2, 4, 6]
    assert all(set(line) == {"step", "epoch", "loss", "lr", "samples_per_s"} for line in steps)
    epochs = [line for line in lines(tmp_path / "run") if "validation" in line]
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert epochs[-1]["validation"] == result.metrics["validation"]


def test_evaluate_reads_what_the_run_read(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    result = train(recipe, out=tmp_path / "run", progress=False)
    for split in ("validation", "test"):
        found = evaluate(tmp_path / "run", split=split)
        assert set(found) == {"checkpoint", "recipe", "split", "samples", "metrics"}
        assert found["metrics"] == result.metrics[split]
        assert (found["recipe"], found["split"], found["samples"]) == ("image/cifar10", split, 18)
        assert all(type(value) is float for value in found["metrics"].values())


def test_a_run_learns(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(audio_recipe, "train.epochs=12", "data.mean=0", "data.std=0.5")
    in_memory(recipe)
    assert train(recipe, out=tmp_path / "run", progress=False).metrics["test"]["accuracy"] > 0.9


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "model.drop_path=0.2")
    in_memory(recipe)
    states = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.manual_seed(hash(name) % 1000)
        changed = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
        train(changed, out=tmp_path / name, progress=False)
        states.append(read_tensors(tmp_path / name / "model.safetensors")[0])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert any(not torch.equal(value, states[2][name]) for name, value in states[0].items())
    # Equal runs leave equal bytes, but for what a clock measures and where the run lies.
    measured = {tmp_path / "a" / name for name in ("log.jsonl", "result.json", "manifest.json")}
    for path in {path for path in (tmp_path / "a").rglob("*") if path.is_file()} - measured:
        if path.parent.name != "tensorboard":
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path
    first, second = (json.loads((tmp_path / name / "result.json").read_text()) for name in "ab")
    for result in (first, second):
        del result["folder"], result["duration_s"], result["cost"]["latency_ms"]
    assert first == second


@pytest.fixture
def connected_run(tmp_path: Path, in_memory: InMemory) -> Path:
    """An image run with a pathway from an audio run, both trained here."""
    audio = short(audio_recipe)
    in_memory(audio)
    train(audio, out=tmp_path / "audio", progress=False)
    image = short(image_recipe, "pathway.scale_init=0.1", "evaluate.batch_size=7")
    in_memory(image)
    train(image, out=tmp_path / "image", auxiliaries={"audio": tmp_path / "audio"}, progress=False)
    return tmp_path / "image"


def test_connected_and_merged_read_the_same_to_the_last_digit(connected_run: Path, tmp_path: Path) -> None:
    receipt = merge_checkpoint(connected_run, tmp_path / "plain")
    assert receipt["equality"]["bitwise"]
    before, after = evaluate(connected_run), evaluate(tmp_path / "plain")
    assert before["metrics"] == after["metrics"]
    assert before["samples"] == after["samples"] == 18

    plain = read_tensors(tmp_path / "plain" / "model.safetensors")[0]
    assert list(plain) == sorted(fresh(image_recipe(), len(CLASSES)).state_dict())
    own = read_tensors(connected_run / "model.safetensors")[0]
    assert not torch.equal(plain["encoder.blocks.0.attn.qkv.weight"], own["encoder.blocks.0.attn.qkv.weight"])


def test_a_connected_run_keeps_its_scales(connected_run: Path, tmp_path: Path) -> None:
    epochs = [line for line in lines(connected_run) if "scales" in line]
    assert len(epochs) == 2
    result = json.loads((connected_run / "result.json").read_text())
    assert epochs[-1]["scales"] == result["scales"]
    assert len(result["scales"]) == 24
    scales = {value for weight in result["scales"].values() for value in weight["audio"]}
    assert len(scales) > 12
    assert all(0.05 < value < 0.15 for value in scales)
    assert result["auxiliaries"]["audio"]["origin"] == str(tmp_path / "audio")
    assert load_checkpoint(connected_run).connected
    assert (connected_run / "pathway.json").exists()


def test_the_average_with_pathways_is_what_is_left(tmp_path: Path, in_memory: InMemory) -> None:
    audio = short(audio_recipe)
    in_memory(audio)
    train(audio, out=tmp_path / "audio", progress=False)
    image = short(image_recipe, "pathway.scale_init=0.1", "train.ema_decay=0.9")
    in_memory(image)
    auxiliaries = {"audio": tmp_path / "audio"}
    averaged = train(image, out=tmp_path / "averaged", auxiliaries=auxiliaries, progress=False)
    last = train(short(image_recipe, "pathway.scale_init=0.1"), out=tmp_path / "last", auxiliaries=auxiliaries)
    weight = "encoder.blocks.0.attn.qkv.weight"
    # It lags behind the last weights, and has moved from where they began.
    scale, final = averaged.scales[weight]["audio"][0], last.scales[weight]["audio"][0]
    assert 1e-5 < abs(scale - 0.1) < abs(final - 0.1)
    merge_checkpoint(tmp_path / "averaged", tmp_path / "plain")
    metrics = evaluate(tmp_path / "plain")["metrics"]
    assert metrics == evaluate(tmp_path / "averaged")["metrics"] == averaged.metrics["test"]


@pytest.mark.parametrize("extra", [(), ("train.ema_decay=0.5",)])
def test_best_leaves_the_weights_of_the_epoch_with_the_best_validation_accuracy(
    extra: tuple[str, ...], tmp_path: Path, in_memory: InMemory
) -> None:
    # Of equal epochs the first is best, so a task that is soon solved has its best epoch before its last.
    settings = ("train.epochs=6", "train.select=best", "train.checkpoint_every=1", "train.keep_checkpoints=6", *extra)
    recipe = short(image_recipe, *settings)
    in_memory(recipe)
    result = train(recipe, out=tmp_path / "run", progress=False)
    read = [line["validation"] for line in lines(tmp_path / "run") if "validation" in line]
    accuracies = [metrics["accuracy"] for metrics in read]  # type: ignore[index]
    assert result.epoch == 1 + accuracies.index(max(accuracies))
    assert result.epoch < 6, "the test says nothing where the last epoch is the best"
    assert result.metrics["validation"] == read[result.epoch - 1]
    assert evaluate(tmp_path / "run", split="validation")["metrics"] == read[result.epoch - 1]
    left = read_tensors(tmp_path / "run" / "model.safetensors")[0]
    best, last = (
        read_tensors(tmp_path / "run" / "checkpoints" / f"{3 * epoch:08d}" / "model.safetensors")[0]
        for epoch in (result.epoch, 6)
    )
    assert all(torch.equal(value, best[name]) for name, value in left.items())
    assert not all(torch.equal(value, last[name]) for name, value in left.items())


def test_no_epoch_is_best_where_validation_gives_no_score() -> None:
    outcome = Outcome(torch.nn.Linear(1, 1))
    with refused("the validation part", "map", "train.select=last"):
        outcome.consider(1, {}, SEVERAL_LABELS.score, "best")
    outcome.consider(1, {}, SEVERAL_LABELS.score, "last")
    assert outcome.epoch == 1


def test_of_equal_epochs_best_keeps_the_first() -> None:
    model = torch.nn.Linear(1, 1)
    outcome = Outcome(model)

    def score(metrics: dict[str, float]) -> float:
        return metrics["accuracy"]

    for epoch, accuracy in enumerate((0.2, 0.5, 0.5, 0.4), start=1):
        with torch.no_grad():
            model.weight.fill_(float(epoch))
        outcome.consider(epoch, {"accuracy": accuracy}, score, "best")
    assert (outcome.epoch, outcome.metrics) == (2, {"accuracy": 0.5})
    assert outcome.best_state["weight"].item() == 2.0
    outcome.consider(5, {"accuracy": 0.1}, score, "last")
    assert (outcome.epoch, outcome.metrics) == (5, {"accuracy": 0.1})


def test_checkpoints_on_the_way_load(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.checkpoint_every=1", "train.epochs=3")
    in_memory(recipe)
    train(recipe, out=tmp_path / "run", progress=False)
    folders = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert [folder.name for folder in folders] == ["00000006", "00000009"]
    assert evaluate(folders[0])["samples"] == 18


def test_starting_from_a_run(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    train(recipe, out=tmp_path / "first", progress=False)
    slow = short(image_recipe, "optimizer.lr=1.0e-12", "train.epochs=1")
    train(slow, out=tmp_path / "second", start_from=tmp_path / "first", progress=False)
    first, second = (read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("first", "second"))
    assert all(torch.allclose(value, second[name], atol=1e-6) for name, value in first.items())


def test_folders_are_not_overwritten_and_finished_runs_are_not_repeated(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    first = train(recipe, out=tmp_path / "run", progress=False)
    with refused("run", "--out", "--resume"):
        train(recipe, out=tmp_path / "run", progress=False)
    again = train(recipe, out=tmp_path / "run", progress=False, resume=True)
    assert again == type(again)(**{**vars(first), "classes": tuple(first.classes)})
    with refused("recipe.yaml", "settings"):
        train(short(image_recipe, "train.seed=4"), out=tmp_path / "run", progress=False, resume=True)


def test_a_result_without_some_of_its_content_names_it(tmp_path: Path) -> None:
    path = (
        Path(__file__).parents[1] / "golden/study/runs/image-digits/labels-all/none/final/lr-0.002-seed-0/result.json"
    )
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["cost"]
    (tmp_path / "result.json").write_text(json.dumps({**values, "price": 1}), encoding="utf-8")
    with refused("result.json", "cost", "missing", "price", "unknown"):
        read_result(tmp_path)


def test_an_unfinished_run_starts_over_and_says_so(
    tmp_path: Path, in_memory: InMemory, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = short(image_recipe)
    in_memory(recipe)
    train(recipe, out=tmp_path / "run", progress=False)
    for name in ("manifest.json", "result.json", "model.safetensors"):
        (tmp_path / "run" / name).unlink()
    own = [tmp_path / "run" / place for place in ("checkpoints/mine/notes", "tensorboard/notes", "pictures/notes")]
    for file in own:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    train(recipe, out=tmp_path / "run", resume=True)
    assert all(file.exists() for file in own)
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 2
    assert "starts over" in capsys.readouterr().err
    assert len(lines(tmp_path / "run")) == 5
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with refused("other", "folder", "resume"):
        train(recipe, out=tmp_path / "other", resume=True)
    assert (tmp_path / "other" / "mine.txt").exists()


def test_nothing_is_written_when_the_auxiliary_does_not_fit(tmp_path: Path, in_memory: InMemory) -> None:
    wide = short(audio_recipe, "model.size=tiny", "train.epochs=1")
    in_memory(wide)
    train(wide, out=tmp_path / "wide", progress=False)
    recipe = short(image_recipe)
    in_memory(recipe)
    with refused("connect", "audio", kind=PathwayError):
        train(recipe, out=tmp_path / "run", auxiliaries={"audio": tmp_path / "wide"}, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(audio_recipe)
    data = in_memory(recipe)
    data.train.inputs[:] = np.nan
    with refused("training sample 1-0"):
        train(recipe, out=tmp_path / "run", progress=False)


def test_data_of_other_classes_is_refused(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = image_recipe("data.classes=10")
    in_memory(recipe)
    with refused("data.classes", "10", "3"):
        train(recipe, out=tmp_path / "run", progress=False)


def test_a_resumed_run_must_start_from_the_same(connected_run: Path, tmp_path: Path) -> None:
    recipe = read_recipe(connected_run / "recipe.yaml")
    auxiliaries = {"audio": tmp_path / "audio"}
    train(recipe, out=connected_run, auxiliaries=auxiliaries, progress=False, resume=True)
    for changed in ({}, {"auxiliaries": auxiliaries, "start_from": tmp_path / "audio"}):
        with refused("inputs.json"):
            train(recipe, out=connected_run, progress=False, resume=True, **changed)


def test_an_auxiliary_trained_again_is_another(connected_run: Path, tmp_path: Path) -> None:
    recipe = read_recipe(connected_run / "recipe.yaml")
    save_checkpoint(fresh(audio_recipe(), 3, 7), tmp_path / "audio", recipe=audio_recipe(), classes=CLASSES)
    auxiliaries = {"audio": tmp_path / "audio"}
    with refused("inputs.json"):
        train(recipe, out=connected_run, auxiliaries=auxiliaries, progress=False, resume=True)


def test_scales_that_explode_between_readings_end_the_run(tmp_path: Path, in_memory: InMemory) -> None:
    in_memory(audio := short(audio_recipe, "train.epochs=1"))
    train(audio, out=tmp_path / "audio", progress=False)
    one_step = ("train.batch_size=64", "schedule.warmup_epochs=0", "train.evaluate_every=2")
    in_memory(recipe := short(image_recipe, *one_step, "optimizer.lr=1e-3", "optimizer.scale_lr=1e39"))
    with refused("step 1 of training", "optimizer.lr"):
        train(recipe, out=tmp_path / "run", auxiliaries={"audio": tmp_path / "audio"}, progress=False)


def test_a_pathway_tells_which_file_it_came_from(connected_run: Path, tmp_path: Path) -> None:
    described = json.loads((connected_run / "pathway.json").read_text())["auxiliaries"]["audio"]
    assert described["description"] == str((tmp_path / "audio").resolve())
    assert len(described["sha256"]) == 64


def test_a_pathway_without_a_part_in_the_result_is_said(
    connected_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = read_recipe(connected_run / "recipe.yaml")
    settings = {"pathway": {"shrink": 0.5}, "train.epochs": 1}
    notes = {}
    for start in ("paper", "whole-body"):
        notes[start] = train(
            recipe, out=tmp_path / start, auxiliaries={"audio": tmp_path / "audio"}, start=start, settings=settings
        ).notes
        shown = capsys.readouterr().err.replace("\n", " ")
        assert all(note in shown for note in notes[start])
        assert any(f"start {start}" in note and "instead: shrink=0.5" in note for note in notes[start])
    assert any("from audio" in note and "--start whole-body" in note for note in notes["paper"])
    assert not any("no part" in note for note in (*notes["whole-body"], *read_result(connected_run).notes))


def test_weights_that_explode_in_the_last_step_end_the_run(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(
        image_recipe, "train.epochs=1", "train.batch_size=64", "optimizer.lr=1e30", "schedule.warmup_epochs=0"
    )
    in_memory(recipe)
    with refused("the trained model", "optimizer.lr"):
        train(recipe, out=tmp_path / "run", progress=False)


def test_without_a_folder_a_run_goes_below_runs(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = short(image_recipe, "train.epochs=1")
    in_memory(recipe)
    train(recipe, progress=False)
    assert (tmp_path / "runs" / recipe.name / "result.json").is_file()


def test_a_connected_run_says_how_far_its_auxiliary_moved(connected_run: Path) -> None:
    result = read_result(connected_run)
    kept = load_checkpoint(connected_run)
    start = auxiliary_source(next(iter(result.auxiliaries.values()))["origin"]).weights
    assert isinstance(start, nn.Module)
    for (weight, name), parameter in pathways(kept.model).auxiliaries().items():
        now = parameter.detach().double().flatten()
        then = start.get_parameter(weight).detach().double().flatten()
        expected = torch.nn.functional.cosine_similarity(now, then, dim=0).item()
        assert result.likeness[weight][name] == pytest.approx(expected, abs=1e-12)
        assert expected < 1.0
        summed = kept.model.get_submodule(weight.rpartition(".")[0]).weight
        assert result.sizes[weight] == pytest.approx(summed.double().square().mean().sqrt().item(), rel=1e-12)


def test_a_fault_of_its_pictures_costs_a_run_nothing(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Drawing, "show", fail)
    recipe = short(image_recipe, "train.epochs=1")
    in_memory(recipe)
    with pytest.raises(MemoryError):
        train(recipe, out=tmp_path / "run", progress=False)
    check_manifest(tmp_path / "run")
    assert read_result(tmp_path / "run").epochs == 1
