"""Loads a checkpoint: the recipe, the class names and the rebuilt model, pathways connected.

A checkpoint is a run folder, a saved folder or one safetensors file whose metadata holds the recipe.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.checkpoints.files import checkpoint_files, run_result
from crosspath.checkpoints.outside import check_origin, is_own_checkpoint
from crosspath.checkpoints.save import MERGE_RECEIPT, PATHWAY_FILES, RECIPE, WEIGHTS
from crosspath.checkpoints.sources import Auxiliary, foreign_auxiliary, hub_auxiliary, is_on_hub
from crosspath.config import Recipe, read_recipe, recipe_from_text
from crosspath.errors import InputError
from crosspath.files import (
    read_json,
    read_tensors,
    sha256_of_file,
    tensor_faults,
)
from crosspath.modalities import modality_of
from crosspath.models.about import About
from crosspath.models.heads import HEAD
from crosspath.models.masked_autoencoder import MaskedAutoencoder
from crosspath.models.modality_model import ModalityModel
from crosspath.objectives import objective_of
from crosspath.pathway import load_pathway, merge
from crosspath.pathway.sources.description import weight_file_of
from crosspath.pathway.sources.parameters import has_pathways

LAST_LAYER = f"{HEAD}linear.weight"
"""Of a classifier: one row per class."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A rebuilt model, on the CPU and in evaluation mode, with its recipe and class names."""

    path: Path
    recipe: Recipe
    classes: tuple[str, ...]
    model: nn.Module
    auxiliaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """{name: record} of its pathways: see `Auxiliary.record`."""
    own: bool = False
    """Whether what its recipe names outside its folder may be read: see `outside.py`."""

    @property
    def connected(self) -> bool:
        """Whether the model has pathways."""
        return has_pathways(self.model)


@torch.inference_mode(False)  # a model that is built in that mode can never train
def load_checkpoint(
    path: str | Path,
    recipe: Recipe | None = None,
    auxiliaries: Mapping[str, str | Path] | None = None,
    *,
    own: bool = False,
) -> Checkpoint:
    """Rebuild the model of a checkpoint, with its pathways connected; its weights must be exactly the model's.

    `recipe` is needed only for a file that holds none; `auxiliaries` ({name: checkpoint}) only where a frozen
    auxiliary, which is saved by reference, has moved, or the checkpoint comes from elsewhere. `own` vouches for one
    that this user's commands did not write on this machine.

    Raises
    ------
    InputError
        See `checkpoint_files`; also for a missing recipe, and for weights that do not fit the recipe's model.
    crosspath.pathway.PathwayError
        For pathway files that do not fit.
    """
    files = checkpoint_files(path)
    own = own or is_own_checkpoint(Path(path))
    may_read = own or recipe is not None
    tensors, metadata = read_tensors(files.weights)
    recipe = recipe or _recipe_beside(Path(path), files.weights, metadata)
    section = modality_of(recipe).at(recipe.data, files.weights.parent, own)
    recipe = recipe.model_copy(update={"data": section})
    classes = _classes(files.weights, metadata, tensors) if objective_of(recipe).labelled else ()
    records: dict[str, dict[str, Any]] = _metadata(files.weights, metadata, "auxiliaries", dict)
    sources = _frozen_auxiliaries(Path(path), files.folder, records, auxiliaries or {}, own=own)
    # Building draws initial weights, which must not change the caller's random state.
    with torch.random.fork_rng(devices=[]):
        model = objective_of(recipe).build(recipe, len(classes))
    if files.folder is None:
        refuse_connected(files.weights, tensors, metadata)
        _load_strictly(model, tensors, files.weights)
    else:
        _load_strictly(model, tensors, files.weights)
        load_pathway(model, files.folder, sources)
    if isinstance(model, ModalityModel):
        model.about = _about(Path(path), recipe, classes, records)
    return Checkpoint(
        path=Path(path), recipe=recipe, classes=classes, model=model.eval(), auxiliaries=records, own=may_read
    )


def _load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], where: object) -> None:
    """Load every parameter and buffer of a plain model, in place. Raises `InputError` listing what does not fit."""
    faults = tensor_faults(tensors, model.state_dict())
    if faults:
        raise InputError(
            where, "the weights of the recipe's model", "; ".join(faults), "name the recipe it was made with"
        )
    model.load_state_dict(dict(tensors), strict=True)


def _about(path: Path, recipe: Recipe, classes: tuple[str, ...], auxiliaries: Mapping[str, Mapping[str, Any]]) -> About:
    """With a folder's merge receipt and the checkpoint that its run started from."""
    receipt = read_json(path / MERGE_RECEIPT) if (path / MERGE_RECEIPT).is_file() else None
    start = run_result(path).get("start")
    name = None if start is None else Path(start).name
    return About(recipe=recipe, classes=classes, auxiliaries=auxiliaries, receipt=receipt, start=name)


