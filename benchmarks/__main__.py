"""Run the benchmarks, print their tables and write their JSON.

python -m benchmarks                   # every part in its short form; what `make bench` runs
python -m benchmarks step growth       # some of them
python -m benchmarks step --long       # more cases and rounds; `python -m benchmarks.page` then writes the page
"""

import argparse
import json
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markdown import Markdown

from benchmarks.page import RESULTS, conditions
from benchmarks.parts import PARTS
from benchmarks.tables import rich_table, table_of
from benchmarks.timing import load, machine, noise

SHORT = RESULTS / "short"
"""Where the short form writes: the page is made of the long one."""


def run_part(name: str, *, short: bool, threads: int) -> dict[str, Any]:
    """Measure one part in this process."""
    torch.set_num_threads(threads)
    part = PARTS[name]
    options = ("" if short else " --long") + (f" --threads {threads}" if threads != 1 else "")
    loads, noises, start = [load()], [noise()], time.perf_counter()
    tables = import_module(part.module).measure(short=short)
    seconds = time.perf_counter() - start
    noises.append(noise())
    return {
        "part": name,
        "title": part.title,
        "question": part.question,
        "command": f"python -m benchmarks {name}{options}",
        "short": short,
        "seconds": round(seconds, 1),
        "machine": machine(),
        "load": [*loads, load()],
        "noise": noises,
        "tables": [table.to_json() for table in tables],
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print what was measured."""
    console.rule(result["title"])
    for entry in result["tables"]:
        console.print(rich_table(table_of(entry)))
        console.print()
    console.print(Markdown(conditions(result)))


def console() -> Console:
    """The terminal; wide enough for every table where the output goes elsewhere."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=120)


def write(result: dict[str, Any], folder: Path) -> None:
    """Write the JSON of one part, completely or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['part']}.json"
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def main(words: list[str] | None = None) -> int:
    """Run the named parts; several of them each in a process of its own, so that none inherits another's memory."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without: all")
    parser.add_argument("--long", action="store_true", help="more cases and more rounds")
    parser.add_argument("--threads", type=int, default=1, help="threads that torch computes with")
    parser.add_argument("--out", type=Path, help="folder for the JSON files; default: benchmarks/results[/short]")
    options = parser.parse_args(words)
    for name in options.parts:
        if name not in PARTS:
            parser.error(f"PART: expected one of {', '.join(PARTS)}, found {name!r}; choose one of these")
    folder: Path = options.out or (RESULTS if options.long else SHORT)
    if len(options.parts) == 1:
        result = run_part(options.parts[0], short=not options.long, threads=options.threads)
        write(result, folder)
        show(result, console())
        return 0
    failures = []
    for name in options.parts or [*PARTS]:
        command = [sys.executable, "-m", "benchmarks", name, "--threads", str(options.threads), "--out", str(folder)]
        process = subprocess.run([*command, *(["--long"] if options.long else [])], check=False)
        failures += [name] if process.returncode else []
    if failures:
        print(f"failed: {', '.join(failures)}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
