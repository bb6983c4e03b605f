"""Start-up of each verb against `import torch`, and where the time of a tiny run of a study goes.

Processor time, which other programs disturb less than wall time, of whole processes; both are shown.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

import crosspath.training.epochs as epochs
import crosspath.training.run as run
from benchmarks.tables import Interval, Table
from benchmarks.timing import interleave, median_with_interval, ratio
from crosspath.config import Recipe, apply_overrides
from crosspath.recipes import recipe_named

TORCH = "import torch"
SHORT_RUN = ("train.epochs=4", "data.labels_per_class=5", "train.batch_size=16", "train.checkpoint_every=null")
TINY = (*SHORT_RUN, "model.size=micro", "train.loggers=[]")
PARTS = {
    "steps": (epochs.Training, "_run_epoch"),
    "reading the validation part": (epochs, "read_part"),
    "reading the test part": (run, "read_part"),
    "final weights and result": (run.RunFolder, "finish"),
    "data": (run, "load_data"),
}
"""{part: where the function that does it stands}."""


def measure(*, short: bool) -> list[Table]:
    """Both tables."""
    with tempfile.TemporaryDirectory() as folder:
        return [_verbs(Path(folder), rounds=2 if short else 9), _run(Path(folder), rounds=7 if short else 31)]


def _verbs(folder: Path, rounds: int) -> Table:
    import numpy as np
    from PIL import Image

    plain, pathway, sounds = folder / "plain", folder / "connected", folder / "sounds"
    quick = ("train.epochs=1", "model.size=micro", "train.loggers=[]", "train.checkpoint_every=null")
    run.train(apply_overrides(recipe_named("image/digits"), quick), out=plain, progress=False)
    run.train(apply_overrides(recipe_named("audio/sounds"), quick), out=sounds, progress=False)
    target = apply_overrides(recipe_named("image/digits"), quick)
    run.train(target, out=pathway, auxiliaries={"sounds": sounds}, progress=False)
    picture = folder / "digit.png"
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(picture)
    weights = folder / "weights.safetensors"
    from safetensors.torch import save_file

    save_file({"layer.weight": torch.zeros(8, 8)}, weights)
    commands = {
        "--help": ["--help"],
        "data list": ["data", "list"],
        "inspect": ["inspect", str(weights)],
        "status": ["status", str(pathway)],
        "predict": ["predict", str(plain), str(picture)],
        "evaluate": ["evaluate", str(plain)],
        "match": ["match", "image/digits", "--auxiliary", f"sounds={sounds}"],
        "train --dry-run": ["train", "image/digits", "--dry-run"],
    }
    works: dict[str, Callable[[], tuple[float, float]]] = {TORCH: lambda: _process(["-c", TORCH])}
    for name, arguments in commands.items():
        works[name] = lambda arguments=arguments: _process(["-m", "crosspath", *arguments])  # type: ignore[misc]
    times = interleave(works, rounds)
    own = [cpu for cpu, _ in times[TORCH]]
    rows = tuple(
        (
            name,
            median_with_interval(wall for _, wall in values),
            median_with_interval(cpu for cpu, _ in values),
            ratio([cpu for cpu, _ in values], own),
        )
        for name, values in times.items()
    )
    title = "Start-up of a verb, the whole process, on small models"
    columns = ("command", "wall s", "processor s", "processor time to `import torch`")
    return Table(title, columns, rows, ("Files are warm: each command ran once before.",))


def _process(arguments: list[str]) -> tuple[float, float]:
    """Processor and wall time of a Python process, in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def _run(folder: Path, rounds: int) -> Table:
    """Shares of a final run, and of a run of the search, which reads the validation part once and no test part."""
    final = apply_overrides(recipe_named("image/digits"), TINY)
    search = apply_overrides(final, ("evaluate.test=false", f"train.evaluate_from={final.train.epochs}"))
    seconds = dict.fromkeys(PARTS, 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    originals = {name: getattr(owner, attribute) for name, (owner, attribute) in PARTS.items()}
    try:
        for name, (owner, attribute) in PARTS.items():
            setattr(owner, attribute, _with_time(originals[name], seconds, name))
        works = {
            "final": lambda: _parts_of(final, folder, seconds),
            "search": lambda: _parts_of(search, folder, seconds),
        }
        times = interleave(works, rounds, warm=2)
    finally:
        torch.set_num_threads(threads)
        for name, (owner, attribute) in PARTS.items():
            setattr(owner, attribute, originals[name])
    rows = tuple(
        (name, *(_milliseconds([one[name] for one in times[kind]]) for kind in ("final", "search")))
        for name in ("whole run", *PARTS)
    )
    title = "A tiny run of a study: image/digits, micro, 50 labelled samples, 4 epochs, one thread"
    return Table(title, ("part", "final run, processor ms", "run of the search, processor ms"), rows)


def _milliseconds(values: list[float]) -> Interval:
    return median_with_interval(1e3 * value for value in values)


def _parts_of(recipe: Recipe, folder: Path, seconds: dict[str, float]) -> dict[str, float]:
    for name in seconds:
        seconds[name] = 0.0
    with tempfile.TemporaryDirectory(dir=folder) as out:
        start = time.process_time()
        run.train(recipe, out=Path(out) / "run", progress=False)
        whole = time.process_time() - start
    return {"whole run": whole, **seconds}


def _with_time(function: Callable[..., object], seconds: dict[str, float], name: str) -> Callable[..., object]:
    def call(*arguments: object, **options: object) -> object:
        start = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            seconds[name] += time.process_time() - start

    return call
