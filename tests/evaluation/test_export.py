"""Exported models: another runtime reads the file and gives the logits of the model, for every modality."""

import importlib
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

from crosspath import export, load_checkpoint, locks
from crosspath.checkpoints import save_checkpoint
from crosspath.config import Recipe, apply_overrides
from crosspath.evaluation.exportable import Exportable, describe_input, distances, generated_samples
from crosspath.modalities import MODALITIES as TABLE
from crosspath.modalities.batches import prepare
from crosspath.models import SIZES, Size, build_masked_autoencoder
from crosspath.recipes import recipe_named
from crosspath.tokenizers.grouping import nearest_neighbours
from tests.checkpoints.small import fresh, image_recipe, saved_audio, saved_connected
from tests.errors import refused
from tests.models.test_build import recipe_for

export_module = importlib.import_module("crosspath.evaluation.export")
CLASSES = ("one", "two", "three")
MODALITIES = pytest.mark.parametrize("modality", ["image", "audio", "point", "video"])


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two narrow blocks: a graph grows with the depth, and so does the time to export it."""
    monkeypatch.setitem(SIZES, "micro", Size(32, 2, 2))


def saved(folder: Path, modality: str, **model: object) -> Recipe:
    recipe = recipe_for(modality, head_init_std=0.5, **model)
    save_checkpoint(fresh(recipe, 3), folder, recipe=recipe, classes=CLASSES)
    return recipe


def decoded(recipe: Recipe, count: int) -> np.ndarray[Any, Any]:
    """Samples as a reader gives them, made without the library's own generator."""
    random = np.random.default_rng(count)
    shape = (count, *TABLE[recipe.modality].sample_shape(recipe.data))
    if recipe.modality in ("image", "video"):
        return random.integers(0, 256, shape, dtype=np.uint8)
    return random.normal(-6.0 if recipe.modality == "audio" else 0.0, 1.0, shape).astype(np.float32)


def expected(folder: Path, recipe: Recipe, samples: np.ndarray[Any, Any]) -> Tensor:
    """What `predict` computes: the reader's samples, prepared, through the loaded model."""
    with torch.no_grad():
        logits: Tensor = load_checkpoint(folder).model(prepare(recipe.data, samples, torch.device("cpu")))
    return logits


def session(file: Path) -> Any:
    return pytest.importorskip("onnxruntime").InferenceSession(str(file), providers=["CPUExecutionProvider"])


def needs_onnx() -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)


@pytest.mark.parametrize(
    "modality",
    ["point", *(pytest.param(name, marks=pytest.mark.slow) for name in ("image", "audio", "video"))],
)
def test_onnx_gives_the_logits_for_any_batch_size(modality: str, tmp_path: Path) -> None:
    needs_onnx()
    recipe = saved(tmp_path / "run", modality)
    found = export(tmp_path / "run", tmp_path / "model.onnx")
    assert list(found["max_difference"]) == ["1", "2", "5"]
    assert all(difference < 1e-5 for difference in found["max_difference"].values())
    runtime = session(tmp_path / "model.onnx")
    (given,), (answer,) = runtime.get_inputs(), runtime.get_outputs()
    assert (given.name, answer.name) == ("samples", "logits")
    assert given.shape == found["input"]["shape"] == ["batch", *TABLE[modality].sample_shape(recipe.data)]
    for count in (1, 2, 5, 7):
        samples = decoded(recipe, count)
        logits = torch.from_numpy(runtime.run(["logits"], {"samples": samples})[0])
        torch.testing.assert_close(logits, expected(tmp_path / "run", recipe, samples), rtol=1e-5, atol=1e-5)
    told = runtime.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == list(CLASSES)
    assert json.loads(told["input"]) == found["input"]
    assert json.loads(told["recipe_tree"])["name"] == recipe.name
    beside = json.loads((tmp_path / "model.json").read_text())
    assert beside["max_difference"] == found["max_difference"]
    assert str(tmp_path) not in (tmp_path / "model.json").read_text()


@pytest.mark.parametrize(
    "modality",
    ["image", *(pytest.param(name, marks=pytest.mark.slow) for name in ("audio", "point", "video"))],
)
def test_torch_export_gives_the_logits_to_the_bit(modality: str, tmp_path: Path) -> None:
    recipe = saved(tmp_path / "run", modality, pooling="cls+max")
    found = export(tmp_path / "run", tmp_path / "out", format="torch")
    assert found["max_difference"] == {"1": 0.0, "2": 0.0, "5": 0.0}
    file = tmp_path / "out" / "model.pt2"
    extra = {"crosspath.json": ""}
    program = torch.export.load(str(file), extra_files=extra).module()
    for count in (1, 7):
        samples = decoded(recipe, count)
        with torch.no_grad():
            logits = program(torch.from_numpy(samples))
        assert torch.equal(logits, expected(tmp_path / "run", recipe, samples))
    assert json.loads(json.loads(extra["crosspath.json"])["classes"]) == list(CLASSES)


