"""The snippets of `docs/migrate.md` and `docs/trainers.md` run as they stand."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import timm.optim
import torch
from torch import nn

import crosspath
from tests.errors import refused
from tests.integrations.test_m2pt import Swapped

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAME = "vit_tiny_patch16_224"

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def snippets(page: str, section: str | None = None) -> Iterator[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    if section is not None:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert snippets
    yield from snippets


def small(classes: int = 4) -> Any:
    return timm.create_model(NAME, img_size=16, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=classes)


def published_checkpoint(file: Path) -> dict[str, Any]:
    """What a published script leaves behind: swapped layers, and the arguments of the run."""
    model, auxiliary = timm.create_model(NAME, num_classes=10), timm.create_model(NAME)
    for block, aux_block in zip(model.blocks, auxiliary.blocks, strict=True):
        block.attn.qkv = Swapped(block.attn.qkv, aux_block.attn.qkv.weight, 0.1)
        block.mlp.fc1 = Swapped(block.mlp.fc1, aux_block.mlp.fc1.weight, 0.2)
    state: dict[str, Any] = model.state_dict()
    torch.save({"model": state, "args": argparse.Namespace(lr=1.0)}, file)
    return state


def test_the_snippets_of_the_migration_guide_run(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint-1.pth"
    names: dict[str, Any] = {"file": file, "state": published_checkpoint(file)}
    for snippet in snippets("migrate.md"):
        exec(snippet, names)
    crosspath.merge(names["target"])
    assert "blocks.0.attn.qkv.aux_weight" in names["state"]


@pytest.mark.parametrize("section", ["Plain torch", "timm", "accelerate"])
def test_the_snippets_for_loops_of_ones_own_run(section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerate = pytest.importorskip("accelerate")
    model, auxiliary = small(), small()
    monkeypatch.setattr(timm, "create_model", lambda name: model)
    names: dict[str, Any] = {
        "crosspath": crosspath,
        "timm": timm,
        "torch": torch,
        "target": model,
        "model": model,
        "auxiliary": auxiliary,
        "accelerator": accelerate.Accelerator(cpu=True),
    }
    for snippet in snippets("trainers.md", section):
        exec(snippet, names)
    assert any(group["name"] == "scales" for group in names["optimizer"].param_groups)
    if section != "timm":
        with refused("VisionTransformer", kind=crosspath.PathwayError):
            crosspath.pathways(model)


def test_the_snippet_for_transformers_runs(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from transformers import Trainer

    from crosspath.integrations.transformers import PathwayCallback, optimizer_for
    from tests.integrations.test_transformers import data, settings, vit

    model = vit(0)
    names: dict[str, Any] = {
        "crosspath": crosspath,
        "Trainer": Trainer,
        "PathwayCallback": PathwayCallback,
        "optimizer_for": optimizer_for,
        "model": model,
        "auxiliary": vit(1),
        "args": settings(tmp_path),
        "data": data(),
    }
    (snippet,) = snippets("trainers.md", "transformers")
    exec(snippet, names)
    names["trainer"].train()
    assert type(model.vit.layers[0].mlp.fc1) is nn.Linear


def test_the_snippet_for_lightning_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lightning = pytest.importorskip("lightning")
    from torch.utils.data import DataLoader, TensorDataset

    from crosspath.integrations.lightning import PathwayCallback
    from tests.integrations.test_lightning import Classifier

    monkeypatch.chdir(tmp_path)
    module = Classifier(small())
    names: dict[str, Any] = {
        "crosspath": crosspath,
        "lightning": lightning,
        "PathwayCallback": PathwayCallback,
        "module": module,
        "auxiliary": small(),
        "loader": DataLoader(TensorDataset(torch.randn(2, 3, 16, 16), torch.tensor([0, 1])), 2),
    }
    (snippet,) = snippets("trainers.md", "Lightning")
    exec(snippet.replace("Trainer(", "Trainer(max_epochs=1, accelerator='cpu', logger=False, "), names)
    assert type(module.model.blocks[0].attn.qkv) is nn.Linear


def test_the_snippet_for_adapters_runs() -> None:
    pytest.importorskip("peft")
    from tests.integrations.test_peft import closed_form, connected_after_peft

    names: dict[str, Any] = {"crosspath": crosspath, "model": connected_after_peft()}
    (snippet,) = snippets("trainers.md", "LoRA, and quantised targets")
    exec(snippet, names)
    torch.testing.assert_close(names["model"].state_dict(), closed_form())
