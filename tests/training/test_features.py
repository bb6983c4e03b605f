"""Features of a frozen body: computed once, kept, and the same head as without them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crosspath.checkpoints import load_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.data.examples import DataSet, Examples
from crosspath.evaluation.devices import Compute
from crosspath.files import read_tensors, write_tensors
from crosspath.models import Encoder, ModalityModel, build_model
from crosspath.recipes import recipe_named
from crosspath.training import features, held_out, train
from tests.checkpoints.small import EXACT, image_recipe
from tests.errors import refused
from tests.tolerances import assert_states_close
from tests.training.synthetic import in_memory
from tests.training.test_run import short

__all__ = ["in_memory"]

InMemory = Callable[[Recipe], DataSet]
PLAIN = ("augment.crop_padding=0", "augment.flip=0", "train.epochs=3", "train.select=best")


def probe(*settings: str) -> Recipe:
    return short(image_recipe, "train.scope=head", *PLAIN, *settings)


def series_recipe(*overrides: str) -> Recipe:
    """Four tokens a series, which training reads as they are."""
    small = ("data.channels=2", "data.length=32", "data.scaling=none", "model.tokenizer.patch=8")
    plain = ("augment.warp=0", "augment.scale_std=0", "augment.jitter_std=0", "augment.time_mask=0")
    return apply_overrides(recipe_named("series/machines"), (EXACT, *small, *plain, *overrides))


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that an encoder has read."""
    sizes: list[int] = []
    forward = Encoder.forward

    def count(self: Encoder, tokens: Any) -> torch.Tensor:
        sizes.append(len(tokens.tokens_BND))
        return forward(self, tokens)

    monkeypatch.setattr(Encoder, "forward", count)
    return sizes


def test_the_body_reads_every_sample_once(tmp_path: Path, in_memory: InMemory, bodies: list[int]) -> None:
    recipe = probe("evaluate.test=false")
    data = in_memory(recipe)
    first = train(recipe, out=tmp_path / "first", progress=False)
    # A few more are read to measure cost, and the pictures of a run show what it makes of validation samples.
    further = len(data.validation) + 8
    assert len(data.train) + len(data.validation) <= sum(bodies) < len(data.train) + len(data.validation) + further
    before = sum(bodies)
    second = train(recipe, out=tmp_path / "second", progress=False)
    assert sum(bodies) - before < further
    assert first.metrics == second.metrics
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]


