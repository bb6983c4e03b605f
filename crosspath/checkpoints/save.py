"""Saves a model: weights under plain names, pathways beside them, recipe and class names in the metadata."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from crosspath.checkpoints.outside import remember_outside
from crosspath.config import Recipe, recipe_to_text
from crosspath.files import read_tensors, replacing_files, write_manifest, write_tensors
from crosspath.modalities import modality_of
from crosspath.pathway import save_pathway
from crosspath.pathway.anatomy.locate import locate
from crosspath.pathway.anatomy.meaning import describe_blocks
from crosspath.pathway.sources.description import BLOCKS
from crosspath.pathway.sources.parameters import has_pathways
from crosspath.pathway.sources.source import ModuleSource

WEIGHTS = "model.safetensors"
PATHWAY_FILES = ("pathway.safetensors", "pathway.json")
MERGE_RECEIPT = "merge.json"
"""The receipt of a merge, beside the merged weights."""
RECIPE = "recipe.yaml"
CARD = "README.md"
"""The model card. The manifest leaves it out, since people edit it, on the hub too."""


def save_checkpoint(
    model: nn.Module,
    folder: Path,
    *,
    recipe: Recipe,
    classes: Sequence[str],
    auxiliaries: Mapping[str, Mapping[str, Any]] | None = None,
    texts: Mapping[str, str] | None = None,
    beside: Callable[[Path], None] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write `model` into `folder`: `model.safetensors` (+ `pathway.*`), `recipe.yaml`, and last `manifest.json`.

    The metadata of `model.safetensors` holds recipe and class names too, so that a plain model can be rebuilt from
    this file alone, heads and norms of its blocks, and whether `pathway.*` belong to it.

    Parameters
    ----------
    auxiliaries
        {name: record} of where each came from: see `Auxiliary.record`.
    texts
        {name: content} of further files.
    beside
        Writes further files into the folder it is called with. All but a model card enter the manifest.
    files
        {name: content} of what samples need, such as a text's tokenizer; as the recipe's `data` section names them when
        not given.
    """
    files = modality_of(recipe).files(recipe.data) if files is None else files
    is_connected = has_pathways(model)
    blocks = describe_blocks(locate(ModuleSource(model)))
    recipe_text = recipe_to_text(recipe)
    metadata = {
        "recipe": recipe_text,
        "classes": json.dumps(list(classes)),
        "connected": json.dumps(is_connected),
        "auxiliaries": json.dumps(dict(auxiliaries or {})),
        **({BLOCKS: json.dumps(blocks)} if blocks else {}),
    }
    with replacing_files(folder) as temporary:
        if is_connected:
            save_pathway(model, temporary)
            tensors, own_metadata = read_tensors(temporary / WEIGHTS)
            write_tensors(temporary / WEIGHTS, tensors, own_metadata | metadata)
        else:
            write_tensors(temporary / WEIGHTS, model.state_dict(), metadata)
        (temporary / RECIPE).write_text(recipe_text, encoding="utf-8")
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        for name, text in (texts or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
        if beside is not None:
            beside(temporary)
        names = [file.name for file in temporary.iterdir() if file.name != CARD]
    for name in {*PATHWAY_FILES, MERGE_RECEIPT}.difference(names):
        # Of a model that was saved here before, and of this one they would be read as its own.
        (folder / name).unlink(missing_ok=True)
    write_manifest(folder, names)
    remember_outside(folder, recipe, auxiliaries or {})
