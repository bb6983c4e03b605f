"""The epochs of a run: batches, steps, readings of the validation part, and which weights are kept."""

import copy
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from timm.utils.model_ema import ModelEmaV3
from torch import nn

from crosspath.checkpoints.files import finite
from crosspath.checkpoints.save import has_pathways
from crosspath.config import Recipe
from crosspath.data.augment import augment_batch
from crosspath.data.batches import prepare
from crosspath.data.examples import DataSet, Examples
from crosspath.errors import InputError
from crosspath.evaluation.devices import Compute
from crosspath.evaluation.evaluate import predict_logits
from crosspath.evaluation.metrics import classification_metrics
from crosspath.pathway import pathways
from crosspath.training.optimizer import build_optimizer
from crosspath.training.order import epoch_batches
from crosspath.training.progress import Listener
from crosspath.training.run_folder import RunFolder
from crosspath.training.schedule import Schedule
from crosspath.training.step import train_step


@dataclass
class Kept:
    """The weights a run leaves behind."""

    model: nn.Module
    epoch: int
    """From 1."""
    metrics: dict[str, float]
    """On the validation part."""
    steps: int = 0
    state: dict[str, torch.Tensor] = field(default_factory=dict)
    """A copy of the best epoch's state, where `train.select` is `best`."""


def train_epochs(
    run: RunFolder,
    report: Listener,
    model: nn.Module,
    data: DataSet,
    compute: Compute,
    auxiliaries: Mapping[str, Mapping[str, Any]],
) -> Kept:
    """All epochs; the model with the weights to keep, and how they read the validation part."""
    recipe, settings = run.recipe, run.recipe.train
    optimizer = build_optimizer(model, recipe.optimizer)
    steps_per_epoch = len(epoch_batches(len(data.train), settings.batch_size, seed=0, epoch=0))
    schedule = Schedule(
        steps=settings.epochs * steps_per_epoch,
        warmup_steps=min(round(recipe.schedule.warmup_epochs * steps_per_epoch), settings.epochs * steps_per_epoch),
        min_lr=recipe.schedule.min_lr,
    )
    # A moving average of W, λ and W' each: its sum is EMA(W) + EMA(λ)·EMA(W').
    average = ModelEmaV3(model, decay=settings.ema_decay, use_warmup=True) if settings.ema_decay else None
    kept = Kept(model=model if average is None else average.module, epoch=0, metrics={})

    report.training(schedule.steps)
    step = 0
    for epoch in range(settings.epochs):
        model.train()
        total, begun = 0.0, time.perf_counter()
        seen = 0
        for batch, targets_BK in _batches(recipe, data, epoch, compute):
            schedule.apply(optimizer, step)
            loss = train_step(
                model,
                optimizer,
                batch,
                targets_BK,
                compute=compute,
                smoothing=settings.label_smoothing,
                clip_norm=recipe.optimizer.clip_norm,
            )
            step += 1
            if average is not None:
                average.update(model, step=step)
            seen += len(batch)
            value = float(loss)
            if not math.isfinite(value):
                raise InputError(f"step {step} of training", "a finite loss", str(value), "lower optimizer.lr")
            total += value * len(batch)
            rate = seen / (time.perf_counter() - begun)
            report.step(value, rate)
            if step % settings.log_every == 0 or step == schedule.steps:
                lr = max(group["lr"] for group in optimizer.param_groups)
                run.log({"step": step, "epoch": epoch + 1, "loss": value, "lr": lr, "samples_per_s": round(rate, 1)})

        rate = seen / (time.perf_counter() - begun)
        last = epoch + 1 == settings.epochs
        metrics: dict[str, float] = {}
        if last or (epoch + 1) % settings.evaluate_every == 0:
            metrics = read_part(kept.model, recipe, data.validation, compute)
            keep(kept, epoch + 1, metrics, settings.select)
        summary: dict[str, Any] = {"step": step, "epoch": epoch + 1, "train_loss": total / seen}
        if metrics:
            summary["validation"] = metrics
        if has_pathways(kept.model):
            summary["scales"] = scales_of(kept.model)
        if finite(summary) != summary:
            raise InputError(f"step {step} of training", "finite weights", "nan or infinity", "lower optimizer.lr")
        run.log(summary)
        report.epoch(epoch + 1, settings.epochs, total / seen, metrics, rate)
        if settings.checkpoint_every is not None and (epoch + 1) % settings.checkpoint_every == 0 and not last:
            run.save_step(kept.model, step, data.classes, auxiliaries)

    kept.steps = step
    if kept.state:
        kept.model.load_state_dict(kept.state)
        kept.state = {}
    return kept


def keep(kept: Kept, epoch: int, metrics: dict[str, float], select: str) -> None:
    """Note the epoch just read; with `best`, only when it is better than every one before (ties keep the earlier)."""
    if select == "best" and kept.epoch and metrics.get("accuracy", 0.0) <= kept.metrics.get("accuracy", 0.0):
        return
    kept.epoch, kept.metrics = epoch, metrics
    if select == "best":
        kept.state = copy.deepcopy(kept.model.state_dict())


def _batches(
    recipe: Recipe, data: DataSet, epoch: int, compute: Compute
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The epoch's augmented batches and their soft targets, on the device."""
    settings = recipe.train
    for indices in epoch_batches(len(data.train), settings.batch_size, seed=settings.seed, epoch=epoch):
        # Sorted reading is kind to a memory-mapped file; the order inside a batch means nothing.
        indices = np.sort(indices)
        batch = prepare(recipe.data, data.train.inputs[indices], compute.device)
        labels_B = torch.as_tensor(data.train.labels[indices], device=compute.device)
        yield augment_batch(
            recipe.augment,
            recipe.data,
            batch,
            labels_B,
            len(data.classes),
            settings.seed,
            epoch,
            torch.as_tensor(indices),
        )


def read_part(model: nn.Module, recipe: Recipe, examples: Examples, compute: Compute) -> dict[str, float]:
    """Metrics on one held-out part; empty where it has no samples."""
    if len(examples) == 0:
        return {}
    logits_NK = predict_logits(model, recipe, examples, compute)
    metrics = classification_metrics(logits_NK, torch.as_tensor(np.asarray(examples.labels)))
    if not all(math.isfinite(value) for value in metrics.values()):
        raise InputError("the trained model", "finite outputs", "nan or infinity", "lower optimizer.lr")
    return metrics


def scales_of(model: nn.Module) -> dict[str, dict[str, list[float]]]:
    """{weight: {auxiliary: λ}}; empty without pathways."""
    if not has_pathways(model):
        return {}
    found: dict[str, dict[str, list[float]]] = {}
    for (weight, name), scale in pathways(model).scales().items():
        found.setdefault(weight, {})[name] = scale.detach().float().cpu().tolist()
    return found
