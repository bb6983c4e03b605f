"""The epochs of a run: batches, steps, readings of the validation part, states to resume from, and the outcome."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from crosspath.data.examples import DataSet
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute
from crosspath.files import is_finite, sha256_of_tensors
from crosspath.metrics import with_class_names
from crosspath.objectives import Batch, Objective
from crosspath.pathway.engines.engine import held_weights
from crosspath.pathway.sources.parameters import has_pathways
from crosspath.training.features import Features
from crosspath.training.feed import Feed
from crosspath.training.finite import check_gradients, first_error, loss_error, sample_error, strongest
from crosspath.training.held_out import read_features, read_part
from crosspath.training.optimizer import build_optimizer
from crosspath.training.order import steps_per_epoch
from crosspath.training.outcome import Outcome, losses_of, moving_average
from crosspath.training.pathways import scales_of
from crosspath.training.processes import Processes
from crosspath.training.progress import Listener
from crosspath.training.run_folder import RunFolder
from crosspath.training.schedule import Schedule
from crosspath.training.scope import training_mode
from crosspath.training.state import LearningState, Position, SavedState, write_state
from crosspath.training.step import Stepper
from crosspath.training.trackers import Tracker, flatten


class Training:
    """A run between its preparation and its result: everything is made here, and `run_epochs` does the work.

    Sharding over several processes changes `model` in place.
    """

    def __init__(
        self,
        *,
        run: RunFolder,
        report: Listener,
        objective: Objective,
        classes: tuple[str, ...],
        data: DataSet,
        feed: Feed,
        compute: Compute,
        processes: Processes,
        model: nn.Module,
        auxiliaries: Mapping[str, Mapping[str, Any]],
        environment: Mapping[str, Any],
        trackers: Sequence[Tracker] = (),
        state: SavedState | None = None,
        features: Features | None = None,
    ) -> None:
        recipe, settings = run.recipe, run.recipe.train
        self.run, self.report, self.trackers = run, report, trackers
        self.recipe, self.settings, self.objective = recipe, settings, objective
        self.classes, self.data, self.auxiliaries = classes, data, auxiliaries
        self.compute, self.processes, self.model, self.features = compute, processes, model, features

        self.strong = strongest(model)
        wrapped_model = processes.wrap(model)
        self.optimizer = build_optimizer(model, recipe)
        self.average = moving_average(model, settings.ema_decay)
        scaler = torch.amp.GradScaler(compute.device.type) if compute.precision == "float16" else None
        self.outcome = Outcome(model if self.average is None else self.average.module)
        self.learning = LearningState(
            model=model,
            optimizer=self.optimizer,
            average=None if self.average is None else self.average.module,
            best=self.outcome.best_state,
            scaler=scaler,
            processes=processes,
        )
        self.position = self._restore(state, environment)
        self.feed = feed
        self.losses = losses_of(objective, recipe, features)
        self.stepper = Stepper(
            model=wrapped_model,
            optimizer=self.optimizer,
            losses=self.losses,
            compute=compute,
            clip_norm=recipe.optimizer.clip_norm,
            processes=processes,
            scaler=scaler,
        )
        self.epoch_steps = steps_per_epoch(len(data.train), settings)
        steps = settings.epochs * self.epoch_steps
        self.schedule = Schedule(
            steps=steps,
            warmup_steps=min(round(recipe.schedule.warmup_epochs * self.epoch_steps), steps),
            min_lr=recipe.schedule.min_lr,
        )

    def run_epochs(self) -> Outcome:
        """Train the remaining epochs; the outcome has the selected weights and their metrics on the validation part."""
        self.report.training(self.schedule.steps, self.position.step)
        for epoch in range(self.position.epoch, self.settings.epochs):
            training_mode(self.model, self.recipe)
            self._end_epoch(epoch + 1, self._run_epoch(epoch))
        outcome = self.outcome
        outcome.steps = self.position.step
        outcome.model = self.processes.full_model(outcome.model)
        if outcome.best_state:
            outcome.model.load_state_dict(outcome.best_state)
            outcome.best_state.clear()
        return outcome

    def _run_epoch(self, epoch: int) -> float:
        """Train the remaining steps of an epoch; returns samples per second."""
        position, rate = self.position, 0.0
        samples_before, start_time = position.epoch_samples, time.perf_counter()
        for parts in self.feed.epoch(epoch, position.batch):
            self.schedule.apply(self.optimizer, position.step)
            loss = self.stepper.step(parts, self._check_first(parts) if position.step == 0 else lambda _: None)
            position.step += 1
            position.batch += 1
            if self.average is not None:
                self.average.update(self.model, step=position.step)
            value = float(loss)
            if not math.isfinite(value):
                raise self._sample_error(parts) or loss_error(position.step, value, self.strong)
            position.epoch_samples += parts[0].batch_size
            position.epoch_loss += value * parts[0].batch_size
            # A clock may stand still: it is read as coarsely as the machine has it.
            seconds = time.perf_counter() - start_time
            rate = (position.epoch_samples - samples_before) / seconds if seconds > 0 else 0.0
            self.report.step(value, rate)
            if position.step % self.settings.log_every == 0 or position.step == self.schedule.steps:
                lr = max(group["lr"] for group in self.optimizer.param_groups)
                entry = {"step": position.step, "epoch": epoch + 1, "loss": value, "lr": lr}
                self._log({**entry, "samples_per_s": round(rate, 1)})
            every = self.settings.checkpoint_steps
            if every is not None and position.step % every == 0 and position.batch < self.epoch_steps:
                self._save()
        return rate

    def _check_first(self, parts: Sequence[Batch]) -> Callable[[Tensor], None]:
        """Before the first update: what is not finite is the fault of samples, weights or λ."""

        def check(loss: Tensor) -> None:
            if not math.isfinite(value := float(loss)):
                raise self._sample_error(parts) or first_error(self.model, lambda: self._losses(parts), value)
            if self.learning.scaler is None:
                check_gradients(self.model, self.strong)

        return check

    def _losses(self, parts: Sequence[Batch]) -> None:
        for part in parts:
            with self.compute.autocast():
                self.losses(self.model, part)

    def _sample_error(self, parts: Sequence[Batch]) -> InputError | None:
        errors = (sample_error(part.inputs, [self.data.train.ids[int(row)] for row in part.ids_B]) for part in parts)
        return next((error for error in errors if error is not None), None)

    def _restore(self, state: SavedState | None, environment: Mapping[str, Any]) -> Position:
        """The start of a run, or the position of a resumed one, with its weights and moments loaded."""
        if state is None:
            return Position(environment=dict(environment))
        position, tensors = state
        self.learning.restore(tensors)
        self.outcome.epoch, self.outcome.metrics = position.kept_epoch, position.kept_metrics
        for name, before in position.environment.items():
            now = environment.get(name)
            if now != before:
                self.report.say(f"{name} was {before} and is {now}: results may differ in the last digits")
        position.environment = dict(environment)
        return position

    def _end_epoch(self, epoch: int, rate: float) -> None:
        settings, position, outcome = self.settings, self.position, self.outcome
        last = epoch == settings.epochs
        metrics: dict[str, float] = {}
        if last or (epoch % settings.evaluate_every == 0 and epoch >= settings.evaluate_from):
            metrics = self._read_validation()
            outcome.consider(epoch, metrics, self.objective.score, settings.select, self.processes)
        mean_loss = position.epoch_loss / position.epoch_samples
        summary: dict[str, Any] = {"step": position.step, "epoch": epoch, "train_loss": mean_loss}
        if metrics:
            summary["validation"] = metrics
        if has_pathways(outcome.model):
            summary["scales"] = scales_of(self.processes.full_model(outcome.model))
        if not is_finite(summary):
            raise loss_error(position.step, math.nan, self.strong)
        self._log(summary)
        self.report.epoch(epoch, settings.epochs, mean_loss, metrics, rate)
        position.epoch, position.batch, position.epoch_loss, position.epoch_samples = epoch, 0, 0.0, 0
        position.kept_epoch, position.kept_metrics = outcome.epoch, outcome.metrics
        # After the last epoch too: the test that follows can fail, and would cost the complete run.
        if settings.checkpoint_every is not None and (last or epoch % settings.checkpoint_every == 0):
            self._save()

    def _read_validation(self) -> dict[str, float]:
        model, part = self.outcome.model, self.data.validation
        if self.features is None:
            metrics = read_part(model, self.recipe, part, self.compute, self.processes, protocol=False)
            return with_class_names(metrics, self.classes)
        return read_features(model, self.recipe, part, self.features.validation, self.compute)

    def _check_replicas(self) -> None:
        """Raise `InputError` where W, W' and λ, which processes update side by side, are no longer the same in all."""
        leaves = [parameter for weight in held_weights(self.model) for parameter in weight.every_leaf()]
        if self.processes.count == 1 or not leaves:
            return
        digest = sha256_of_tensors([(str(index), leaf) for index, leaf in enumerate(leaves)])
        digests = self.processes.gather_each(torch.tensor(list(bytes.fromhex(digest))))
        if any(not torch.equal(digest, digests[0]) for digest in digests):
            todo = "resume from the checkpoint before, on processors of one kind"
            raise InputError(f"step {self.position.step} of training", "equal weights in all processes", "others", todo)

    def _log(self, entry: Mapping[str, Any]) -> None:
        if not self.processes.main:
            return
        self.position.log_bytes = self.run.log(entry)
        numbers = dict(flatten(entry))
        for tracker in self.trackers:
            tracker.log(numbers, self.position.step)

    def _save(self) -> None:
        """A checkpoint and the state to resume from it."""
        self._check_replicas()
        tensors = self.learning.tensors()
        model = self.processes.full_model(self.outcome.model)
        if self.processes.main:
            self.run.save_step(
                model,
                self.position.step,
                self.classes,
                self.auxiliaries,
                lambda folder: write_state(folder, self.position, tensors),
            )
        self.processes.wait()
