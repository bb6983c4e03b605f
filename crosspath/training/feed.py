"""The augmented batches of a training run, in the order of its seed: this process's part of each, on the device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crosspath.config import Recipe
from crosspath.counts import quantity
from crosspath.data.examples import Examples
from crosspath.data.streaming.samples import StreamedSamples, TrainingViews, training_batches
from crosspath.data.views.mixing import paired_order
from crosspath.errors import InputError
from crosspath.modalities import modality_of
from crosspath.modalities.batches import MIXABLE, augment_batch, augment_inputs, prepare
from crosspath.objectives import Batch, objective_of
from crosspath.training.order import Indices, epoch_batches, parts, smallest_part
from crosspath.training.processes import Processes


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Where the batches of a run come from."""

    recipe: Recipe
    examples: Examples
    classes: int
    processes: Processes
    device: torch.device

    def check(self) -> None:
        """Raise `InputError` where the samples cannot be drawn, mixed or divided as the recipe says."""
        settings, kind = self.recipe.train, self.recipe.data.label_kind
        if settings.sampler == "balanced" and kind != "classes":
            raise InputError("train.sampler", "shuffle, since samples have no classes", "balanced", "leave it out")
        if settings.samples_per_epoch is not None and settings.sampler != "balanced":
            todo = "set train.sampler=balanced, or leave it out"
            raise InputError(
                "train.samples_per_epoch", "none with train.sampler=shuffle", str(settings.samples_per_epoch), todo
            )
        by_batch = objective_of(self.recipe).by_batch(self.recipe)
        count, fewest = self.processes.count * settings.accumulate, 2 if by_batch else 1
        if (smallest := smallest_part(epoch_batches(self.examples.labels, settings, 0), count)) < fewest:
            reason = ", over which the head normalises" if by_batch else ""
            parts_each = quantity(settings.accumulate, "part")
            found = f"{smallest} in one of {quantity(self.processes.count, 'process', 'processes')} x {parts_each}"
            todo = "raise train.batch_size, or lower train.accumulate or the number of processes"
            expected = f"{quantity(fewest, 'sample')} or more in every part of a batch{reason}"
            raise InputError("train.batch_size", expected, found, todo)
        mixing = self.recipe.augment.mixing
        if kind not in MIXABLE and (mixing.mixup or mixing.cutmix):
            found = f"{mixing.mixup:g} and {mixing.cutmix:g}"
            raise InputError(
                "augment.mixup and augment.cutmix", "0, since such labels are not mixed", found, "set both to 0"
            )

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """For every batch of an epoch from number `start` on, this process's parts of it, one after the other."""
        settings = self.recipe.train
        batches = list(enumerate(epoch_batches(self.examples.labels, settings, epoch)))[start:]
        views = [epoch * settings.repeats + view for view in range(settings.repeats)]
        streams = [self._view(batches, view) for view in views]
        for _ in batches:
            yield [next(stream) for _ in range(settings.accumulate) for stream in streams]

    def _view(self, batches: Sequence[tuple[int, Indices]], epoch: int) -> Iterator[Batch]:
        """This process's parts of all batches, numbered within their epoch, in the augmented view number `epoch`."""
        recipe, settings = self.recipe, self.recipe.train
        own_parts, keys = self.own_parts(batches, epoch)
        objective = objective_of(recipe)
        for indices, views, (key, size) in zip(own_parts, self._read(own_parts, epoch), keys, strict=True):
            batch = prepare(recipe.data, views.inputs, self.device)
            # Draws and partners go by the samples asked for: one that stands in for a damaged one must not move them.
            ids_B = torch.as_tensor(indices)
            if not objective.labelled:
                batch = augment_inputs(recipe.augment, recipe.data, batch, settings.seed, epoch, ids_B)
                yield Batch(inputs=batch, targets=None, ids_B=ids_B, epoch=epoch, batch_size=size)
                continue
            labels = self.examples.labels[views.rows] if views.targets_BK is None else views.targets_BK
            batch, targets = augment_batch(
                recipe.augment,
                recipe.data,
                batch,
                torch.as_tensor(labels, device=self.device),
                self.classes,
                settings.seed,
                epoch,
                ids_B,
                batch_key=key,
            )
            yield Batch(inputs=batch, targets=targets, ids_B=ids_B, epoch=epoch, batch_size=size)

    def own_parts(
        self, batches: Sequence[tuple[int, Indices]], epoch: int
    ) -> tuple[list[Indices], list[tuple[int, int]]]:
        """The samples of this process's parts; and of each part the key and the size of its complete batch."""
        settings = self.recipe.train
        own_parts: list[Indices] = []
        keys: list[tuple[int, int]] = []
        for number, rows in batches:
            paired_rows = rows[paired_order(settings.seed, epoch, torch.as_tensor(rows)).numpy()]
            pieces = parts(paired_rows, self.processes.count * settings.accumulate)
            first = self.processes.rank * settings.accumulate
            own_parts.extend(np.sort(part) for part in pieces[first : first + settings.accumulate])
            # Drawn with replacement, the smallest sample may be that of many batches.
            key = number if settings.sampler == "balanced" else int(rows[0])
            keys.extend([(key, len(rows) * settings.repeats)] * settings.accumulate)
        return own_parts, keys

    def _read(self, own_parts: list[Indices], epoch: int) -> Iterator[TrainingViews]:
        """The samples of each part, and their targets where reading has mixed them already."""
        recipe, settings = self.recipe, self.recipe.train
        if isinstance(self.examples.inputs, StreamedSamples):
            yield from training_batches(
                self.examples.inputs, recipe.augment, own_parts, settings.seed, epoch, settings.workers
            )
            return
        alter = modality_of(recipe).before_batch
        for indices in own_parts:
            inputs = alter(recipe.data, recipe.augment, self.examples.inputs[indices], settings.seed, epoch, indices)
            yield TrainingViews(indices, inputs, None)