def test_an_exported_file_holds_no_pickle(tmp_path: Path) -> None:
    saved(tmp_path / "run", "image")
    export(tmp_path / "run", tmp_path / "model.pt2")
    with zipfile.ZipFile(tmp_path / "model.pt2") as archive:
        heads = {name: archive.read(name)[:2] for name in archive.namelist() if not name.endswith("/weights")}
    assert any(name.endswith("models/model.json") for name in heads)
    assert [name for name, head in heads.items() if "weight_" not in name and head in (b"PK", b"\x80\x02")] == []


@MODALITIES
def test_the_normalisation_inside_is_that_of_the_reader(modality: str) -> None:
    recipe = recipe_for(modality)
    if modality in ("image", "video"):
        data = recipe.data.model_copy(update={"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)})
        recipe = recipe.model_copy(update={"data": data})
    module = Exportable(torch.nn.Identity(), recipe)
    samples = decoded(recipe, 3)
    assert torch.equal(module(torch.from_numpy(samples)), prepare(recipe.data, samples, torch.device("cpu")))
    assert describe_input(recipe)["type"] == str(samples.dtype)
    [generated] = generated_samples(recipe, 3)
    assert generated.dtype == torch.from_numpy(samples).dtype
    assert tuple(generated.shape) == samples.shape


def test_distances_in_plain_operations_choose_the_same_neighbours() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        points = torch.randn(2, 200, 3, generator=generator)
        centres = points[:, :16]
        found = distances(centres, points)
        exact = (centres[:, :, None].double() - points[:, None].double()).norm(dim=-1)
        torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=1e-7)
        nearest = found.topk(8, dim=2, largest=False).indices.sort(dim=2).values
        assert torch.equal(nearest, nearest_neighbours(points, centres, 8).sort(dim=2).values)


def test_a_connected_checkpoint_is_merged_first_and_that_is_said(tmp_path: Path) -> None:
    saved_audio(tmp_path / "audio")
    model = saved_connected(tmp_path / "image", tmp_path / "audio")
    before = {file.name: file.read_bytes() for file in (tmp_path / "image").iterdir()}
    found = export(tmp_path / "image", tmp_path / "model.pt2")
    assert found["merged"] == ["audio"]
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "image").iterdir()}
    samples = decoded(image_recipe(), 3)
    with torch.no_grad():
        logits = torch.export.load(str(tmp_path / "model.pt2")).module()(torch.from_numpy(samples))
        assert torch.equal(logits, model(prepare(image_recipe().data, samples, torch.device("cpu"))))


def test_several_labels_are_said(tmp_path: Path) -> None:
    recipe = recipe_for("audio")
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"multi_label": True})})
    save_checkpoint(fresh(recipe, 3), tmp_path / "run", recipe=recipe, classes=CLASSES)
    assert export(tmp_path / "run", tmp_path / "model.pt2")["output"]["probabilities"] == "sigmoid of each"


def test_outputs_that_differ_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "run", "image")
    monkeypatch.setattr("crosspath.evaluation.export.TOLERANCE", -1.0)  # even equal ones are too far apart
    with refused("model.pt2", "but for rounding"):
        export(tmp_path / "run", tmp_path / "out", format="torch")
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_packages_are_named_with_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr(
        "crosspath.evaluation.export.find_spec", lambda name: None if name == "onnxscript" else find_spec(name)
    )
    saved(tmp_path / "run", "image")
    with refused("export --format onnx", "'crosspath[export]'"):
        export(tmp_path / "run", tmp_path / "model.onnx")
    export(tmp_path / "run", tmp_path / "model.pt2")  # needs none of them


def test_where_and_as_what_a_model_is_written(tmp_path: Path) -> None:
    saved(tmp_path / "run", "image")
    with refused("model.pt2", "--format"):
        export(tmp_path / "run", tmp_path / "model.pt2", format="onnx")
    (tmp_path / "model.json").write_text("{}")
    with refused("model.json"):
        export(tmp_path / "run", tmp_path / "model.pt2")
    with refused("", "empty", "folder"):
        export(tmp_path / "run", tmp_path, format="torch")
    with refused("model.tflite", ".pt2"):
        export(tmp_path / "run", tmp_path / "model.tflite")
    assert not (tmp_path / "model.tflite").exists()
    assert export(tmp_path / "run", tmp_path / "deep" / "er" / "model.pt2")["format"] == "torch"
    assert {file.name for file in (tmp_path / "deep" / "er").iterdir()} == {"model.pt2", "model.json"}


def test_a_pretrained_autoencoder_is_not_exported(tmp_path: Path) -> None:
    recipe = recipe_named("image/digits", "masked_modeling")
    save_checkpoint(build_masked_autoencoder(recipe), tmp_path / "mae", recipe=recipe, classes=())
    with refused("mae", "classifier"):
        export(tmp_path / "mae", tmp_path / "model.pt2")


