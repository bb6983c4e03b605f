"""Coverage-guided fuzzing of the package's own parsers with atheris, each in a process of its own.

atheris is no dependency: `pip install atheris` (Linux, Python up to 3.13) into an environment that has crosspath. The
inputs are the whole files of `corpora.py`, which libFuzzer changes so that they reach new lines.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.soak.outcome import Budget, Outcome
from tests.soak.parsers import PARSERS

ROOT = Path(__file__).parents[2]
SLOWEST_S, LARGEST_MIB, LONGEST_BYTES = 10, 3072, 8192
"""Limits of one input: seconds on a busy machine, memory of the process, and length."""
STARTS_WITHIN = 900
"""Seconds: atheris rewrites every module as it is imported, a minute's work on a busy machine."""
MISSING = "atheris is not installed: coverage-guided fuzzing is left out (pip install atheris)"
DONE = re.compile(r"^Done (\d+) runs in", re.MULTILINE)
STATUS = re.compile(r"^#(\d+)\s.*cov: (\d+)", re.MULTILINE)


def run(budget: Budget, names: Sequence[str] = tuple(PARSERS), keep: Path | None = None) -> Outcome:
    """Each parser for its share of the seconds; inputs that fail are kept in `keep`, or in the temporary folder."""
    outcome = Outcome("fuzz")
    if importlib.util.find_spec("atheris") is None:
        outcome.skipped.append(MISSING)
        return outcome
    for number, name in enumerate(names):
        seconds = int(budget.share(len(names) - number))
        if seconds < 2:
            break
        fuzz(name, seconds, budget, outcome, keep or Path(tempfile.gettempdir()))
    return outcome


def fuzz(name: str, seconds: int, budget: Budget, outcome: Outcome, keep: Path) -> None:
    """One parser."""
    keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-fuzz-") as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for place, content in enumerate(PARSERS[name].examples()):
            (corpus / str(place)).write_bytes(content)
        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST_BYTES}", f"-timeout={SLOWEST_S}"]
        options += [f"-rss_limit_mb={LARGEST_MIB}", f"-seed={budget.seed + 1}", f"-artifact_prefix={keep}/{name}-"]
        command = [sys.executable, "-W", "ignore", "-m", "tests.soak.fuzz_one", name, *options, str(corpus)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=seconds + STARTS_WITHIN
            )
        except subprocess.TimeoutExpired:
            outcome.faults.append(f"{name}: no end within {seconds + STARTS_WITHIN} s")
            return
    output = done.stderr + done.stdout
    statuses = STATUS.findall(output)
    finished = DONE.search(output)
    runs = int(finished[1]) if finished else int(statuses[-1][0]) if statuses else 0
    outcome.tried["inputs"] += runs
    outcome.tried[name] += runs
    if statuses:
        outcome.figures[f"edges of {name}"] = int(statuses[-1][1])
    if done.returncode:
        shown = output[output.find(" === Uncaught") :][:3000] if " === Uncaught" in output else output[-3000:]
        how = f"python -m tests.soak.fuzz_one {name} FILE, with the file that it names"
        outcome.faults.append(f"{name}: exits with code {done.returncode}\n{shown}\n{how}")
