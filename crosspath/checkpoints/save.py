"""Write a model: its weights under plain names, its pathways beside them, its recipe and class names inside."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from crosspath.config import Recipe, recipe_to_text
from crosspath.files import read_tensors, replacing_files, write_manifest, write_tensors
from crosspath.pathway import save_pathway
from crosspath.pathway.parameters import connections

WEIGHTS = "model.safetensors"
PATHWAY_FILES = ("pathway.safetensors", "pathway.json")
RECIPE = "recipe.yaml"
CARD = "README.md"
"""The model card. No manifest names it: people go on writing it, on the hub too, and its bytes are nobody's promise."""


def has_pathways(model: nn.Module) -> bool:
    """Whether anything is connected inside the model."""
    return any(True for _ in connections(model))


def save_checkpoint(
    model: nn.Module,
    folder: Path,
    *,
    recipe: Recipe,
    classes: Sequence[str],
    auxiliaries: Mapping[str, Mapping[str, Any]] | None = None,
    texts: Mapping[str, str] | None = None,
    beside: Callable[[Path], None] | None = None,
) -> None:
    """Write `model` into `folder`: `model.safetensors` (+ `pathway.*`), `recipe.yaml`, and last `manifest.json`.

    Recipe and class names also stand in the metadata of `model.safetensors`, so that a plain one rebuilds its model
    alone; with pathways the metadata says that the file is one part of three. `auxiliaries` says where each came from
    ({name: {"origin", "sha256", "recipe" where known}}); `texts` are further files, {name: content}, and `beside`
    writes others into the folder it is given, all (but a model card) under the same manifest.
    """
    is_connected = has_pathways(model)
    metadata = {
        "recipe": recipe_to_text(recipe),
        "classes": json.dumps(list(classes)),
        "connected": json.dumps(is_connected),
        "auxiliaries": json.dumps(dict(auxiliaries or {})),
    }
    with replacing_files(folder) as temporary:
        if is_connected:
            save_pathway(model, temporary)
            tensors, kept = read_tensors(temporary / WEIGHTS)
            write_tensors(temporary / WEIGHTS, tensors, kept | metadata)
        else:
            write_tensors(temporary / WEIGHTS, model.state_dict(), metadata)
        (temporary / RECIPE).write_text(recipe_to_text(recipe), encoding="utf-8")
        for name, text in (texts or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
        if beside is not None:
            beside(temporary)
        names = [file.name for file in temporary.iterdir() if file.name != CARD]
    write_manifest(folder, names)
