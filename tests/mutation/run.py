"""Do the tests notice a fault? `python -m tests.mutation.run` puts faults into a copy of the tree, one at a time.

The faults are seeded mutants of the central files (`tables.py`) and the faults that once went unnoticed
(`faults.py`). For each, the tests that mirror the file run in a process of their own until the first one fails.
The results, `results.json` and `results.md`, lie beside this file.

mutmut and cosmic-ray were tried first. Neither draws its mutants by a seed, runs other tests for another file or says
which test failed; mutmut puts a wrapper around every function, autograd's included, and runs the whole suite once to
learn which test calls what; cosmic-ray knows no dropped statement or argument. What remains is shorter than its setup.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.faults import FAULTS, Fault
from tests.mutation.operators import Mutant, mutants
from tests.mutation.tables import EQUIVALENT, FILES, SEEDS

ROOT = Path(__file__).parents[2]
SLOWEST = 120.0
"""Seconds of a mutant's tests at least, before they count as hanging; at most five times what they take without it."""
CONTEXT = 30
"""Characters shown before and after a change."""
SURVIVED, EQUIVALENT_TO = "survived", "equivalent: "


@dataclass(frozen=True, kw_only=True)
class Result:
    """A row of the table."""

    seed: str
    """Of the draw; of a named fault its name."""
    file: str
    line: int
    kind: str
    before: str
    after: str
    caught_by: str
    """The first test that failed; or `survived`, or `equivalent: ` and the reason."""
    seconds: float


def draw(file: str, seed: int, root: Path = ROOT) -> Mutant:
    """The mutant of a file that a seed selects: its kind first, so that the many numbers of a file do not outweigh
    the rest. Seeds of one file draw without replacement."""
    candidates = mutants((root / "crosspath" / file).read_text())
    generator = random.Random(file)
    for _ in range(seed):
        candidates.remove(_one(candidates, generator))
    return _one(candidates, generator)


def _one(candidates: Sequence[Mutant], generator: random.Random) -> Mutant:
    kind = generator.choice(sorted({mutant.kind for mutant in candidates}))
    return generator.choice([mutant for mutant in candidates if mutant.kind == kind])


class Tree:
    """A throwaway copy of the tree, in which faults are planted."""

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.folder = folder
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listing, cwd=root, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name, folder / name)
        # Compiled once, recognised by content: two mutants of a second may have the same size and time.
        compiled = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "crosspath"]
        subprocess.run([sys.executable, *compiled], cwd=folder, check=True)

    def first_failure(self, tests: Sequence[str], timeout: float) -> str | None:
        """The first of these tests that fails, or None."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
        paths = [f"tests/{name}" for name in tests]
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["OMP_NUM_THREADS"] = "1"
        try:
            done = subprocess.run(
                [*command, *paths], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return f"no end within {timeout:.0f} s"
        if done.returncode == 0:
            return None
        lines = re.findall(r"^(?:FAILED|ERROR) tests/(.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
        return str(lines[0]) if lines else f"pytest exits with code {done.returncode}"

    def caught_by(self, file: str, source: str, tests: Sequence[str], timeout: float) -> str | None:
        """The first test that fails with this source of the file, which is put right again afterwards."""
        path = self.folder / "crosspath" / file
        before = path.read_bytes()
        path.write_text(source)
        try:
            return self.first_failure(tests, timeout)
        finally:
            path.write_bytes(before)


def run(tree: Tree, files: Sequence[str], seeds: Sequence[int], faults: Sequence[Fault]) -> Iterator[Result]:
    """A row for each seed and file, then one for each named fault."""
    for file in files:
        began = time.monotonic()
        failure = tree.first_failure(FILES[file], timeout=10 * SLOWEST)
        if failure is not None:
            raise SystemExit(f"{file}: {failure} fails without any fault")
        timeout = max(SLOWEST, 5 * (time.monotonic() - began))
        for seed in seeds:
            mutant = draw(file, seed, tree.folder)
            began = time.monotonic()
            caught = tree.caught_by(file, mutant.source, FILES[file], timeout)
            if caught is None:
                reason = EQUIVALENT.get((file, mutant.before, mutant.after))
                caught = SURVIVED if reason is None else EQUIVALENT_TO + reason
            columns = {"line": mutant.line, "kind": mutant.kind, "before": mutant.before, "after": mutant.after}
            yield Result(
                seed=str(seed), file=file, **columns, caught_by=caught, seconds=round(time.monotonic() - began, 1)
            )
    for fault in faults:
        source = (tree.folder / "crosspath" / fault.file).read_text()
        began = time.monotonic()
        caught = tree.caught_by(fault.file, fault.applied(source), fault.tests, 5 * SLOWEST) or SURVIVED
        line = source[: source.index(fault.before)].count("\n") + 1
        columns = {"before": " ".join(fault.before.split()), "after": " ".join(fault.after.split())}
        seconds = round(time.monotonic() - began, 1)
        yield Result(
            seed=fault.name, file=fault.file, line=line, kind="by hand", **columns, caught_by=caught, seconds=seconds
        )


def table(results: Sequence[Result]) -> str:
    """The rows in Markdown."""
    drawn = [result for result in results if result.kind != "by hand"]
    by_hand = [result for result in results if result.kind == "by hand"]
    survived = sum(result.caught_by == SURVIVED for result in results)
    same = sum(result.caught_by.startswith(EQUIVALENT_TO) for result in results)
    lines = [
        "# Mutants",
        "",
        f"{len(drawn)} seeded mutants and {len(by_hand)} named faults: {len(results) - survived - same} caught, "
        f"{same} equivalent, {survived} survived. Written by `make mutants`.",
    ]
    for title, rows, first in (("Seeded", drawn, "seed"), ("Named", by_hand, "fault")):
        lines += ["", f"## {title}", "", f"| {first} | file | before | after | caught by |", "|---|---|---|---|---|"]
        for row in rows:
            before, after = _difference(row.before, row.after)
            cells = (row.seed, f"{row.file}:{row.line}", f"`{before}`", f"`{after}`", row.caught_by)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _difference(before: str, after: str) -> tuple[str, str]:
    """Both texts around the place where they differ."""
    start = max(0, _common(before, after) - CONTEXT)
    same = _common(before[:start:-1], after[:start:-1])
    shown = []
    for text in (before, after):
        stop = min(len(text), len(text) - same + CONTEXT)
        shown.append(f"{'… ' if start else ''}{text[start:stop]}{' …' if stop < len(text) else ''}")
    return shown[0], shown[1]


def _common(first: str, second: str) -> int:
    """Length of the common beginning."""
    pairs = zip(first, second, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def main() -> None:
    """Run what the options select; without options everything, and store the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", nargs="*", default=list(FILES), help="of the table in tests/mutation/tables.py")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--faults", nargs="*", default=[fault.name for fault in FAULTS], help="named faults")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if fault.name in options.faults]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for result in run(Tree(Path(folder)), options.files, options.seeds, faults):
            results.append(result)
            change = " -> ".join(_difference(result.before, result.after))
            row = (result.seed, f"{result.file}:{result.line}", change, result.caught_by, f"{result.seconds} s")
            sys.stdout.write("  ".join(row) + "\n")
            sys.stdout.flush()
    if len(sys.argv) == 1:
        beside = Path(__file__).parent
        (beside / "results.json").write_text(json.dumps([asdict(row) for row in results], indent=1) + "\n")
        (beside / "results.md").write_text(table(results))
    sys.exit(any(result.caught_by == SURVIVED for result in results))


if __name__ == "__main__":
    main()
