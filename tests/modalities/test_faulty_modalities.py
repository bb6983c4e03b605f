"""Modalities that are half-filled or wrong are refused by name, and what is missing is done without."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

import crosspath
from crosspath import modalities
from crosspath.config import Recipe, apply_overrides
from crosspath.config.kinds import Sections
from crosspath.config.model import TokenizerSection
from crosspath.data.readers.folder import FolderReader
from crosspath.modalities import MODALITIES, Modality, modality_of
from crosspath.modalities.load import load_data
from crosspath.modalities.modality import Discrete, Picture
from crosspath.recipes import RECIPES
from crosspath.study.pools import local_pool
from tests.errors import refused
from tests.modalities.test_toy_modality import NOISE, SECTIONS, NoiseData, noise_recipe, plot


@contextmanager
def added(modality: Modality[Any, Any, Any]) -> Iterator[None]:
    modalities.add(modality)
    try:
        yield
    finally:
        modalities.remove(modality)


def recipe(*settings: str) -> Recipe:
    return apply_overrides(noise_recipe(), ("train.epochs=1", *settings))


MASKED = ("objective=masked_modeling", "masking={ratio: 0.5, decoder_width: 32}")


def folder_of(path: Path) -> Path:
    for name in ("brown", "white"):
        (path / name).mkdir(parents=True)
        for number in range(12):
            np.save(path / name / f"{number}.npy", np.full(64, number, np.float32))
    return path


class ImageKind(TokenizerSection):
    kind: Literal["image_patches"] = "image_patches"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"recipes": {"image/digits": noise_recipe}}, "image/digits"),
        ({"pretraining": {"procedural/dyck": noise_recipe}}, "procedural/dyck"),
        ({"sets": {"cifar10": "noise"}}, "cifar10"),
        ({"sections": replace(SECTIONS, tokenizer=ImageKind)}, "image_patches"),
        ({"sections": replace(SECTIONS, modality="other")}, "noise"),
        ({"sections": Sections(**{**vars(SECTIONS), "modality": "image"})}, "image"),
    ],
)
def test_a_name_that_is_taken_changes_nothing(change: dict[str, Any], name: str) -> None:
    before = dict(MODALITIES), dict(RECIPES)
    with pytest.raises(ValueError, match=name):
        modalities.add(replace(NOISE, **change))
    assert (dict(MODALITIES), dict(RECIPES)) == before
    with pytest.raises(ValueError, match="noise"):
        modalities.remove(NOISE)


def test_another_object_of_the_same_sections_is_another_modality() -> None:
    with added(NOISE):
        modalities.add(NOISE)
        with pytest.raises(ValueError, match="noise"):
            modalities.add(replace(NOISE, export=None))
        assert MODALITIES["noise"] is NOISE


def test_a_recipe_of_a_modality_that_was_removed_is_refused() -> None:
    with added(NOISE):
        left = noise_recipe()
    for use in (modality_of, crosspath.plan, crosspath.train):
        with refused("modality", "noise", "image"):
            use(left)


@pytest.mark.parametrize("error", [KeyError("k"), RuntimeError("r"), AttributeError("a"), ValueError("v")])
@pytest.mark.parametrize("stream", [False, True])
def test_whatever_a_reader_raises_names_its_file(error: Exception, stream: bool, tmp_path: Path) -> None:
    def read(path: Path) -> NDArray[Any]:
        raise error

    def reader(data: NoiseData) -> FolderReader:
        return FolderReader(read, suffixes=(".npy",), content="noise", shape=(64,))

    settings = (
        "data.dataset=folder",
        f"data.stream={stream}",
        "train.workers=0",
        f"data.cache_folder={tmp_path}/cache",
    )
    with added(replace(NOISE, reader=reader)), refused("brown", str(error)) as refusal:
        data = load_data(recipe(*settings, f"data.folder={folder_of(tmp_path / 'data')}").data, None, 0)
        data.train.inputs[:4]
    assert Path(refusal.value.where).is_file()


@pytest.mark.parametrize("shape", [(64,), (32,)])
def test_samples_of_another_shape_are_refused_before_anything_is_written(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    class Reader(FolderReader):
        def decode_file(self, path: Path) -> NDArray[Any]:
            return np.zeros(32, np.float32)

    def reader(data: NoiseData) -> FolderReader:
        return Reader(np.load, suffixes=(".npy",), content="noise", shape=shape)

    where = "brown" if shape == (64,) else "noise"
    with added(replace(NOISE, reader=reader)), refused(where, "(32,)", "(64,)"):
        crosspath.train(
            recipe("data.dataset=folder", f"data.cache_folder={tmp_path}/cache"),
            out=tmp_path / "run",
            data=folder_of(tmp_path / "data"),
            progress=False,
        )
    assert not (tmp_path / "run").exists()


def test_files_of_a_modality_without_a_reader_are_refused(tmp_path: Path) -> None:
    for stream in (False, True):
        with added(replace(NOISE, reader=None)), refused("data.dataset"):
            load_data(recipe("data.dataset=folder", f"data.stream={stream}", f"data.folder={tmp_path}").data, None, 0)


def linear(*_: object) -> nn.Module:
    return nn.Linear(8, 128)


def test_what_is_no_tokenizer_is_refused() -> None:
    with added(replace(NOISE, tokenizer=linear)), refused("tokenizer", "Linear"):
        crosspath.plan(recipe())


def nothing(*_: object) -> Any:
    return None


def test_tokens_that_no_table_holds_cannot_be_named() -> None:
    discrete = Discrete[NoiseData](vocabulary=nothing, maskable=nothing, maskable_count=lambda data: 64, cells=nothing)
    with added(replace(NOISE, discrete=discrete)), refused("objective", "noise"):
        crosspath.plan(recipe(*MASKED))


@pytest.mark.parametrize("picture", [None, Picture[NoiseData](draw=plot)])
def test_pretraining_ends_without_pictures_where_none_can_be_drawn(picture: Any, tmp_path: Path) -> None:
    with added(replace(NOISE, picture=picture)):
        result = crosspath.pretrain(recipe(*MASKED), out=tmp_path / "run", progress=False)
    assert result.metrics["test"]["loss"] > 0
    assert not (tmp_path / "run" / "reconstructions").exists()


def test_functions_that_no_other_process_can_import_are_refused_before_a_study_starts() -> None:
    shape: Callable[[NoiseData], tuple[int, ...]] = lambda data: (data.length,)  # noqa: E731
    with added(replace(NOISE, sample_shape=shape)), refused("modality noise"), local_pool(1):
        pass


def test_a_modality_without_an_export_is_refused(tmp_path: Path) -> None:
    with added(replace(NOISE, export=None)):
        crosspath.train(recipe(), out=tmp_path / "run", progress=False)
        with refused("recipe.modality", "noise"):
            crosspath.export(tmp_path / "run", tmp_path / "noise.pt2")


def test_a_checkpoint_of_a_modality_that_was_removed_is_refused(tmp_path: Path) -> None:
    with added(NOISE):
        crosspath.train(recipe(), out=tmp_path / "run", progress=False)
    for use in (crosspath.load_checkpoint, crosspath.evaluate):
        with refused("modality", "noise", "image"):
            use(tmp_path / "run")
