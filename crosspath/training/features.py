"""Features of a frozen body, computed once: the head then trains on what it would pool, epoch after epoch.

They are kept in the user's cache folder, under a digest of the body's weights, the samples and all that the features
depend on. A head trained on them is the head of the run without them up to rounding: a sample's features may differ in
the last digits with the other samples of its batch. The test part is always read by the whole model.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from crosspath.config import Recipe
from crosspath.data.cache import cache_root
from crosspath.data.examples import DataSet, Examples
from crosspath.data.streaming.samples import StreamedSamples
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.held_out import batch_size_on
from crosspath.files import read_tensors, replacing_files, sha256_of_tensors, write_tensors
from crosspath.modalities.batches import prepare_held_out, targets_of
from crosspath.models import ModalityModel
from crosspath.models.evaluation_mode import evaluation_mode
from crosspath.models.heads import HEAD
from crosspath.objectives import Batch, objective_of
from crosspath.pathway.sources.parameters import has_pathways
from crosspath.training.feed import Feed
from crosspath.training.order import Indices
from crosspath.training.processes import Processes

FORMAT_VERSION = 1
FILE = "features.safetensors"
PARTS = ("train", "validation")


class PooledHead(nn.Module):
    """A model of pooled features (B, D): the head of a model, without its body."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        assert isinstance(model, ModalityModel)
        self.head = model.head

    def forward(self, pooled_BD: Tensor) -> Tensor:
        """Logits (B, K)."""
        return self.head.classify(pooled_BD)

    def pooled(self, pooled_BD: Tensor) -> Tensor:
        """What the head reads: the features as they are."""
        return pooled_BD


@dataclass(frozen=True, kw_only=True)
class Features:
    """Pooled features of training and validation part, (N, D) each, on the CPU."""

    train: Tensor
    validation: Tensor
    note: str
    """Where they come from, for the user."""


@dataclass(frozen=True, kw_only=True)
class FeatureFeed(Feed):
    """Batches of features instead of samples, in the same order."""

    features_ND: Tensor  # noqa: N815

    def _view(self, batches: Sequence[tuple[int, Indices]], epoch: int) -> Iterator[Batch]:
        for indices, (_, size) in zip(*self.own_parts(batches, epoch), strict=True):
            labels = torch.as_tensor(np.asarray(self.examples.labels[indices]), device=self.device)
            yield Batch(
                inputs=self.features_ND[torch.as_tensor(indices)].to(self.device),
                targets=targets_of(labels, self.classes, self.recipe.data.label_kind),
                ids_B=torch.as_tensor(indices),
                epoch=epoch,
                batch_size=size,
            )


def frozen_features(
    model: nn.Module,
    recipe: Recipe,
    data: DataSet,
    compute: Compute,
    processes: Processes,
    progress: Callable[[int, int], None],
) -> Features | None:
    """The features that a run with `train.scope=head` can train its head on, from the cache folder or computed now;
    None where they change from step to step: with augmentation, dropped branches or trained λ, or over several
    processes; and where `data.skip_damaged` skips a file of a stream.
    """
    if not _are_constant(model, recipe) or processes.count > 1:
        return None
    assert isinstance(model, ModalityModel)
    folder = cache_root(recipe.data.cache_folder) / f"features-{_key(model, recipe, data, compute)[:20]}"
    if (folder / FILE).is_file():
        tensors = _read(folder / FILE)
        if tensors is not None and all(len(tensors[part]) == len(getattr(data, part)) for part in PARTS):
            return Features(**tensors, note=f"features of the frozen body are read from {folder}")
    total, offset = len(data.train) + len(data.validation), 0
    tensors = {}
    for part in PARTS:
        examples = getattr(data, part)
        try:
            tensors[part] = _compute(model, recipe, examples, compute, lambda count: progress(offset + count, total))  # noqa: B023
        except InputError:
            if part == "train" and recipe.data.stream and recipe.data.skip_damaged:
                return None  # another sample stands in for a damaged one, as long as samples are read
            raise
        offset += len(examples)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing_files(folder) as temporary:
            write_tensors(temporary / FILE, tensors, _metadata(tensors))
    except OSError as error:
        todo = "choose another with --set data.cache_folder=DIR or CROSSPATH_CACHE"
        raise InputError(
            folder, "a writable cache folder with free space", error.strerror or str(error), todo
        ) from None
    return Features(**tensors, note=f"features of the frozen body are computed once and kept in {folder}")


def _are_constant(model: nn.Module, recipe: Recipe) -> bool:
    return (
        recipe.train.scope == "head"
        and objective_of(recipe).pools
        and isinstance(model, ModalityModel)
        and not has_pathways(model)
        and not recipe.augment.alters
        and recipe.model.drop_path == 0
    )


@torch.no_grad()
def _compute(
    model: ModalityModel, recipe: Recipe, examples: Examples, compute: Compute, progress: Callable[[int], None]
) -> Tensor:
    """Pooled features (N, D) of a part, the model in evaluation mode."""
    size = batch_size_on(compute.device, model, recipe)
    parts = []
    with evaluation_mode(model):
        for start in range(0, len(examples), size):
            rows = np.arange(start, min(start + size, len(examples)))
            batch = prepare_held_out(recipe.data, examples.inputs[rows], compute.device)
            with compute.autocast():
                parts.append(model.pooled(batch).float().cpu())
            progress(int(rows[-1]) + 1)
    return torch.cat(parts) if parts else torch.empty(0, model.encoder.width)


def _key(model: ModalityModel, recipe: Recipe, data: DataSet, compute: Compute) -> str:
    body = [(name, value) for name, value in model.state_dict().items() if not name.startswith(HEAD)]
    fields = {
        "format_version": FORMAT_VERSION,
        "body": sha256_of_tensors(body),
        "model": recipe.model.model_dump(mode="json"),
        "data": recipe.data.model_dump(mode="json", exclude={"cache_folder", "folder"}),
        "fingerprint": data.fingerprint,
        "ids": [getattr(data, part).ids for part in PARTS],
        "stamps": [_stamps(getattr(data, part).inputs) for part in PARTS],
        "compute": [compute.device.type, compute.precision, torch.get_num_threads(), torch.__version__],
    }
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _stamps(inputs: object) -> list[str] | None:
    """Size and time of the files of streamed samples, of whose contents a set's fingerprint knows nothing."""
    return [item.stamp for item in inputs.items] if isinstance(inputs, StreamedSamples) else None


def _read(file: Path) -> dict[str, Tensor] | None:
    """The features in a file; None where they cannot be read, so that they are computed again."""
    try:
        tensors, metadata = read_tensors(file)
    except InputError:
        return None
    complete = set(tensors) == set(PARTS) and metadata.items() >= _metadata(tensors).items()
    return tensors if complete and all(tensor.isfinite().all() for tensor in tensors.values()) else None


def _metadata(tensors: dict[str, Tensor]) -> dict[str, str]:
    return {"format_version": str(FORMAT_VERSION), "sha256": sha256_of_tensors(sorted(tensors.items()))}
