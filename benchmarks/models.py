"""Connect, save, load and merge whole models, beside the least work that each of them has to do."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import crosspath
from benchmarks.inference import inference_tables
from benchmarks.memory import in_new_process, peak_increment_mib
from benchmarks.tables import Cell, Table
from benchmarks.timing import median_with_interval, ratio, timer

MODELS = {"ViT-B": "vit_base_patch16_224", "ViT-L": "vit_large_patch16_224"}
LEAST = ("connect", "save", "load", "merge")
Sample = tuple[float, float, float, float]
"""Seconds, processor seconds and peak MiB of ours; processor seconds of the least work."""


def samples_of(model: str, rounds: int) -> dict[str, list[Sample]]:
    """Each of the four and its least work, in turn. For a process that has done nothing else."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    # Importing the four is not part of their time.
    _round(*(nn.Sequential(timm.create_model("vit_tiny_patch16_224", depth=1)) for _ in range(3)))
    target, auxiliary, other = (timm.create_model(model) for _ in range(3))
    samples: dict[str, list[Sample]] = {name: [] for name in LEAST}
    for _ in range(rounds):
        for name, sample in _round(target, auxiliary, other).items():
            samples[name].append(sample)
    return samples


def _round(target: nn.Module, auxiliary: nn.Module, other: nn.Module) -> dict[str, Sample]:
    """Connect, save, load into the other model, merge: the target is plain again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = [value for key, value in auxiliary.state_dict().items() if value.dim() == 2 and "blocks" in key]
        result = {
            "connect": _sample(lambda: crosspath.connect(target, auxiliary, scale_init=0.1), lambda: _copies(weights))
        }
        handle = crosspath.pathways(target)
        values = {f"{weight}.{name}": value.detach() for (weight, name), value in handle.auxiliaries().items()}
        plain = dict(auxiliary.state_dict())

        def save_least() -> None:
            save_file(plain, folder / "W.safetensors")
            save_file(values, folder / "W'.safetensors")

        result["save"] = _sample(lambda: crosspath.save_pathway(target, folder), save_least)
        files = [folder / "W.safetensors", folder / "W'.safetensors"]
        result["load"] = _sample(
            lambda: crosspath.load_pathway(other, folder), lambda: [_copies(load_file(file).values()) for file in files]
        )
        crosspath.disconnect(other)
        pairs = list(zip(weights, values.values(), strict=True))
        scale = torch.tensor([0.1])
        result["merge"] = _sample(
            lambda: crosspath.merge(target), lambda: [torch.addcmul(own, scale, addend) for own, addend in pairs]
        )
    return result


def _copies(tensors: Any) -> list[Tensor]:
    return [tensor.clone() for tensor in tensors]


def _sample(ours: Callable[[], object], least: Callable[[], object]) -> Sample:
    bound = timer(least, time.process_time)()
    seconds: list[float] = []

    def work() -> None:
        start, processor = time.perf_counter(), time.process_time()
        ours()
        seconds.extend((time.perf_counter() - start, time.process_time() - processor))

    peak = peak_increment_mib(work)
    return seconds[0], seconds[1], peak, bound


def measure(*, short: bool) -> list[Table]:
    """Four operations on whole models, and inference with a merged one."""
    rows: list[tuple[Cell, ...]] = []
    rounds = 2 if short else 5
    for label, model in MODELS.items():
        if short and label != "ViT-B":
            continue
        for name, samples in in_new_process(samples_of, model, rounds).items():
            walls, processor, peaks, bounds = (list(column) for column in zip(*samples, strict=True))
            times = median_with_interval(walls), median_with_interval(processor), ratio(processor, bounds)
            rows.append((label, name, *times, max(peaks)))
    columns = ("model", "", "s", "processor s", "processor s / least work", "peak MiB")
    notes = (
        f"{rounds} rounds: the brackets cover less than 95 %. A model and an auxiliary of its size in float32; every "
        "block weight has a pathway. W′ is trained, so that it is saved; frozen ones are saved by reference.",
        "Least work: to copy each W′; `safetensors.save_file` and `load_file` of W and W′; `torch.addcmul` of each "
        "weight. Beyond that, saving and loading take digests of W, λ and W′; merging takes those of W before and "
        "after, and compares each stored weight with the sum in float64.",
        "Peak: resident memory above where it stood, the largest: later rounds reuse what earlier ones freed. "
        "Connecting keeps each W′; loading counts pages of the files that "
        "it maps.",
    )
    return [Table("Whole models, one thread", columns, tuple(rows), notes), *inference_tables(short=short)]
