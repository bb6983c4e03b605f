"""`docs/reliability.md`, from `results.json`: `python -m tests.soak.page`."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
RESULTS = Path(__file__).parent / "results.json"
EDGES = "edges of "
PLURAL = re.compile(r"(?<=[a-z])s(?![a-z])")


class Fault(NamedTuple):
    """A fault that the soak found, and what became of it."""

    part: str
    fault: str
    remedy: str
    test: str


FAULTS = (
    Fault(
        "disk",
        "TensorBoard's events on a full disk: a traceback, code 1",
        "trackers report what cannot be written as the rest of a run does; `crosspath` says every full disk in one "
        "line, whichever library was writing",
        "training/test_trackers.py, cli/test_main.py",
    ),
    Fault(
        "disk",
        "a merge that found no room left files, and the same command was then refused",
        "a new folder is empty again after an error",
        "test_locks.py",
    ),
    Fault(
        "kills",
        "killed while an old checkpoint was removed: its manifest stood there with files missing",
        "the manifest goes first, wherever a complete folder is removed",
        "files/test_manifests.py",
    ),
    Fault(
        "files",
        "values of another type in `result.json`, `state.json`, `resumed.json`, a study's `auxiliaries.json` and "
        "examples: tracebacks, some only in a figure",
        "JSON is read as the dataclass that it stands for; NaN and infinity are refused",
        "files/test_plain_data.py, study/test_study.py",
    ),
    Fault(
        "files",
        "infinity in place of a row number in `pathway.json`; sample names of a certificate that are no text",
        "every error of a damaged description is one; the certificate's names are checked",
        "pathway/test_files.py",
    ),
    Fault(
        "sequences",
        'trained, disconnected and connected again with `engine="optimizer"`: the new optimizer was refused because '
        "of the old one's weights",
        "a weight without pathways is no longer watched",
        "pathway/engines/test_engine.py",
    ),
)
HEAD = """# Reliability

What was tried to break a run, a file or a model, how often, and what was found. `make soak` does a share of each in
about ten minutes and ends with code 1 if anything is wrong; what it prints then has the command that shows it again.
This page is written by `python -m tests.soak.page` from `tests/soak/results.json`.

- **kills:** SIGKILL just before a file operation, and at random moments, of a run, of two ranks under torchrun, of a
  study. Finished files stay valid; resumed to its end, every file has the bytes of a run that was never killed.
- **files:** bytes, lengths, numbers and values of small files are changed, of every kind that is read. They are read,
  or refused in one line, within 2 s of the processor and 1 GiB.
- **fuzz:** atheris changes inputs so that they reach new lines of the package's own parsers. The same has to hold.
- **disk:** no room from the n-th operation of a command on; and tmpfs of random sizes. Code 2 and one line; finished
  files stay valid; once there is room the same command ends as if there always was.
- **sequences:** connect, train, save, load, copy, merge and disconnect in random order, over layers, types, auxiliaries
  and kinds of λ. W, λ, W' and outputs agree with sums in float64 that know no pathway; nothing grows.

"""
TAIL = """## Limitations

- A killed process loses nothing that it has given to the system; a power cut was not tried.
- Times and memory are of small files. Large ones are bounded by the limits in [Your own data](data.md).
- atheris exists for Linux; without it fuzzing is left out, and `make soak` says so.

**Next:** [Design](design.md): what the package is made of, and its contracts.
"""


def text(results: Sequence[Mapping[str, Any]]) -> str:
    """The page."""
    lines = [
        f"{HEAD}## What was tried",
        "",
        "| part | tried | faults left | minutes | command |",
        "|---|---|---|---|---|",
    ]
    for entry in results:
        tried = [_counted(count, name) for name, count in entry["tried"].items() if not _is_share(name, entry)]
        cells = (", ".join(tried) or "nothing", str(len(entry["faults"])), f"{entry['minutes']:g}")
        lines.append(f"| {' | '.join((entry['part'], *cells))} | `{entry['command']}` |")
    figures = [(entry["part"], name, value) for entry in results for name, value in entry["figures"].items()]
    lines += ["", "Measured meanwhile:", ""]
    lines += [f"- {part}: {value:g} {name}" for part, name, value in figures if not name.startswith(EDGES)]
    edges = [f"{name.removeprefix(EDGES)} {value:g}" for _, name, value in figures if name.startswith(EDGES)]
    if edges:
        lines.append(f"- fuzz: edges of the package's code that inputs reached: {', '.join(edges)}")
    lines += [f"- left out, {entry['part']}: {reason}" for entry in results for reason in entry["skipped"]]
    lines += ["", "## What was found", "", "| part | fault | now | test |", "|---|---|---|---|"]
    lines += [f"| {one.part} | {one.fault} | {one.remedy} | `{one.test}` |" for one in FAULTS]
    return "\n".join([*lines, "", TAIL])


def _counted(count: int, name: str) -> str:
    """`7 runs of two ranks`, `1 run of two ranks`: a name begins with its plural."""
    return f"{count:,} {PLURAL.sub('', name, count=1) if count == 1 else name}"


def _is_share(name: str, entry: Mapping[str, Any]) -> bool:
    """Whether a count is one parser's share of the inputs."""
    return entry["part"] == "fuzz" and name != "inputs"


if __name__ == "__main__":
    PAGE.write_text(text(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
