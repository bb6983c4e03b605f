"""Initialises a target from the weights of an earlier checkpoint (`--from`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from crosspath.checkpoints.files import checkpoint_files
from crosspath.checkpoints.load import load_checkpoint, refuse_connected
from crosspath.config import Recipe, recipe_from_text
from crosspath.errors import InputError
from crosspath.files import read_tensors, tensor_faults
from crosspath.models.heads import HEAD
from crosspath.objectives import objective_of
from crosspath.pathway import merge
from crosspath.tokenizers import fixed_positions
from crosspath.tokenizers.patches import PatchTokenizer


@dataclass(frozen=True, kw_only=True)
class Start:
    """A change to a target's own weights before it trains, beyond what `--from` loads."""

    origin: str
    """What the change is, in words."""
    sha256: str
    """Of the weights it comes from; identifies it."""
    apply: Callable[[nn.Module], list[str]]
    """Changes the plain model in place; returns notes for the user."""
    finish: Callable[[nn.Module], None] | None = None
    """Makes the trained model a plain one again, in place, where `apply` has added to it."""


POSITIONS = "tokenizer.positions"
"""Learned positions. Fixed ones are in no checkpoint."""
LAST_NORM = "encoder.norm."


def _weights_and_task(path: str | Path) -> tuple[dict[str, Tensor], str | None]:
    """The weights of a checkpoint under plain names, its pathways merged in memory; and the name of the objective that
    they were trained by, None where nothing says it."""
    files = checkpoint_files(path)
    if files.folder is not None:
        checkpoint = load_checkpoint(path)
        merge(checkpoint.model)
        return checkpoint.model.state_dict(), objective_of(checkpoint.recipe).name
    tensors, metadata = read_tensors(files.weights)
    refuse_connected(files.weights, tensors, metadata)
    try:
        recipe = recipe_from_text(metadata["recipe"], files.weights) if "recipe" in metadata else None
    except InputError:  # weights serve as a start without the recipe beside them
        recipe = None
    return tensors, None if recipe is None else objective_of(recipe).name


def load_weights_from(model: nn.Module, path: str | Path, recipe: Recipe | None = None) -> list[str]:
    """Load a checkpoint's weights into a plain model, in place; returns notes on what was not loaded.

    A head of another shape is not loaded, nor, where the model's `recipe` is given, one that another objective trained:
    two classes are not two numbers. From masked modelling, a classifier loads tokenizer and encoder, but not the
    decoder (for text, the mask token and the layer over the vocabulary), nor the encoder's last norm where it has none
    itself; a head for dense predictions needs that norm, and starts with a new one where the classifier had it after
    its pooling. From a classifier, masked modelling loads tokenizer and encoder, and its decoder starts at random.
    Anything else that does not fit is an error.

    Raises
    ------
    InputError
        Naming weights of other shapes, missing and unexpected ones; `model` is then unchanged.
    """
    tensors, task = _weights_and_task(path)
    other = None if recipe is None or task in (None, objective_of(recipe).name) else task
    own = model.state_dict()
    head = {name for name in own if name.startswith(HEAD)}
    loaded_head = {name for name in tensors if name.startswith(HEAD)}
    notes = []
    parts = ("decoder.", "mask_token", "predict.", LAST_NORM, "encoder.cls_token", "encoder.cls_pos")
    extras = [part for part in parts if _has(tensors, part) and not _has(own, part)]
    if extras:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(extras))}
        notes.append(f"--from {path}: not loaded: {', '.join(part.rstrip('.') for part in extras)}")
    if (
        POSITIONS in own
        and POSITIONS not in tensors
        and isinstance(tokenizer := getattr(model, "tokenizer", None), PatchTokenizer)
    ):
        tensors = {**tensors, POSITIONS: fixed_positions(tokenizer.grid, tokenizer.width)}
        notes.append(f"--from {path}: learned positions are initialised with its fixed ones")
    if loaded_head and not head:
        new = [part for part in parts if _has(own, part) and not _has(tensors, part)]
        notes.append(f"--from {path}: initialised at random: {', '.join(part.rstrip('.') for part in new)}")
        tensors = {name: tensor for name, tensor in tensors.items() if name not in loaded_head}
        tensors |= {name: value for name, value in own.items() if name.startswith(tuple(new))}
    elif loaded_head != head or (head and other) or any(tensors[name].shape != own[name].shape for name in head):
        foreign = f"its head is one of {other} and is not loaded" if other else None
        reason = (foreign or "its head has another shape and is not loaded") if loaded_head else "it has no head"
        notes.append(f"--from {path}: {reason}; the new head is initialised at random")
        tensors = {name: tensor for name, tensor in tensors.items() if name not in loaded_head}
        tensors |= {name: own[name] for name in head}
        if loaded_head != head and _has(own, LAST_NORM) and not _has(tensors, LAST_NORM):
            # A classifier that normalises after its pooling has its norm in the head; a dense head needs one before.
            notes.append(f"--from {path}: initialised at random: {LAST_NORM.rstrip('.')}")
            tensors |= {name: value for name, value in own.items() if name.startswith(LAST_NORM)}
    faults = tensor_faults(tensors, model.state_dict())
    if faults:
        raise InputError(
            path, "weights for this recipe's model", "; ".join(faults), "choose a checkpoint of the same model"
        )
    model.load_state_dict(tensors, strict=True)
    return notes


def _has(tensors: Mapping[str, Tensor], part: str) -> bool:
    return any(name.startswith(part) for name in tensors)