def test_the_head_is_that_of_a_run_without_them(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = probe("model.head_batch_norm=true")
    in_memory(recipe)
    cached = train(recipe, out=tmp_path / "cached", progress=False)
    monkeypatch.setattr("crosspath.training.preparation.frozen_features", lambda *_: None)
    plain = train(recipe, out=tmp_path / "plain", progress=False)
    states = [load_checkpoint(tmp_path / name).model.state_dict() for name in ("cached", "plain")]
    assert_states_close(*states, "float32")
    assert cached.metrics["test"]["loss"] == pytest.approx(plain.metrics["test"]["loss"], rel=1e-5)
    assert cached.metrics["validation"]["loss"] == pytest.approx(plain.metrics["validation"]["loss"], rel=1e-5)


def test_series_that_nothing_alters_have_features_too(
    tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = short(series_recipe, "train.scope=head", f"data.cache_folder={tmp_path / 'cache'}")
    assert not recipe.augment.alters
    in_memory(recipe)
    cached = train(recipe, out=tmp_path / "cached", progress=False)
    assert len(list((tmp_path / "cache").glob("features-*"))) == 1
    monkeypatch.setattr("crosspath.training.preparation.frozen_features", lambda *_: None)
    plain = train(recipe, out=tmp_path / "plain", progress=False)
    states = [load_checkpoint(tmp_path / name).model.state_dict() for name in ("cached", "plain")]
    assert_states_close(*states, "float32")
    assert cached.metrics["validation"]["loss"] == pytest.approx(plain.metrics["validation"]["loss"], rel=1e-5)
    assert apply_overrides(recipe, ("augment.warp=0.2",)).augment.alters


def test_a_resumed_run_ends_the_same(tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = probe()
    in_memory(recipe)
    train(recipe, out=tmp_path / "whole", progress=False)

    class StopError(Exception):
        pass

    class Stop:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_: None

        def epoch(self, epoch: int, *_: Any) -> None:
            if epoch == 2:
                raise StopError

    with pytest.raises(StopError):
        train(recipe, out=tmp_path / "cut", progress=Stop())
    train(recipe, out=tmp_path / "cut", resume=True, progress=False)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "setting", ["augment.flip=0.5", "train.scope=all", "train.scope=blocks", "model.drop_path=0.1"]
)
def test_where_features_change_they_are_not_kept(
    setting: str, tmp_path: Path, in_memory: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(features, "_compute", lambda *arguments: made.append(arguments))
    recipe = probe(setting)
    in_memory(recipe)
    train(recipe, out=tmp_path / "run", progress=False)
    assert not made


def test_other_weights_and_samples_have_other_features(tmp_path: Path, in_memory: InMemory, bodies: list[int]) -> None:
    recipe = probe("evaluate.test=false")
    in_memory(recipe)
    train(recipe, out=tmp_path / "first", progress=False)
    before = sum(bodies)
    train(apply_overrides(recipe, ("train.seed=5",)), out=tmp_path / "second", progress=False)
    assert sum(bodies) - before > 8


def test_damaged_features_are_computed_again(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = probe(f"data.cache_folder={tmp_path / 'cache'}")
    in_memory(recipe)
    train(recipe, out=tmp_path / "first", progress=False)
    (file,) = (tmp_path / "cache").glob("features-*/*.safetensors")
    file.write_bytes(b"damaged")
    train(recipe, out=tmp_path / "second", progress=False)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]


def test_features_of_changed_values_are_computed_again(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = probe(f"data.cache_folder={tmp_path / 'cache'}")
    in_memory(recipe)
    train(recipe, out=tmp_path / "first", progress=False)
    [file] = (tmp_path / "cache").glob("features-*/features.safetensors")
    tensors, metadata = read_tensors(file)
    write_tensors(file, {name: 0 * value for name, value in tensors.items()}, metadata)
    train(recipe, out=tmp_path / "second", progress=False)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "second")]
    assert weights[0] == weights[1]


def test_streamed_files_that_changed_have_other_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    files = [tmp_path / "data" / name / f"{number}.png" for name in "ab" for number in range(6)]
    settings = (*PLAIN, "train.scope=head", f"data.folder={tmp_path / 'data'}", "data.stream=true", "train.epochs=1")
    recipe = apply_overrides(recipe_named("image/folder"), (*settings, "model.size=micro", "train.batch_size=4"))
    for run in range(2):
        for number, file in enumerate(files):
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (20 * number, 90 * run, 7)).save(file, compress_level=0)
        train(recipe, out=tmp_path / str(run), progress=False)
    assert len(list((tmp_path / "cache").glob("features-*"))) == 2


def test_the_last_blocks_learn_with_the_head(tmp_path: Path, in_memory: InMemory) -> None:
    recipe = short(image_recipe, "train.scope=blocks", "train.last_blocks=1", "model.pooling=cls")
    in_memory(recipe)
    moved = []
    for name, rate in (("slow", "1e-9"), ("fast", "1e-2")):
        train(apply_overrides(recipe, (f"optimizer.lr={rate}",)), out=tmp_path / name, progress=False)
        model = load_checkpoint(tmp_path / name).model
        assert isinstance(model, ModalityModel)
        moved.append(model.state_dict())
    last = len(model.encoder.blocks) - 1
    changed = {name for name, value in moved[0].items() if not torch.allclose(value, moved[1][name], atol=1e-5)}
    places = {
        name.rpartition(".attn")[0] or name.split(".", 1)[0] for name in changed if "attn" in name or "head" in name
    }
    assert places == {"head", f"encoder.blocks.{last}"}
    with refused("train.last_blocks", last + 1, last + 2):
        train(apply_overrides(recipe, (f"train.last_blocks={last + 2}",)), out=tmp_path / "none", progress=False)


def test_the_head_of_a_regression_reads_features_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = apply_overrides(recipe_named("image/discs"), ["data.target_mean=[0,0]", "data.target_std=[1,1]"])
    model = build_model(recipe, 2)
    compute = Compute(device=torch.device("cpu"), precision="bfloat16", reason="asked for")
    examples = Examples(np.zeros((6, 3, 4, 4), np.uint8), np.zeros((6, 2), np.float32), ("a",) * 6)
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(held_out, "held_out_metrics", lambda outputs, *_: {"loss": float(seen.append(outputs) is None)})
    features_ND = torch.randn(6, model.encoder.width)
    held_out.read_features(model, recipe, examples, features_ND, compute)
    assert torch.equal(seen[0], model.eval().head.classify(features_ND))


def test_a_damaged_file_is_skipped_with_a_frozen_body_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSPATH_CACHE", str(tmp_path / "cache"))
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        for name in "ab":
            for number in range(count):
                file = tmp_path / "data" / part / name / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (20 * number, 90, 7)).save(file)
    (tmp_path / "data" / "train" / "a" / "1.png").write_bytes(b"damaged")
    settings = (*PLAIN, "train.scope=head", f"data.folder={tmp_path / 'data'}", "data.stream=true", "train.epochs=1")
    recipe = apply_overrides(recipe_named("image/folder"), (*settings, "train.batch_size=4", "train.workers=0"))
    with refused("1.png"):
        train(recipe, out=tmp_path / "refused", progress=False)
    skipping = apply_overrides(recipe, ("data.skip_damaged=true",))
    result = train(skipping, out=tmp_path / "skipped", progress=False)
    assert [Path(entry["path"]).name for entry in result.data["damaged"]] == ["1.png"]
