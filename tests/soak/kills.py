"""SIGKILL: at any file operation and at random moments of a run, of two ranks, and of a study; then resumed to the end.

Each case is a run of its own. It is killed, resumed to its end, and compared with one that was never killed.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from crosspath.cli.main import main
from tests.soak import runs
from tests.soak.operations import MAKING, REMOVING, Operations, die
from tests.soak.outcome import Budget, Outcome
from tests.soak.processes import contents, in_fork

ROOT = Path(__file__).parents[2]
SHARES = {"operations": 0.5, "moments": 0.25, "ranks": 0.15, "study": 0.1}
"""Of the tries."""
STUDY = {
    "name": "killed",
    "targets": {"image/digits": {"settings": ["train.epochs=1", "data.labels_per_class=4", "train.batch_size=16"]}},
    "arms": ["none"],
    "seeds": 2,
    "search": {"rates": [1e-3, 2e-3], "seeds": 1},
    "settings": ["train.loggers=[]", "train.evaluate_every=9"],
}
STOPS_WITHIN = 60.0
"""Seconds in which the other processes of a killed one have to end."""


def run(budget: Budget, kinds: tuple[str, ...] = tuple(SHARES)) -> Outcome:
    """A share of each kind; a seed draws the places."""
    outcome = Outcome("kills")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        home = runs.prepare(Path(folder))
        for number, kind in enumerate(kinds):
            part = Budget(max(1, round(budget.tries * SHARES[kind])), budget.share(len(kinds) - number), budget.seed)
            globals()[f"kill_at_{kind}"](home, part, outcome)
    return outcome


def kill_at_operations(home: Path, budget: Budget, outcome: Outcome) -> None:
    """The process kills itself just before a file operation that the seed draws."""
    every, out = MAKING | REMOVING, home / "out"

    def count() -> int:
        os.chdir(home)
        runs.read_from_memory()
        operations = Operations(out, None, die, every)
        code = main(runs.train_command(out))
        (home / "count").write_text(str(operations.count))
        return code

    shutil.rmtree(out, ignore_errors=True)
    assert in_fork(count).code == 0
    places = list(range(1, int((home / "count").read_text()) + 1))
    outcome.figures["operations of a run"] = len(places)
    random.Random(f"operations {budget.seed}").shuffle(places)
    for place in places[: budget.tries]:
        if budget.left < 0:
            return
        shutil.rmtree(out, ignore_errors=True)

        def call(place: int = place) -> int:
            os.chdir(home)
            runs.read_from_memory()
            Operations(out, place, die, every)
            return main(runs.train_command(out))

        ended = in_fork(call)
        fault = "" if ended.code == -signal.SIGKILL else f"it was not killed: code {ended.code}"
        _resume(home, out, f"operation {place}", fault, outcome)


def kill_at_moments(home: Path, budget: Budget, outcome: Outcome) -> None:
    """The process is killed from outside, up to three times in a row."""
    out = home / "out"
    shutil.rmtree(out, ignore_errors=True)
    usual = runs.command(home, runs.train_command(out)).seconds
    draw = random.Random(f"moments {budget.seed}")
    for _ in range(budget.tries):
        if budget.left < 0:
            return
        shutil.rmtree(out, ignore_errors=True)
        moments = [draw.uniform(0, usual) for _ in range(draw.choice((1, 1, 2, 3)))]
        for moment in moments:
            runs.command(home, runs.train_command(out), kill_after=moment)
        outcome.tried["kills at moments"] += len(moments)
        _resume(home, out, "moments " + ", ".join(f"{moment:.3f} s" for moment in moments), "", outcome)


def _resume(home: Path, out: Path, where: str, fault: str, outcome: Outcome) -> None:
    outcome.tried[f"runs killed at {where.split()[0]}"] += 1
    fault = fault or runs.fault_between(out)
    fault = fault or runs.fault_of_end(home, out, runs.command(home, runs.train_command(out)))
    if fault:
        outcome.faults.append(f"{where}: {fault}")


def kill_at_ranks(home: Path, budget: Budget, outcome: Outcome) -> None:
    """One of two ranks, or both and their launcher, of `torchrun` with gloo."""
    expected: dict[str, Any] = {}
    usual = 0.0
    draw = random.Random(f"ranks {budget.seed}")
    for number in range(-1, budget.tries):
        if budget.left < 0:
            return
        out = home / "ranks"
        shutil.rmtree(out, ignore_errors=True)
        if number < 0:
            start = time.monotonic()
            process = _start_ranks(out)
            assert process.wait() == 0
            usual, expected = time.monotonic() - start, _rank_files(out)
            continue
        moment, victim = draw.uniform(0.3, 1.0) * usual, draw.choice(("rank", "all"))
        process = _start_ranks(out)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            children = _children(process.pid)
            if victim == "rank" and children:
                os.kill(draw.choice(children), signal.SIGKILL)
            else:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOPS_WITHIN)
        outcome.tried["runs of two ranks killed"] += 1
        code = _start_ranks(out).wait()
        if code != 0 or _rank_files(out) != expected:
            what = f"code {code}" if code else "other weights"
            outcome.faults.append(f"{victim} of two ranks after {moment:.2f} of {usual:.2f} s: {what}")


def _start_ranks(out: Path) -> subprocess.Popen[bytes]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    settings = ["data.classes=null", "train.epochs=3", "train.batch_size=16", "train.checkpoint_steps=2"]
    settings += ["train.loggers=[]", "train.device=cpu", "model.drop_path=0.2"]
    command = [sys.executable, *launcher, "-m", "tests.training.distributed_run", str(out), "none", *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **quiet)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def _rank_files(out: Path) -> dict[str, Any]:
    result = json.loads((out / "result.json").read_text())
    return {**contents(out, ("model.safetensors",)), "metrics": result["metrics"], "steps": result["steps"]}


def kill_at_study(home: Path, budget: Budget, outcome: Outcome) -> None:
    """The first process of a study with two workers."""
    (home / "study.yaml").write_text(json.dumps(STUDY))
    start = time.monotonic()
    assert _start_study(home, "whole-study").wait() == 0
    usual = time.monotonic() - start
    expected = _study_files(home / "whole-study")
    draw = random.Random(f"study {budget.seed}")
    for _ in range(budget.tries):
        if budget.left < 0:
            return
        shutil.rmtree(home / "study", ignore_errors=True)
        moment = draw.uniform(0.2, 1.0) * usual
        process = _start_study(home, "study")
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        outcome.tried["studies killed"] += 1
        code = _start_study(home, "study").wait()
        if code != 0 or _study_files(home / "study") != expected:
            what = f"code {code}" if code else "other files"
            outcome.faults.append(f"a study after {moment:.2f} of {usual:.2f} s: {what}")


def _start_study(home: Path, out: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "crosspath", "study", "study.yaml", "--out", out, "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=home, env=environment, **quiet)


def _study_files(out: Path) -> dict[str, Any]:
    """Rows, table, and the weights of every run."""
    results = json.loads((out / "results.json").read_text())
    for entry in (results, *results["rows"]):
        entry.pop("command")
    weights = {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("model.safetensors"))}
    return {"results": results, "table": (out / "results.md").read_text(), **weights}
