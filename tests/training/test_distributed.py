"""Several processes against one, at an equal batch over all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from crosspath.checkpoints import load_checkpoint
from crosspath.training.processes import Processes, join_processes
from tests.errors import refused
from tests.tolerances import TOLERANCES, assert_close

ROW = "a run on several processes"
REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = (
    "data.classes=null",
    "train.epochs=2",
    "train.batch_size=16",
    "train.log_every=1",
    "schedule.warmup_epochs=1",
    "train.loggers=[]",
    "train.device=cpu",
    "pathway.scale_init=0.1",
    "augment.mixup=0.5",
    "augment.cutmix=0.5",
)


def run(processes: int, out: Path, auxiliary: str, *extra: str) -> str:
    """A run in its own processes; returns what it said."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    start = [sys.executable, *(launcher if processes > 1 else []), "-m", "tests.training.distributed_run"]
    finished = subprocess.run(
        [*start, str(out), auxiliary, *SETTINGS, *extra],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished.stderr


def losses(out: Path) -> torch.Tensor:
    entries: list[dict[str, Any]] = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return torch.tensor([entry["loss"] for entry in entries if "loss" in entry], dtype=torch.float64)


def assert_same(one: Path, other: Path) -> None:
    """The same loss curve, readings of held-out parts, and weights, to the tolerance of reordered sums."""
    assert_close(losses(one), losses(other), ROW)
    first, second = (json.loads((out / "result.json").read_text()) for out in (one, other))
    assert first["steps"] == second["steps"]
    for part in ("validation", "test"):
        assert first["metrics"][part]["accuracy"] == second["metrics"][part]["accuracy"]
        near = pytest.approx(second["metrics"][part]["loss"], rel=TOLERANCES[ROW].relative)
        assert first["metrics"][part]["loss"] == near
    weights, others = (load_checkpoint(out).model.state_dict() for out in (one, other))
    assert weights.keys() == others.keys()
    # AdamW moves a weight by its full rate however small the gradient is, so where a gradient is all rounding single
    # values may part; the weights as a whole do not.
    apart = torch.cat([(value - others[name]).flatten().abs() for name, value in weights.items()])
    assert float(apart.mean()) < TOLERANCES[ROW].absolute


def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    run(1, one, "none")
    said = run(2, two, "none")
    assert "2 processes x 1 part of 8" in said
    assert_same(one, two)
    assert said.count("epoch 1/2") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "extra"),
    [
        (4, ()),
        (1, ("train.accumulate=4",)),
        (2, ("train.accumulate=2",)),
        (2, ("train.parallel=sharded",)),
        (4, ("train.parallel=sharded", "train.accumulate=2")),
        (2, ("train.parallel=sharded", "train.select=best")),
        (2, ("pathway.fit=learned", "model.width=64", "model.heads=2", "model.depth=4")),
    ],
)
def test_any_division_of_a_batch_trains_the_same(processes: int, extra: tuple[str, ...], tmp_path: Path) -> None:
    run(1, tmp_path / "audio", "grow")
    run(
        1,
        tmp_path / "one",
        str(tmp_path / "audio"),
        *(name for name in extra if "select" in name or not name.startswith("train.")),
    )
    run(processes, tmp_path / "many", str(tmp_path / "audio"), *extra)
    assert_same(tmp_path / "one", tmp_path / "many")


def test_sharding_over_one_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with refused("train.parallel", "several"):
        join_processes("cpu", sharded=True)


@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_every_held_out_sample_is_read_once(count: int, processes: int) -> None:
    shares = [Processes(rank, processes).share(count) for rank in range(processes)]
    assert len({len(share) for share in shares}) == 1
    everything = [position for share in shares for position in share]
    assert everything[:count] == list(range(count))