def _frozen_auxiliaries(
    path: Path,
    folder: Path | None,
    records: Mapping[str, Mapping[str, Any]],
    replacements: Mapping[str, str | Path],
    *,
    own: bool,
) -> dict[str, nn.Module | dict[str, Tensor]]:
    """The frozen auxiliaries that are saved as a reference, read from a replacement or from their origin."""
    entries = {} if folder is None else read_json(folder / "pathway.json").get("auxiliaries")
    # `load_pathway` reports whatever else is wrong with the entries.
    pairs: dict[str, Any] = entries if isinstance(entries, dict) else {}
    references = [name for name, entry in pairs.items() if isinstance(entry, dict) and not entry.get("stored", True)]
    for name in replacements:
        if name not in references:
            expected = f"one of {', '.join(references)}" if references else "no auxiliary: all it needs is stored in it"
            raise InputError(f"--auxiliary for {path}", expected, repr(name), "leave it out")
    weights = {}
    for name in references:
        origin = replacements.get(name) or records.get(name, {}).get("origin")
        if name not in replacements and not own:
            check_origin(name, str(origin or pairs[name].get("file") or pairs[name].get("description")), path)
        if origin is None:
            continue
        try:
            weights[name] = auxiliary_source(origin).weights
        except InputError as error:
            if name in replacements:
                raise
            where = f"auxiliary {name} of {path}"
            todo = f"name it with --auxiliary {name}=CHECKPOINT"
            raise InputError(where, f"the frozen auxiliary at {origin}", error.found, todo) from None
    return weights


def _recipe_beside(path: Path, weights: Path, metadata: Mapping[str, str]) -> Recipe:
    if path.is_dir() and (path / RECIPE).is_file():
        return read_recipe(path / RECIPE)
    if "recipe" in metadata:
        return recipe_from_text(metadata["recipe"], weights)
    todo = f"name the folder with its {RECIPE}, or give --recipe where the command has it"
    raise InputError(weights, "a recipe in the file's metadata", "none", todo)


def _classes(weights: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    if "classes" in metadata:
        return tuple(str(name) for name in _metadata(weights, metadata, "classes", list))
    if LAST_LAYER not in tensors:
        raise InputError(weights, "a classification head", f"no {LAST_LAYER}", "train it first")
    return tuple(str(index) for index in range(len(tensors[LAST_LAYER])))


def _metadata(weights: Path, metadata: Mapping[str, str], name: str, kind: type[Any]) -> Any:
    """A JSON value of the file's metadata; empty where there is none."""
    try:
        value = json.loads(metadata[name]) if name in metadata else kind()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise InputError(f"{weights} metadata `{name}`", f"a JSON {kind.__name__}", "something else", "save it again")
    return value


def refuse_connected(weights: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Raise `InputError` for weights of a connected model, where a plain one is needed."""
    inside = any(".parametrizations." in f".{name}" for name in tensors)
    if inside or metadata.get("connected") == "true":
        raise InputError(
            weights,
            "a plain model",
            "one connected with pathways" + ("" if inside else f", without {' and '.join(PATHWAY_FILES)} beside it"),
            "name its folder, or merge it first with `crosspath merge`",
        )


def auxiliary_source(spec: str | Path) -> Auxiliary:
    """The auxiliary behind a run folder, a saved folder, a `.safetensors` file, `timm:NAME` or `hf:OWNER/NAME`.

    Pathways of the auxiliary itself are merged in memory. Only safetensors are read, also in parts with an index, and
    the config beside them (`CONFIG_OF`).

    Raises
    ------
    InputError
        For anything that is not there, not reachable, or not safetensors.
    """
    text = str(spec)
    if is_on_hub(text):
        return hub_auxiliary(text)
    path = Path(text).resolve()
    file = weight_file_of(path) or path
    if file.name.endswith(".index.json"):
        return foreign_auxiliary(file, str(path))
    files = checkpoint_files(path if file.name == WEIGHTS else file)
    _, metadata = read_tensors(files.weights, mapped=True)
    if files.folder is None and "recipe" not in metadata:
        return foreign_auxiliary(files.weights, str(path))
    sha256 = sha256_of_file(files.weights)
    checkpoint = load_checkpoint(path)
    if checkpoint.connected:
        merge(checkpoint.model)
    if isinstance(checkpoint.model, MaskedAutoencoder):
        # The decoder's blocks have no counterpart in a target.
        del checkpoint.model.decoder
    return Auxiliary(
        origin=str(path),
        sha256=sha256,
        weights=checkpoint.model,
        recipe=checkpoint.recipe.name,
        modality=checkpoint.recipe.data_origin,
    )
