"""The golden runs: one short run of each modality and objective, on data that are made here.

Only public names of the package are used, so that the same file runs in an older tree and in a newer one.
"""

import csv
import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

import crosspath

ALWAYS: dict[str, Any] = {
    "train.epochs": 2,
    "train.batch_size": 16,
    "train.precision": "float32",
    "train.device": "cpu",
    "train.loggers": [],
    "train.checkpoint_every": None,
    "schedule.warmup_epochs": 0.5,
}
"""On one device and in one precision, whatever the machine has."""


@dataclass(frozen=True, kw_only=True)
class GoldenRun:
    """One short run."""

    recipe: str
    """A shipped recipe."""
    settings: Mapping[str, Any]
    """{"section.field": value}, beside `ALWAYS`."""
    pretrain: bool = False
    data: Callable[[Path], Path] | None = None
    """Writes the files that the run reads into a folder, and returns its data root."""
    auxiliaries: Mapping[str, str] = field(default_factory=dict)
    """{name: the golden run whose folder it is}."""


def write_clips(root: Path) -> Path:
    """`root/<class>/<number>.mkv`: 12 lossless clips of two classes, a bright band that moves right or down."""
    import av

    for label, name in enumerate(("right", "down")):
        (root / name).mkdir(parents=True)
        for number in range(6):
            noise = np.random.default_rng((label, number)).integers(0, 60, (8, 32, 32, 3))
            frames = noise.astype(np.uint8)
            for time in range(8):
                place = (4 * time + 2 * number) % 28
                band = (slice(None), slice(place, place + 4)) if label == 0 else (slice(place, place + 4),)
                frames[time][band] += 150
            with av.open(str(root / name / f"{number}.mkv"), "w") as container:
                stream = container.add_stream("ffv1", rate=25)
                stream.width = stream.height = 32
                stream.pix_fmt = "bgr0"
                for frame in frames:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
                container.mux(stream.encode())
    return root