@pytest.mark.slow
def test_large_weights_lie_beside_an_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_onnx()
    recipe = saved(tmp_path / "run", "image")
    monkeypatch.setattr("crosspath.evaluation.export.ONE_FILE", 1000)
    export(tmp_path / "run", tmp_path / "out")
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"model.onnx", "model.onnx.data", "model.json"}
    samples = decoded(recipe, 2)
    logits = torch.from_numpy(session(tmp_path / "out" / "model.onnx").run(["logits"], {"samples": samples})[0])
    torch.testing.assert_close(logits, expected(tmp_path / "run", recipe, samples), rtol=1e-5, atol=1e-5)


def test_a_file_has_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two exports to one name both succeeded, and the file could be one's and its description the other's."""
    monkeypatch.setattr(locks, "GRACE_S", 0.05)
    saved(tmp_path / "model", "image")
    trace = export_module.trace

    def second(*arguments: Any) -> Any:
        with refused("a.pt2", os.getpid(), "OUT"):
            export(tmp_path / "model", tmp_path / "a.pt2")
        return trace(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(export_module, "trace", second)
        export(tmp_path / "model", tmp_path / "a.pt2")
    assert {path.name for path in tmp_path.iterdir()} == {"model", "a.pt2", "a.json"}


SHAPED = {
    "width": 24, "depth": 2, "heads": 3, "mlp_width": 40, "activation": "quick_gelu", "layer_scale": 0.1,
    "registers": 2, "cls_token": True, "fc_norm": False,
}  # fmt: skip


@pytest.mark.parametrize("modality", ["image", "audio"])
@pytest.mark.parametrize("more", [{}, {"pooling": "cls", "qkv_bias": False}, {"cls_token": True}, SHAPED])
def test_timm_opens_a_merged_model_as_its_own(modality: str, more: dict[str, Any], tmp_path: Path) -> None:
    recipe = saved(tmp_path / "run", modality, **more)
    found = export(tmp_path / "run", tmp_path / "out", format="timm")
    assert all(difference < 1e-5 for difference in found["max_difference"].values())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.json", "model.safetensors"}
    opened = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    assert type(opened) is timm.models.VisionTransformer
    samples = decoded(recipe, 3)
    batch = prepare(recipe.data, samples, torch.device("cpu"))
    with torch.no_grad():
        logits = opened(batch if batch.ndim == 4 else batch[:, None])
    torch.testing.assert_close(logits, expected(tmp_path / "run", recipe, samples), rtol=1e-5, atol=1e-5)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["label_names"] == list(CLASSES)
    if modality == "image":
        assert opened.pretrained_cfg["mean"] == pytest.approx(recipe.data.mean)  # type: ignore[union-attr]
        assert opened.pretrained_cfg["std"] == pytest.approx(recipe.data.std)  # type: ignore[union-attr]


@pytest.mark.parametrize("short", [8, 9, 11, 13])
def test_timm_resizes_pictures_as_they_are_read(short: int, tmp_path: Path) -> None:
    recipe = apply_overrides(recipe_for("image", head_init_std=0.5), [f"data.resize={short}"])
    save_checkpoint(fresh(recipe, 3), tmp_path / "run", recipe=recipe, classes=CLASSES)
    export(tmp_path / "run", tmp_path / "out", format="timm")
    config = json.loads((tmp_path / "out" / "config.json").read_text())["pretrained_cfg"]
    assert math.floor(recipe.data.image_size / config["crop_pct"]) == short  # type: ignore[union-attr]


def test_numbers_are_compared_in_their_own_deviations(tmp_path: Path) -> None:
    """Outputs around a thousand, a thousandth apart: another column says nothing of that."""
    data = apply_overrides(recipe_named("image/discs"), ["data.target_mean=[1000,0]", "data.target_std=[0.01,0.1]"])
    expected = torch.tensor([[1000.0, 0.05], [1000.01, -0.1]])
    for column, wrong in ((0, 0.1), (1, 0.001)):
        given = expected.clone()
        given[1, column] += wrong
        assert not export_module.agree(expected, given, data)
    assert export_module.agree(expected, expected * (1 + 2e-6), data)


def test_what_timm_does_not_have_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for modality, more, words in (
        ("point", {}, ("timm", "point")),
        ("video", {}, ("timm", "video")),
        ("image", {"pooling": "cls+max"}, ("model.pooling=cls+max",)),
        ("image", {"norm_eps": 1e-5}, ("model.norm_eps=1e-05",)),
        ("image", {"post_norm": True}, ("model.post_norm=true",)),
        ("image", {"head_hidden": [8]}, ("model.head_hidden=[8]",)),
    ):
        run = tmp_path / f"{modality}-{len(list(tmp_path.iterdir()))}"
        saved(run, modality, **more)
        with refused(str(run), *words):
            export(run, tmp_path / "out", format="timm")
        assert not (tmp_path / "out").exists()
    with refused("model.onnx", "folder"):
        export(run, tmp_path / "model.onnx", format="timm")
