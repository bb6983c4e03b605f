"""Merge on files: a connected checkpoint in, a plain one out, with a receipt and a model card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crosspath.checkpoints.card import model_card
from crosspath.checkpoints.equality import compare_outputs
from crosspath.checkpoints.files import FORMAT_VERSION, finite, new_folder
from crosspath.checkpoints.load import load_checkpoint
from crosspath.checkpoints.save import save_checkpoint
from crosspath.checkpoints.sources import published
from crosspath.config import Recipe
from crosspath.config.training import PathwaySection
from crosspath.errors import InputError
from crosspath.modalities import generated_batch
from crosspath.models.build import build_model
from crosspath.pathway import merge

SAMPLES = 8
PRECISIONS = ("float32", "bfloat16")


def merge_checkpoint(
    checkpoint: str | Path,
    out: str | Path,
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
) -> dict[str, Any]:
    """Fold a checkpoint's pathways into its weights and write the plain model to `out`.

    `out` gets `model.safetensors` with exactly the keys of a model trained without pathways, `recipe.yaml` (its
    `pathway` section back at the defaults: the plain model has none), `merge.json` (the receipt, also returned),
    `README.md` (the model card) and `manifest.json`. Outputs before and after are compared on a generated batch, in
    float32 and under bfloat16 autocast.

    Raises
    ------
    InputError
        When the checkpoint has no pathways, or `out` is not empty.
    crosspath.pathway.PathwayError
        When a merged weight is not finite; nothing is written.
    """
    out = Path(out)
    new_folder(out, "OUT")
    loaded = load_checkpoint(checkpoint, recipe, auxiliaries)
    if not loaded.connected:
        raise InputError(
            checkpoint, "a checkpoint with pathways", "a plain one", "use it as it is: nothing is to merge"
        )
    model = loaded.model
    before = _outputs(model, loaded.recipe)
    merged = finite(merge(model).to_json())
    after = _outputs(model, loaded.recipe)
    with torch.device("meta"):
        plain = build_model(loaded.recipe, len(loaded.classes))
    assert list(plain.state_dict()) == list(model.state_dict()), "a merged model has the plain model's keys"

    found = {name: compare_outputs(before[name], after[name]) for name in PRECISIONS}
    receipt: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "checkpoint": Path(checkpoint).absolute().name,
        "recipe": loaded.recipe.name,
        "auxiliaries": {name: published(source) for name, source in loaded.auxiliaries.items()},
        "equality": {
            "samples": SAMPLES,
            "bitwise": all(equality.bitwise for equality in found.values()),
            "max_difference": {name: equality.max_difference for name, equality in found.items()},
        },
        "merge": {**merged, "auxiliaries": {n: published(said) for n, said in merged["auxiliaries"].items()}},
    }
    pathway_defaults = loaded.recipe.model_copy(update={"pathway": PathwaySection()})
    texts = {
        "merge.json": json.dumps(receipt, indent=2, allow_nan=False) + "\n",
        "README.md": model_card(receipt, loaded.recipe, loaded.classes),
    }
    save_checkpoint(model, out, recipe=pathway_defaults, classes=loaded.classes, texts=texts)
    return receipt


@torch.no_grad()
def _outputs(model: nn.Module, recipe: Recipe) -> dict[str, torch.Tensor]:
    """Logits of the same generated batch in each precision."""
    batch = generated_batch(recipe, SAMPLES)
    outputs = {}
    for name in PRECISIONS:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=name == "bfloat16"):
            outputs[name] = model(batch)
    return outputs
