"""Time series from the user's own csv to a prediction: the numbers that follow from training, and every verb."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import crosspath
from crosspath.config import Recipe, apply_overrides, read_recipe
from crosspath.config.augment import SeriesAugment
from crosspath.config.data import SeriesData
from crosspath.data.generated.synthetic import synthetic_machines
from crosspath.data.views.augment_series import augment_series, warp_time
from crosspath.data.views.draws import Draws
from crosspath.modalities.batches import prepare
from crosspath.modalities.load import load_data, with_absolute_folder
from crosspath.modalities.series import _expected
from crosspath.tokenizers import SeriesTokenizer
from crosspath.tokenizers.patches import from_patches, patches_of
from tests.errors import refused

SETTINGS = (
    "data.length=64",
    "model.tokenizer.patch=16",
    "train.loggers=[]",
    "train.precision=float32",
    "data.channels=null",
)
PER_CLASS = 12


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of a machine in three states, a csv each."""
    folder = tmp_path_factory.mktemp("signals")
    series, labels, classes = synthetic_machines(PER_CLASS, 80, 1)
    for number, (values_CT, label) in enumerate(zip(series, labels, strict=True)):
        if label < 3:
            (folder / classes[label]).mkdir(exist_ok=True)
            rows = [
                f"{place / 100},{','.join(f'{value:.5f}' for value in row)}" for place, row in enumerate(values_CT.T)
            ]
            text = "\n".join(["time,x,y,current", *rows]) + "\n"
            (folder / classes[label] / f"{number:03d}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def auxiliary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("auxiliary") / "digits"
    settings = ("train.epochs=1", "data.labels_per_class=4", "train.loggers=[]")
    crosspath.train("image/digits", out=folder, settings=settings, progress=False)
    return folder


def recipe(*settings: str) -> Recipe:
    return apply_overrides(crosspath.recipe_named("series/folder"), (*SETTINGS, "train.epochs=2", *settings))


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory, signals: Path, auxiliary: Path) -> Path:
    """A run on the user's folder, with a pathway from images."""
    out = tmp_path_factory.mktemp("runs") / "series"
    chosen = recipe("pathway.scale_init=0.5", "train.epochs=3", "train.batch_size=8")
    crosspath.train(chosen, out=out, data=signals, auxiliaries={"image": auxiliary}, progress=False)
    return out


