"""Lightning: λ logged, small files beside the checkpoints, resuming to the bit, merging at the end."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, TensorDataset

import crosspath

lightning = pytest.importorskip("lightning")

from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402
from lightning.pytorch.loggers import CSVLogger  # noqa: E402

from crosspath.integrations.lightning import PathwayCallback  # noqa: E402
from tests.errors import refused  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def vit(seed: int) -> Any:
    torch.manual_seed(seed)
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=16, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=4
    )


class Classifier(lightning.LightningModule):  # type: ignore[misc, name-defined]
    """A LightningModule as anyone writes it: the model inside is what gets connected."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: Any, index: int) -> Any:
        images, labels = batch
        return torch.nn.functional.cross_entropy(self.model(images), labels)

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(crosspath.param_groups(self, lr=1e-2, weight_decay=0.1))


def connected(frozen: bool = False, **options: Any) -> Classifier:
    module = Classifier(vit(0))
    crosspath.connect(module.model, {"audio": vit(1)}, scale_init=0.1, train_auxiliary=not frozen, **options)
    return module


def fit(
    module: Any, folder: Path, epochs: int, resume: Path | None = None, keep: int = -1, **options: Any
) -> PathwayCallback:
    torch.manual_seed(2)
    data = TensorDataset(torch.randn(8, 3, 16, 16), torch.arange(8) % 4)
    callback = PathwayCallback(**options)
    files = ModelCheckpoint(
        folder, filename="{epoch}", save_top_k=keep, monitor="epoch" if keep > 0 else None, mode="max"
    )
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[callback, files],
        logger=CSVLogger(folder, name="", version="log"),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(data, 4), ckpt_path=resume)
    return callback


def assert_same(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    left, right = ours.state_dict(), theirs.state_dict()
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def test_every_scale_stands_in_the_log_at_every_step(tmp_path: Path) -> None:
    module = connected()
    fit(module, tmp_path, epochs=2)
    with (tmp_path / "log" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    scales = crosspath.pathways(module).scales()
    assert len(rows) == 4
    for (weight, name), scale in scales.items():
        assert float(rows[-1][f"pathway/{weight}/{name}"]) == pytest.approx(scale.item(), abs=0)
    assert len(scales) == 8


def test_beside_a_checkpoint_lies_the_plain_target_with_its_pathways(tmp_path: Path) -> None:
    module = connected()
    fit(module, tmp_path, epochs=1)
    rebuilt = vit(5)
    crosspath.load_pathway(rebuilt, tmp_path / "epoch=0.pathway")
    assert_same(rebuilt, module.model)
    plain = vit(6)
    plain.load_state_dict(load_file(tmp_path / "epoch=0.pathway" / "model.safetensors"))
    crosspath.disconnect(rebuilt)
    assert_same(plain, rebuilt)


def test_a_frozen_auxiliary_is_not_in_the_small_files(tmp_path: Path) -> None:
    fit(connected(frozen=True), tmp_path, epochs=1)
    saved = load_file(tmp_path / "epoch=0.pathway" / "pathway.safetensors")
    assert len(saved) == 8
    assert all(name.endswith(".scale") for name in saved)


def test_the_small_files_go_when_the_checkpoint_goes(tmp_path: Path) -> None:
    fit(connected(), tmp_path, epochs=3, keep=1)
    assert {path.name for path in tmp_path.iterdir()} == {"log", "epoch=2.ckpt", "epoch=2.pathway"}


def test_without_save_beside_there_are_none(tmp_path: Path) -> None:
    fit(connected(), tmp_path, epochs=1, save_beside=False)
    assert {path.name for path in tmp_path.iterdir()} == {"log", "epoch=0.ckpt"}


@pytest.mark.parametrize("frozen", [False, True])
def test_a_resumed_run_ends_as_an_uninterrupted_one_to_the_bit(tmp_path: Path, frozen: bool) -> None:
    whole, resumed = connected(frozen), connected(frozen)
    fit(whole, tmp_path / "whole", epochs=2)
    fit(resumed, tmp_path / "resumed", epochs=2, resume=tmp_path / "whole" / "epoch=0.ckpt")
    assert_same(resumed, whole)


def test_the_optimizers_engine_trains_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    live, whole, resumed = connected(), connected(engine="optimizer"), connected(engine="optimizer")
    fit(live, tmp_path / "live", epochs=2)
    fit(whole, tmp_path / "whole", epochs=2)
    fit(resumed, tmp_path / "resumed", epochs=2, resume=tmp_path / "whole" / "epoch=0.ckpt")
    assert_same(whole, live)
    assert_same(resumed, live)


def test_a_connected_checkpoint_does_not_load_into_a_plain_module(tmp_path: Path) -> None:
    fit(connected(), tmp_path, epochs=1)
    with pytest.raises(RuntimeError, match="Missing key"):
        Classifier.load_from_checkpoint(tmp_path / "epoch=0.ckpt", model=vit(0))


def test_merged_at_the_end_the_module_is_plain_and_computes_the_same(tmp_path: Path) -> None:
    apart, together = connected(), connected()
    fit(apart, tmp_path / "apart", epochs=1)
    callback = fit(together, tmp_path / "together", epochs=1, merge_at_end=True)
    assert callback.receipt is not None
    images = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(together.model.eval()(images), apart.model.eval()(images))
    assert list(together.state_dict()) == list(Classifier(vit(0)).state_dict())
    assert type(together.model.blocks[0].attn.qkv) is torch.nn.Linear


def test_a_plain_module_is_refused(tmp_path: Path) -> None:
    with refused("Classifier", kind=crosspath.PathwayError):
        fit(Classifier(vit(0)), tmp_path, epochs=1)


def test_two_connected_models_in_one_module_are_not_saved_as_one(tmp_path: Path) -> None:
    module = connected()
    module.teacher = vit(3)
    crosspath.connect(module.teacher, vit(4))
    with refused("Classifier", "2", kind=crosspath.PathwayError):
        fit(module, tmp_path, epochs=1)


def test_a_scale_per_head_is_logged_by_its_mean_size(tmp_path: Path) -> None:
    module = connected(scale_per="head")
    with torch.no_grad():
        for initial in crosspath.pathways(module).scales().values():
            initial.copy_(torch.linspace(-0.5, 0.5, initial.numel()))
    fit(module, tmp_path, epochs=1)
    with (tmp_path / "log" / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    scale = crosspath.pathways(module).scales()["model.blocks.0.attn.qkv.weight", "audio"]
    assert scale[0] < 0 < scale[1]
    assert float(last["pathway/model.blocks.0.attn.qkv.weight/audio"]) == pytest.approx(scale.abs().mean().item())
