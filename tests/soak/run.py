"""`make soak`: try for long what tests try once. `python -m tests.soak.run [parts]`; see `--help`.

Without options all parts take about ten minutes together. What a part finds it prints with the command that shows it
again, and the exit code is 1. `results.json` beside this file holds what `docs/reliability.md` is made from.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.soak import disk, files, fuzz, kills, sequences
from tests.soak.outcome import Budget, Outcome

RESULTS = Path(__file__).parent / "results.json"
PARTS: dict[str, tuple[Callable[[Budget], Outcome], int, float]] = {
    "kills": (kills.run, 100, 0.3),
    "files": (files.run, 100_000, 0.2),
    "fuzz": (fuzz.run, 10**9, 0.15),
    "disk": (disk.run, 10_000, 0.15),
    "sequences": (sequences.run, 10_000, 0.2),
}
"""{part: (what runs it, its tries in full, its share of the time)}."""
FOREVER = 10**9
"""Seconds."""


def main() -> int:
    """Run what the options select; 1 where anything was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all of them")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all parts together (default: 10)")
    parser.add_argument(
        "--full", action="store_true", help="all tries, however long they take; fuzzing takes --minutes"
    )
    parser.add_argument("--tries", type=int, help="at most so many a part")
    parser.add_argument("--seed", type=int, default=0, help="of the first try; printed with whatever is found")
    parser.add_argument("--kinds", nargs="*", help="of files or parsers, of these alone")
    parser.add_argument("--json", type=Path, help="write the outcome there, beside those of other parts")
    options = parser.parse_args()
    parts = options.parts or list(PARTS)
    outcomes = []
    for part in parts:
        run, most, share = PARTS[part]
        seconds = 60 * options.minutes * share / sum(PARTS[name][2] for name in parts)
        seconds = FOREVER if options.full and part != "fuzz" else seconds
        budget = Budget(options.tries or most, seconds, options.seed)
        chosen = {} if options.kinds is None else {"names" if part == "fuzz" else "kinds": tuple(options.kinds)}
        outcome = run(budget, **chosen)
        outcomes.append(outcome)
        show(outcome, time.monotonic() - budget.start, options.seed)
        if options.json is not None:
            record(options.json, outcome, time.monotonic() - budget.start)
    return int(any(outcome.faults for outcome in outcomes))


def show(outcome: Outcome, seconds: float, seed: int) -> None:
    """One line a part, and what it found."""
    tried = ", ".join(f"{count:,} {name}" for name, count in sorted(outcome.tried.items())) or "nothing"
    lines = [f"{outcome.part}: {tried}; {len(outcome.faults)} faults; seed {seed}; {seconds:.0f} s"]
    lines += [f"  {value:g} {name}" for name, value in sorted(outcome.figures.items())]
    lines += [f"  left out: {reason}" for reason in outcome.skipped]
    lines += [f"FAULT {fault}\n" for fault in outcome.faults]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def record(path: Path, outcome: Outcome, seconds: float) -> None:
    """Add the outcome to a file, in the place of the same command's; outcomes of other commands stay."""
    entries: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    words = [word for word in sys.argv[1:] if word != "--json" and word != str(path)]
    command = " ".join(["python -m tests.soak.run", *words])
    entry = {
        "command": command,
        **outcome.to_json(),
        "minutes": round(seconds / 60, 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    others = [other for other in entries if (other["command"], other["part"]) != (command, outcome.part)]
    path.write_text(json.dumps([*others, entry], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