def test_mean_and_deviation_are_those_of_the_training_part_and_stand_in_the_recipe(
    connected: Path, signals: Path
) -> None:
    section = read_recipe(connected / "recipe.yaml").data
    assert isinstance(section, SeriesData)
    data = load_data(section, None, 0)
    values = np.asarray(data.train.inputs[:], np.float64)
    assert section.channels == 3
    np.testing.assert_allclose(section.mean, values.mean(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(section.std, values.std(axis=(0, 2)), rtol=1e-5)
    prepared = prepare(section, data.train.inputs[:], torch.device("cpu"))
    torch.testing.assert_close(prepared.mean((0, 2)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(prepared.std((0, 2)), torch.ones(3), atol=1e-3, rtol=0)
    whole = np.asarray([*data.train.inputs[:], *data.validation.inputs[:], *data.test.inputs[:]], np.float64)
    assert not np.allclose(section.mean, whole.mean(axis=(0, 2)), rtol=1e-5), "the held-out parts count for nothing"
    with refused("data.mean", "none"):
        prepare(section.model_copy(update={"mean": None}), data.train.inputs[:1], torch.device("cpu"))


def test_the_loaded_model_evaluates_merges_and_predicts_with_the_same_numbers(
    connected: Path, signals: Path, tmp_path: Path
) -> None:
    before = crosspath.evaluate(connected)
    assert crosspath.merge_checkpoint(connected, tmp_path / "plain")["equality"]["bitwise"]
    assert crosspath.evaluate(tmp_path / "plain")["metrics"] == before["metrics"]
    file = sorted((signals / "unbalance").iterdir())[0]
    own, merged = (crosspath.predict(folder, [file])[0]["predictions"] for folder in (connected, tmp_path / "plain"))
    assert own == merged
    assert {entry["class"] for entry in own} == {"healthy", "unbalance", "misalignment"}
    gapped = tmp_path / "gapped.csv"
    gapped.write_text(file.read_text(encoding="utf-8").replace(",5.", ",?5.", 0) + "0.8,,1,2\n", encoding="utf-8")
    [result] = crosspath.predict(connected, [gapped])
    assert "1 in 1 of 1" in result["notes"][0]
    exported = crosspath.export(tmp_path / "plain", tmp_path / "series.pt2")
    assert exported["input"]["shape"] == ["batch", 3, 64]
    assert max(exported["max_difference"].values()) < 1e-4


def test_a_run_that_was_cut_off_resumes_to_the_same_bits(
    tmp_path: Path, signals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crosspath.training.step import Stepper

    chosen = recipe("train.checkpoint_steps=1")
    whole = crosspath.train(chosen, out=tmp_path / "whole", data=signals, progress=False)
    step, steps = Stepper.step, iter(range(1))

    def cut(self: Stepper, *arguments: Any) -> Tensor:
        next(steps)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", cut)
        with pytest.raises((StopIteration, RuntimeError)):
            crosspath.train(chosen, out=tmp_path / "cut", data=signals, progress=False)
    resumed = crosspath.train(chosen, out=tmp_path / "cut", data=signals, progress=False, resume=True)
    assert resumed.resumed_at == (1,)
    assert resumed.metrics == whole.metrics
    again = crosspath.train(chosen, out=tmp_path / "cut", data=signals, progress=False, resume=True)
    assert again.metrics == whole.metrics, "a finished run whose recipe has the numbers is the same run"
    with refused("recipe.yaml", "data.mean"):
        crosspath.train(
            apply_overrides(chosen, ("data.mean=[0,0,0]", "data.std=[1,1,1]")),
            out=tmp_path / "cut",
            data=signals,
            progress=False,
            resume=True,
        )


def test_it_pretrains_and_draws_what_it_reconstructs(tmp_path: Path) -> None:
    settings = ("train.epochs=1", "data.length=64", "train.loggers=[]")
    series, labels, _ = synthetic_machines(12, 64, 2)
    result = crosspath.pretrain("series/machines", data=series, out=tmp_path / "run", settings=settings, progress=False)
    assert 0 < result.metrics["test"]["loss"] < 3
    assert len(list((tmp_path / "run" / "reconstructions").glob("*.png"))) == 6
    body = crosspath.load_checkpoint(tmp_path / "run").model.encoder
    few = (*settings, "data.labels_per_class=2", "optimizer.lr=1e-30")
    places = {"out": tmp_path / "fine", "start_from": tmp_path / "run", "data": (series, labels)}
    crosspath.train("series/machines", settings=few, progress=False, **places)
    started = crosspath.load_checkpoint(tmp_path / "fine").model.encoder.state_dict()
    assert all(torch.equal(value, started[name]) for name, value in body.blocks.state_dict(prefix="blocks.").items())


def test_series_in_memory_are_trained_on_and_differing_ones_refused(tmp_path: Path) -> None:
    series, labels, _ = synthetic_machines(6, 64, 2)
    result = crosspath.train(recipe("train.epochs=1"), data=(series, labels), out=tmp_path / "run", progress=False)
    assert sum(result.samples.values()) == 36
    [prediction] = crosspath.predict(tmp_path / "run", [series[0]])
    assert len(prediction["predictions"]) == 5
    with refused("data, sample 1", "(2, 64)"):
        samples = [series[0], series[1, :2], *series[2:]]
        crosspath.train(recipe(), data=(samples, labels), out=tmp_path / "other", progress=False)


def test_without_data_the_number_of_channels_is_asked_for() -> None:
    with refused("data.channels", "none"):
        crosspath.plan("series/folder")
    assert crosspath.plan("series/folder", ("data.channels=2",))["tokens"] == 32
    with refused("recipe", "3", "4"):
        apply_overrides(recipe(), ("data.channels=4", "model.tokenizer.channels_per_group=3"))
    with refused("recipe", "data.mean"):
        apply_overrides(recipe(), ("data.mean=[1]",))


def test_each_channel_has_a_name_or_none(signals: Path) -> None:
    with refused("data.channel_names", 1, "3 channels"):
        with_absolute_folder(recipe("data.channel_names=[x]").data, signals)
    with refused("data.channel_names", 1, "2 channels"):
        with_absolute_folder(recipe("data.channels=2", "data.channel_names=[x]").data, signals)


def test_what_no_file_of_a_folder_reads_is_named(signals: Path, tmp_path: Path) -> None:
    for name in ("on", "off"):
        (tmp_path / name).mkdir()
        for number in range(4):
            np.save(tmp_path / name / f"{number}.npy", np.eye(3, 64))
    unread = {signals: {"array": "x", "axes": "channel,time"}, tmp_path: {"columns": ("x",), "time_column": "t"}}
    for folder, settings in unread.items():
        section = recipe().data.model_copy(update={"folder": folder, "channels": 3, **settings})
        notes = load_data(section, None, 0).notes
        for setting in settings:
            assert any(f"data.{setting} is not read" in note for note in notes), setting
        assert sum("is not read" in note for note in notes) == len(settings)


def test_tokens_are_runs_of_channel_groups() -> None:
    torch.manual_seed(0)
    tokenizer = SeriesTokenizer(4, 12, 2, 3, 16)
    series_BCT = torch.randn(2, 4, 12)
    tokens = tokenizer(series_BCT).tokens_BND
    assert tokenizer.grid == (2, 4)
    weight, bias = tokenizer.proj.weight.flatten(1), tokenizer.proj.bias
    expected = weight @ series_BCT[1, 2:4, 6:9].flatten() + bias
    torch.testing.assert_close(tokens[1, 1 * 4 + 2], expected)
    torch.testing.assert_close(from_patches(tokenizer, patches_of(tokenizer, series_BCT))[:, 0], series_BCT)
    with refused("model.tokenizer.channels_per_group", "3"):
        SeriesTokenizer(4, 12, 3, 3, 16)
    with refused("batch"):
        tokenizer(series_BCT[:, :, :9])


def test_augmentation_depends_on_the_sample_alone_and_does_what_it_says() -> None:
    batch, ids, data = torch.randn(4, 2, 50), torch.arange(4), SeriesData(channels=2, length=50)
    cpu = torch.device("cpu")
    every = SeriesAugment(warp=0.5, scale_std=0.2, jitter_std=0.1, time_mask=20)
    whole = augment_series(every, data, batch, Draws(3, 1, ids, cpu))
    part = augment_series(every, data, batch[2:], Draws(3, 1, ids[2:], cpu))
    torch.testing.assert_close(whole[2:], part, rtol=0, atol=0)
    off = SeriesAugment(warp=0.0, scale_std=0.0, jitter_std=0.0, time_mask=0)
    assert augment_series(off, data, batch, Draws(3, 1, ids, cpu)) is batch
    masked = augment_series(off.model_copy(update={"time_mask": 20}), data, batch, Draws(3, 1, ids, cpu))
    lost = (masked == 0).all(1)
    assert 0 < lost.sum(1).max() <= 20
    torch.testing.assert_close(masked[:, 0][~lost], batch[:, 0][~lost])
    scaled = augment_series(off.model_copy(update={"scale_std": 0.2}), data, batch, Draws(3, 1, ids, cpu))
    factors = scaled / batch
    torch.testing.assert_close(factors, factors[:, :, :1].expand_as(factors), rtol=1e-4, atol=1e-4)


def test_warped_time_keeps_order_and_ends() -> None:
    ramp = torch.linspace(0.0, 1.0, 200).expand(16, 1, 200)
    warped = warp_time(ramp, 0.9, Draws(0, 0, torch.arange(16), torch.device("cpu")))
    torch.testing.assert_close(warped[:, :, [0, -1]], ramp[:, :, [0, -1]])
    paces = warped.diff(dim=2) * 199
    assert paces.min() > 0.1 - 1e-3
    assert paces.max() < 1.9 + 1e-3
    assert (paces.amax(2) - paces.amin(2)).max() > 0.3


def test_a_rate_is_stated_of_values_that_have_it() -> None:
    section = SeriesData(channels=1, rate_hz=50.0, length=64)
    assert "at 50 Hz, then resampled to 64" in _expected(section)
    assert "then" not in _expected(SeriesData(channels=1, length=64))
    assert "cut to" in _expected(section.model_copy(update={"lengths": "pad"}))
