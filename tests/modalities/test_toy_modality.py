"""A modality of one's own in one file: coloured noise in `.npy` files. Nothing of the package knows it.

This is what "adding a modality" takes, from top to bottom: the sections of its recipes, how a file is read, how samples
become tokens, what training alters, one object that holds all of it, and one call that adds it. The tests then do with
it whatever is done with a shipped modality.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

import crosspath
from crosspath import modalities
from crosspath.catalogue.check import guess_section
from crosspath.cli.main import main
from crosspath.config import Recipe, apply_overrides, recipe_from_text, recipe_to_text
from crosspath.config.augment import AugmentSection
from crosspath.config.data import DataSection
from crosspath.config.kinds import Sections
from crosspath.config.model import ModelSection, TokenizerSection
from crosspath.config.training import MaskingSection, TrainSection
from crosspath.data.generated.sets import GeneratedSamples
from crosspath.data.readers.folder import FolderReader
from crosspath.data.views.draws import Draws
from crosspath.data.views.normalise import Scaling
from crosspath.errors import InputError
from crosspath.modalities import Modality
from crosspath.modalities.modality import Export, Picture
from crosspath.study.pools import local_pool
from crosspath.tokenizers import ChooseMask, MaskableTokenizer, MaskedView, Tokens, select_tokens
from crosspath.tokenizers.positions import sincos_1d
from tests.errors import refused

# --- The sections of its recipes -------------------------------------------------------------------------------------


class NoiseData(DataSection):
    """Recordings of noise, `length` values each."""

    modality: Literal["noise"] = "noise"
    dataset: Literal["folder", "colours"] = "folder"
    length: PositiveInt = 64
    std: NonNegativeFloat = 1.0
    """By which values are divided."""


class NoiseAugment(AugmentSection):
    """On values."""

    modality: Literal["noise"] = "noise"
    jitter_std: NonNegativeFloat = 0.1


class NoisePatches(TokenizerSection):
    """Runs of values."""

    kind: Literal["noise_patches"] = "noise_patches"
    patch: PositiveInt = 8


SECTIONS = Sections(modality="noise", data=NoiseData, augment=NoiseAugment, tokenizer=NoisePatches)

# --- Files to samples ------------------------------------------------------------------------------------------------

COLOURS = ("brown", "white")


def read_noise(path: Path) -> NDArray[np.float32]:
    return np.load(path, allow_pickle=False)


def noise_reader(data: NoiseData) -> FolderReader:
    return FolderReader(
        read_noise, suffixes=(".npy",), content="noise", shape=(data.length,), settings={"length": data.length}
    )


def make_noise(colour: str, count: int, length: int, seed: int) -> NDArray[np.float32]:
    white = np.random.default_rng(seed).normal(size=(count, length))
    return (white if colour == "white" else white.cumsum(1) / 3).astype(np.float32)


def noise_set(data: NoiseData) -> GeneratedSamples:
    inputs = np.concatenate([make_noise(colour, 40, data.length, seed) for seed, colour in enumerate(COLOURS)])
    return GeneratedSamples(inputs, np.repeat(np.arange(2), 40), COLOURS)


# --- Samples to tokens -----------------------------------------------------------------------------------------------


class NoiseTokenizer(MaskableTokenizer):
    """Tokens of noise (B, L), one a run of `patch` values."""

    positions_1ND: Tensor  # noqa: N815

    def __init__(self, length: int, patch: int, width: int) -> None:
        super().__init__()
        self.width, self.num_tokens, self.patch = width, length // patch, patch
        self.fixed_grid, self.target_values = (self.num_tokens,), patch
        self.proj = nn.Linear(patch, width)
        self.register_buffer("positions_1ND", sincos_1d(self.num_tokens, width)[None], persistent=False)

    def forward(self, noise_BL: Tensor) -> Tokens:
        return Tokens(self.proj(noise_BL.unflatten(1, (-1, self.patch))), self.positions_1ND)

    def mask(self, noise_BL: Tensor, choose_mask: ChooseMask) -> MaskedView:
        mask = choose_mask(None)
        target_BNP = noise_BL.unflatten(1, (-1, self.patch))
        return MaskedView(select_tokens(self(noise_BL), mask.visible_BV), target_BNP, None, mask)


def build_tokenizer(section: NoisePatches, data: NoiseData, width: int, positions: str) -> NoiseTokenizer:
    return NoiseTokenizer(data.length, section.patch, width)


def sample_shape(data: NoiseData) -> tuple[int, ...]:
    return (data.length,)


def scaling(data: NoiseData) -> Scaling:
    return Scaling(factor=[data.std], shift=[0.0])


# --- What training alters, and what is shown -------------------------------------------------------------------------


def jitter(section: NoiseAugment, data: NoiseData, noise_BL: Tensor, draws: Draws) -> Tensor:
    return noise_BL + section.jitter_std * draws.normal("jitter", noise_BL.shape[1])


def plot(axes: object, noise: NDArray[np.float32], original: NDArray[np.float32], data: NoiseData) -> None:
    axes.plot(np.ravel(noise))  # type: ignore[attr-defined]


def triples(
    tokenizer: NoiseTokenizer, batch: Tensor, predicted: Tensor, target: Tensor, mask: object, normalise: bool
) -> list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    return [(sample, sample, sample) for sample in batch.numpy()]


def raw(data: NoiseData, generated: Tensor) -> Tensor:
    return generated * data.std


def expected_input(data: NoiseData) -> str:
    return f"{data.length} values"


def normalisation(data: NoiseData) -> str:
    return f"x / {data.std}"


# --- Its recipe, the object, and the call that adds it ---------------------------------------------------------------


def noise_recipe() -> Recipe:
    return Recipe(
        name="noise/colours",
        modality="noise",
        data=NoiseData(dataset="colours", classes=2),
        model=ModelSection(size="micro", tokenizer=NoisePatches()),
        augment=NoiseAugment(),
        train=TrainSection(epochs=2, batch_size=16, loggers=(), precision="float32"),
    )


NOISE = Modality[NoiseData, NoiseAugment, NoisePatches](
    sections=SECTIONS,
    suffixes=(".npy",),
    containers=(".npy",),
    content="noise",
    generated={"colours": noise_set},
    reader=noise_reader,
    sample_shape=sample_shape,
    scaling=scaling,
    tokenizer=build_tokenizer,
    augment=jitter,
    picture=Picture(draw=plot, reconstructions=triples),
    export=Export(axes=("value",), dtype=torch.float32, raw=raw, expected=expected_input, normalisation=normalisation),
    recipes={"noise/colours": noise_recipe},
)


@pytest.fixture(scope="module", autouse=True)
def noise() -> Iterator[None]:
    modalities.add(NOISE)
    yield
    modalities.remove(NOISE)


@pytest.fixture(scope="module")
def auxiliary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of another modality that has trained a little."""
    folder = tmp_path_factory.mktemp("auxiliary") / "digits"
    recipe = apply_overrides(
        crosspath.recipe_named("image/digits"), ("train.epochs=1", "data.labels_per_class=4", "train.loggers=[]")
    )
    crosspath.train(recipe, out=folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def connected(tmp_path_factory: pytest.TempPathFactory, auxiliary: Path) -> Path:
    """A run of the toy modality with a pathway from images."""
    folder = tmp_path_factory.mktemp("runs") / "noise"
    recipe = apply_overrides(noise_recipe(), ("pathway.scale_init=0.5", "train.epochs=3"))
    result = crosspath.train(recipe, out=folder, auxiliaries={"image": auxiliary}, progress=False)
    assert result.metrics["test"]["accuracy"] > 0.7
    return folder


# --- What the package does with it -----------------------------------------------------------------------------------


def test_its_recipe_is_checked_like_any_other() -> None:
    recipe = noise_recipe()
    assert recipe_from_text(recipe_to_text(recipe), "text") == recipe
    assert crosspath.recipe_named("noise/colours") == recipe
    assert apply_overrides(recipe, ("model.tokenizer.patch=16",)).model.tokenizer == NoisePatches(patch=16)
    with pytest.raises(InputError) as error:
        apply_overrides(recipe, ("data.lenght=3",))
    assert (error.value.where, error.value.todo) == ("data.lenght", "did you mean data.length?")
    with refused("recipe", "masking.kind", "noise"):
        apply_overrides(recipe, ("objective=masked_modeling", "masking.kind=tube"))
    assert crosspath.plan(recipe)["tokens"] == 8


def test_its_sections_say_which_settings_its_recipes_read() -> None:
    recipe = noise_recipe()
    pretraining = recipe.model_copy(update={"objective": "masked_modeling", "masking": MaskingSection()})
    with refused("evaluate.votes", "point"):
        apply_overrides(recipe, ("evaluate.votes=3",))
    assert apply_overrides(pretraining, ("masking.decoder_depth=3",)).masking.decoder_depth == 3  # type: ignore[union-attr]
    local = replace(NOISE, sections=replace(SECTIONS, reads=("evaluate.votes",), ignores=("masking.decoder_depth",)))
    modalities.remove(NOISE)
    modalities.add(local)
    try:
        assert apply_overrides(recipe, ("evaluate.votes=3",)).evaluate.votes == 3
        with refused("masking.decoder_depth", "noise"):
            apply_overrides(pretraining, ("masking.decoder_depth=3",))
        with refused("evaluate.votes", "point", "noise"):
            apply_overrides(crosspath.recipe_named("image/digits"), ("evaluate.votes=3",))
    finally:
        modalities.remove(local)
        modalities.add(NOISE)


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="noise"):
        modalities.add(Modality(sections=Sections(**vars(SECTIONS)), sample_shape=sample_shape, tokenizer=print))