def write_recordings(root: Path) -> Path:
    """AudioSet's layout below `root/audioset`: 24 training and 8 evaluation recordings, each with one or two of four
    labels.
    """
    import soundfile

    folder = root / "audioset"
    names = ("low", "high", "noisy", "pulsed")
    with _opened(folder / "class_labels_indices.csv") as file:
        table = csv.writer(file)
        table.writerow(("index", "mid", "display_name"))
        table.writerows((number, f"/m/{name}", name) for number, name in enumerate(names))
    for part, listing, count in (("train", "train_cleaned.json", 24), ("eval", "eval_cleaned.json", 8)):
        (folder / part).mkdir()
        entries = []
        for number in range(count):
            generator = np.random.default_rng((count, number))
            labels = sorted({number % 4, (number // 4) % 4})
            times = np.arange(8000) / 16000
            wave = 0.02 * generator.standard_normal(8000)
            wave += 0.2 * np.sin(2 * np.pi * 300 * times) * (0 in labels)
            wave += 0.2 * np.sin(2 * np.pi * 3000 * times) * (1 in labels)
            wave += 0.1 * generator.standard_normal(8000) * (2 in labels)
            wave *= 1 - 0.9 * (3 in labels) * (np.floor(times * 10) % 2)
            soundfile.write(folder / part / f"{number:02d}.wav", wave, 16000, subtype="FLOAT")
            entries.append(
                {"wav": f"{part}/{number:02d}.wav", "labels": ",".join(f"/m/{names[label]}" for label in labels)}
            )
        (folder / listing).write_text(json.dumps({"data": entries}), encoding="utf-8")
    return root


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    path.parent.mkdir(parents=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        yield file


FEW = {"data.labels_per_class": 4}
CLIPS = {"data.frames": 4, "data.image_size": 28, "model.tokenizer.patch": (2, 7, 7), "train.batch_size": 4}

RUNS: dict[str, GoldenRun] = {
    "image classification": GoldenRun(
        recipe="image/digits",
        settings={
            **FEW,
            "augment.mixup": 0.4,
            "augment.cutmix": 0.5,
            "augment.erasing": 0.25,
            "model.drop_path": 0.1,
            "optimizer.layer_decay": 0.8,
            "train.accumulate": 2,
        },
    ),
    "audio classification": GoldenRun(recipe="audio/sounds", settings={**FEW, "augment.mixup": 0.5}),
    "point classification": GoldenRun(
        recipe="point/solids",
        settings={**FEW, "data.points": 256, "model.tokenizer.groups": 16, "augment.jitter_std": 0.01},
    ),
    "video classification": GoldenRun(
        recipe="video/folder", settings={**CLIPS, "augment.brightness": 0.2, "augment.mixup": 0.2}, data=write_clips
    ),
    "audio, several labels": GoldenRun(
        recipe="audio/folder",
        settings={
            "data.dataset": "audioset-20k",
            "data.multi_label": True,
            "data.frames": 48,
            "data.stream": True,
            "train.workers": 0,
            "train.batch_size": 8,
            "train.sampler": "balanced",
            "augment.waveform": True,
            "augment.mixup": 0.5,
            "augment.patch_drop": (0.3, 0.0),
        },
        data=write_recordings,
    ),
    "image, masked": GoldenRun(recipe="image/digits", settings=FEW, pretrain=True),
    "audio, masked": GoldenRun(
        recipe="audio/sounds",
        settings={**FEW, "masking.kind": "time_frequency", "masking.time_ratio": 0.5},
        pretrain=True,
    ),
    "point, masked": GoldenRun(
        recipe="point/solids",
        settings={**FEW, "data.points": 256, "model.tokenizer.groups": 16, "masking.kind": "block"},
        pretrain=True,
    ),
    "video, masked": GoldenRun(recipe="video/folder", settings=CLIPS, pretrain=True, data=write_clips),
    "text, masked tokens": GoldenRun(
        recipe="procedural/dyck",
        settings={"data.train_samples": 48, "data.length": 16, "data.kinds": 8},
        pretrain=True,
    ),
    "image with a pathway": GoldenRun(
        recipe="image/digits",
        settings={
            **FEW,
            "pathway.scale_init": 0.1,
            "pathway.scale_per": "role",
            "pathway.bias": True,
            "optimizer.scale_lr": 0.01,
            "optimizer.auxiliary_lr": 0.0003,
            "train.ema_decay": 0.9,
            "train.select": "best",
        },
        auxiliaries={"audio": "audio classification", "text": "text, masked tokens"},
    ),
}


def recipe_of(name: str) -> Any:
    """The recipe of a golden run."""
    run = RUNS[name]
    recipe = crosspath.recipe_named(run.recipe, "masked_modeling" if run.pretrain else "classification")
    return with_settings(recipe, {**ALWAYS, **run.settings})


def with_settings(recipe: Any, settings: Mapping[str, Any]) -> Any:
    """The recipe with some values replaced, checked as a whole."""
    tree = recipe.model_dump()
    for name, value in settings.items():
        *sections, leaf = name.split(".")
        node = tree
        for section in sections:
            node = node[section]
        node[leaf] = value
    return crosspath.Recipe.model_validate(tree)


def carry_out(name: str, folder: Path, data: Path) -> Any:
    """The result of a golden run in `folder/<name>`, and of its auxiliaries' runs where they are missing."""
    run = RUNS[name]
    for auxiliary in run.auxiliaries.values():
        if not (folder / auxiliary).exists():
            carry_out(auxiliary, folder, data)
    root = None if run.data is None else run.data(data / name)
    recipe, out = recipe_of(name), folder / name
    if run.pretrain:
        return crosspath.pretrain(recipe, out=out, data=root, progress=False)
    auxiliaries = {key: folder / value for key, value in run.auxiliaries.items()}
    return crosspath.train(recipe, out=out, data=root, auxiliaries=auxiliaries, progress=False)


def entry_of(name: str, folder: Path, result: Any) -> dict[str, Any]:
    """What the table of golden runs says of a finished one."""
    tensors = [read_tensors(file) for file in sorted((folder / name).glob("*.safetensors"))]
    return {
        "sha256": "-".join(digest_of(part)[:32] for part in tensors),
        "norm": [float(torch.cat([value.flatten().double() for value in part.values()]).norm()) for part in tensors],
        "metrics": {part: dict(values) for part, values in result.metrics.items()},
        "samples": dict(result.samples),
        "steps": result.steps,
        "epoch": result.epoch,
    }


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def machine() -> dict[str, str]:
    """What the last bits of a run on one thread depend on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore").splitlines()
    except OSError:
        lines = []
    wanted = ("model name", "cpu family", "model", "stepping")
    parts = dict(line.partition(":")[::2] for line in lines[:30] if ":" in line)
    values = {key.strip(): value.strip() for key, value in parts.items()}
    named = ", ".join(values[name] for name in wanted if name in values)
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "processor": named or platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are split by threads, so golden runs take one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
