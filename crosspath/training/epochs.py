"""The epochs of a run: batches, steps, readings of the validation part, states to resume from, and what is kept."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from crosspath.checkpoints.save import has_pathways
from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute
from crosspath.files import finite
from crosspath.objectives import Objective
from crosspath.training.feed import Feed
from crosspath.training.held_out import read_part
from crosspath.training.optimizer import build_optimizer
from crosspath.training.order import steps_per_epoch
from crosspath.training.pathways import scales_of
from crosspath.training.processes import Processes
from crosspath.training.progress import Listener
from crosspath.training.run_folder import RunFolder
from crosspath.training.schedule import Schedule
from crosspath.training.scope import training_mode
from crosspath.training.state import Learning, Position, Resumed, write_state
from crosspath.training.step import Stepper
from crosspath.training.trackers import Tracker, flat


@dataclass
class Kept:
    """The weights a run leaves behind."""

    model: nn.Module
    epoch: int
    """From 1; 0 before the validation part was read for the first time."""
    metrics: dict[str, float]
    """On the validation part."""
    steps: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)
    """A copy of the best epoch's state, where `train.select` is `best`."""


@dataclass(kw_only=True)
class Training:
    """A run between its preparation and its result."""

    run: RunFolder
    report: Listener
    objective: Objective
    classes: tuple[str, ...]
    data: DataSet
    compute: Compute
    processes: Processes
    model: nn.Module
    auxiliaries: Mapping[str, Mapping[str, Any]]
    environment: Mapping[str, Any]
    trackers: Sequence[Tracker] = ()
    resumed: Resumed | None = None

    def epochs(self) -> Kept:
        """All epochs; the model with the weights to keep, and how they read the validation part."""
        recipe, settings, model = self.run.recipe, self.run.recipe.train, self.model
        called = self.processes.spread(model)
        optimizer = build_optimizer(model, recipe)
        # A moving average of W, λ and W' each: its sum is EMA(W) + EMA(λ)·EMA(W').
        average = ModelEmaV3(model, decay=settings.ema_decay, use_warmup=True) if settings.ema_decay else None
        scaler = torch.amp.GradScaler(self.compute.device.type) if self.compute.precision == "float16" else None
        kept = Kept(model=model if average is None else average.module, epoch=0, metrics={})
        self._learning = Learning(
            model=model,
            optimizer=optimizer,
            average=None if average is None else average.module,
            best=kept.state,
            scaler=scaler,
            processes=self.processes,
        )
        self._kept = kept
        position = self._position = self._start()
        feed = Feed(
            recipe=recipe,
            examples=self.data.train,
            classes=len(self.classes),
            processes=self.processes,
            device=self.compute.device,
        )
        feed.check()
        stepper = Stepper(
            model=called,
            optimizer=optimizer,
            losses=lambda called, part: self.objective.losses(called, recipe, part),
            compute=self.compute,
            clip_norm=recipe.optimizer.clip_norm,
            processes=self.processes,
            scaler=scaler,
        )
        length = steps_per_epoch(len(self.data.train), settings)
        schedule = Schedule(
            steps=settings.epochs * length,
            warmup_steps=min(round(recipe.schedule.warmup_epochs * length), settings.epochs * length),
            min_lr=recipe.schedule.min_lr,
        )

        self.report.training(schedule.steps, position.step)
        for epoch in range(position.epoch, settings.epochs):
            training_mode(model, recipe)
            seen_before, begun = position.epoch_samples, time.perf_counter()
            for parts in feed.epoch(epoch, position.batch):
                schedule.apply(optimizer, position.step)
                loss = stepper.step(parts)
                position.step += 1
                position.batch += 1
                if average is not None:
                    average.update(model, step=position.step)
                value = _checked(float(loss), position.step)
                position.epoch_samples += parts[0].of
                position.epoch_loss += value * parts[0].of
                rate = (position.epoch_samples - seen_before) / (time.perf_counter() - begun)
                self.report.step(value, rate)
                if position.step % settings.log_every == 0 or position.step == schedule.steps:
                    lr = max(group["lr"] for group in optimizer.param_groups)
                    entry = {"step": position.step, "epoch": epoch + 1, "loss": value, "lr": lr}
                    self._log({**entry, "samples_per_s": round(rate, 1)})
                every = settings.checkpoint_steps
                if every is not None and position.step % every == 0 and position.batch < length:
                    self._save()
            self._end_of_epoch(epoch + 1, rate)

        kept.steps = position.step
        kept.model = self.processes.whole(kept.model)
        if kept.state:
            kept.model.load_state_dict(kept.state)
            kept.state.clear()
        return kept

    def _start(self) -> Position:
        """The beginning, or where a resumed run stood."""
        if self.resumed is None:
            return Position(environment=dict(self.environment))
        position, tensors = self.resumed
        self._learning.restore(tensors)
        self._kept.epoch, self._kept.metrics = position.kept_epoch, position.kept_metrics
        for name, before in position.environment.items():
            if self.environment.get(name) != before:
                now = self.environment.get(name)
                self.report.say(f"{name} was {before} and is {now}: the end may differ in the last digits")
        position.environment = dict(self.environment)
        return position

    def _end_of_epoch(self, epoch: int, rate: float) -> None:
        settings, position, kept = self.run.recipe.train, self._position, self._kept
        last = epoch == settings.epochs
        metrics: dict[str, float] = {}
        if last or (epoch % settings.evaluate_every == 0 and epoch >= settings.evaluate_from):
            metrics = read_part(
                kept.model, self.run.recipe, self.data.validation, self.compute, self.processes, protocol=False
            )
            keep(kept, epoch, metrics, self.objective.score, settings.select, self.processes)
        mean_loss = position.epoch_loss / position.epoch_samples
        summary: dict[str, Any] = {"step": position.step, "epoch": epoch, "train_loss": mean_loss}
        if metrics:
            summary["validation"] = metrics
        if has_pathways(kept.model):
            summary["scales"] = scales_of(self.processes.whole(kept.model))
        if finite(summary) != summary:
            raise InputError(f"step {position.step} of training", "finite weights", "nan or infinity", LOWER)
        self._log(summary)
        self.report.epoch(epoch, settings.epochs, mean_loss, metrics, rate)
        position.epoch, position.batch, position.epoch_loss, position.epoch_samples = epoch, 0, 0.0, 0
        position.kept_epoch, position.kept_metrics = kept.epoch, kept.metrics
        # After the last epoch too: what is still to come can fail, and would cost the whole run.
        if settings.checkpoint_every is not None and (last or epoch % settings.checkpoint_every == 0):
            self._save()

    def _log(self, entry: Mapping[str, Any]) -> None:
        if not self.processes.main:
            return
        self._position.log_bytes = self.run.log(entry)
        numbers = dict(flat(entry))
        for tracker in self.trackers:
            tracker.log(numbers, self._position.step)

    def _save(self) -> None:
        """A checkpoint and the state to resume from it."""
        tensors = self._learning.tensors()
        whole = self.processes.whole(self._kept.model)
        if self.processes.main:
            self.run.save_step(
                whole,
                self._position.step,
                self.classes,
                self.auxiliaries,
                lambda folder: write_state(folder, self._position, tensors),
            )
        self.processes.wait()


LOWER = "lower optimizer.lr"


def keep(
    kept: Kept,
    epoch: int,
    metrics: dict[str, float],
    score: Callable[[dict[str, float]], float],
    select: str,
    processes: Processes | None = None,
) -> None:
    """Note the epoch just read; with `best`, only when it is better than every one before (ties keep the earlier)."""
    if select == "best" and kept.epoch and score(metrics) <= score(kept.metrics):
        return
    kept.epoch, kept.metrics = epoch, metrics
    if select == "best":
        whole = kept.model if processes is None else processes.whole(kept.model)
        kept.state.update({name: value.detach().cpu().clone() for name, value in whole.state_dict().items()})


def _checked(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise InputError(f"step {step} of training", "a finite loss", str(loss), LOWER)
    return loss