def test_a_study_refuses_a_modality_that_other_processes_cannot_import() -> None:
    local = replace(NOISE, sample_shape=lambda data: (data.length,))
    modalities.remove(NOISE)
    modalities.add(local)
    try:
        with refused("modality noise", "lambda"), local_pool(1):
            pass
    finally:
        modalities.remove(local)
        modalities.add(NOISE)


def test_a_run_that_was_cut_off_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crosspath.training.step import Stepper

    recipe = apply_overrides(noise_recipe(), ("train.checkpoint_steps=1",))
    whole = crosspath.train(recipe, out=tmp_path / "whole", progress=False)
    step, steps = Stepper.step, iter(range(3))

    def cut(self: Stepper, *arguments: Any) -> Tensor:
        next(steps)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", cut)
        with pytest.raises((StopIteration, RuntimeError)):
            crosspath.train(recipe, out=tmp_path / "cut", progress=False)
    resumed = crosspath.train(recipe, out=tmp_path / "cut", progress=False, resume=True)
    assert resumed.resumed_at != ()
    assert resumed.metrics == whole.metrics
    weights = [crosspath.load_checkpoint(tmp_path / name).model.state_dict() for name in ("whole", "cut")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_it_evaluates_merges_and_gives_the_same_numbers(connected: Path, tmp_path: Path) -> None:
    before = crosspath.evaluate(connected)
    receipt = crosspath.merge_checkpoint(connected, tmp_path / "plain")
    assert receipt["equality"]["bitwise"]
    assert crosspath.evaluate(tmp_path / "plain")["metrics"] == before["metrics"]
    assert "noise" in (tmp_path / "plain" / "README.md").read_text(encoding="utf-8")


def test_it_predicts_files(connected: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", make_noise("brown", 1, 64, 9)[0])
    [prediction] = crosspath.predict(connected, [tmp_path / "one.npy"])
    assert {entry["class"] for entry in prediction["predictions"]} == set(COLOURS)
    np.save(tmp_path / "short.npy", np.zeros(3, np.float32))
    with pytest.raises(InputError) as error:
        crosspath.predict(connected, [tmp_path / "short.npy"])
    assert error.value.where == str(tmp_path / "short.npy")


def test_it_exports(connected: Path, tmp_path: Path) -> None:
    made = crosspath.export(connected, tmp_path / "noise.pt2")
    assert made["input"]["axes"] == ["batch", "value"]
    assert max(made["max_difference"].values()) < 1e-4


def test_it_trains_and_is_checked_from_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, colour in enumerate(COLOURS):
        for number, noise in enumerate(make_noise(colour, 12, 64, seed)):
            (tmp_path / "data" / colour).mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / "data" / colour / f"{number}.npy", noise)
    recipe = apply_overrides(noise_recipe(), ("data.dataset=folder", "train.epochs=1"))
    result = crosspath.train(recipe, out=tmp_path / "run", data=tmp_path / "data", progress=False)
    assert sum(result.samples.values()) == 24
    assert guess_section(tmp_path / "data").modality == "point", "clouds have .npy files of their own"
    (tmp_path / "recipe.yaml").write_text(recipe_to_text(recipe), encoding="utf-8")
    (tmp_path / "data" / "white" / "bad.npy").write_bytes(b"no array")
    assert main(["data", "check", str(tmp_path / "data"), "--recipe", str(tmp_path / "recipe.yaml"), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["modality"] == "noise"
    assert [fault["path"] for fault in report["faults"]] == ["white/bad.npy"]


def test_it_pretrains_and_draws_its_reconstructions(tmp_path: Path) -> None:
    recipe = noise_recipe().model_copy(
        update={"objective": "masked_modeling", "masking": MaskingSection(ratio=0.5, decoder_width=32)}
    )
    result = crosspath.pretrain(apply_overrides(recipe, ("train.epochs=1",)), out=tmp_path / "run", progress=False)
    assert 0 < result.metrics["test"]["loss"] < 3
    assert len(list((tmp_path / "run" / "reconstructions").glob("*.png"))) == 6


def test_it_is_compared_and_reported(auxiliary: Path, tmp_path: Path) -> None:
    results = crosspath.compare(
        "noise/colours",
        auxiliaries={"image": auxiliary},
        arms=("none", "pathway"),
        seeds=2,
        rates=(1e-3,),
        settings=("train.epochs=1",),
        out=tmp_path / "study",
        progress=False,
    )
    assert {row["arm"] for row in results["rows"]} == {"none", "pathway"}
    assert "noise/colours" in (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
