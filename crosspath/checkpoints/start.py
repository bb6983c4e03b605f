"""Where a target starts from: the weights of an earlier checkpoint (`--from`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from crosspath.checkpoints.load import checkpoint_files, load_checkpoint, refuse_connected
from crosspath.errors import InputError
from crosspath.files import read_tensors, tensor_faults
from crosspath.pathway import merge
from crosspath.tokenizers import fixed_positions
from crosspath.tokenizers.patches import PatchTokenizer


@dataclass(frozen=True, kw_only=True)
class Start:
    """Something done to a target's own weights before it trains, beyond what `--from` loads."""

    origin: str
    """What it is, in words."""
    sha256: str
    """Tells one from another: of the weights it comes from."""
    apply: Callable[[nn.Module], list[str]]
    """Changes the plain model in place; returns what to say about it."""


POSITIONS = "tokenizer.positions"
"""Of a tokenizer that learns them; a fixed table stands in no checkpoint."""


def plain_weights(path: str | Path) -> dict[str, Tensor]:
    """The weights a checkpoint computes with, under plain names; pathways are merged in memory."""
    files = checkpoint_files(path)
    if files.folder is not None:
        checkpoint = load_checkpoint(path)
        merge(checkpoint.model)
        return checkpoint.model.state_dict()
    tensors, metadata = read_tensors(files.weights)
    refuse_connected(files.weights, tensors, metadata)
    return tensors


def load_weights_from(model: nn.Module, path: str | Path) -> list[str]:
    """Start `model` (plain, in place) from a checkpoint's weights; returns what was left out, in words.

    A head of another shape is left out as a whole, and said. From masked modelling a classifier takes tokenizer and
    encoder; the decoder (of text the mask token and the layer over the vocabulary), and the encoder's last norm where
    the classifier has none, stay behind, and that is said. Anything else that does not fit is an error.

    Raises
    ------
    InputError
        Naming the weights of other shapes, the missing and the unexpected ones; `model` is untouched.
    """
    tensors = plain_weights(path)
    own = model.state_dict()
    head = {name for name in own if name.startswith("head.")}
    given = {name for name in tensors if name.startswith("head.")}
    notes = []
    parts = ("decoder.", "mask_token", "predict.", "encoder.norm.", "encoder.cls_token")
    behind = [part for part in parts if _has(tensors, part) and not _has(own, part)]
    if behind:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(tuple(behind))}
        notes.append(f"--from {path}: its {' and '.join(part.rstrip('.') for part in behind)} stayed behind")
    if (
        POSITIONS in own
        and POSITIONS not in tensors
        and isinstance(tokenizer := getattr(model, "tokenizer", None), PatchTokenizer)
    ):
        tensors = {**tensors, POSITIONS: fixed_positions(tokenizer.grid, tokenizer.width)}
        notes.append(f"--from {path}: its fixed positions are where learned ones begin")
    if given != head or any(tensors[name].shape != own[name].shape for name in head):
        said = "its head has another shape and was left out" if given else "it has no head"
        notes.append(f"--from {path}: {said}; the new head starts afresh")
        tensors = {name: tensor for name, tensor in tensors.items() if name not in given}
        tensors |= {name: own[name] for name in head}
    faults = tensor_faults(tensors, model.state_dict())
    if faults:
        raise InputError(
            path, "weights for this recipe's model", "; ".join(faults), "choose a checkpoint of the same model"
        )
    model.load_state_dict(tensors, strict=True)
    return notes


def _has(tensors: Mapping[str, Tensor], part: str) -> bool:
    return any(name.startswith(part) for name in tensors)
