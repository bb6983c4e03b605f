"""Every file of `examples/` runs as a user runs it: without arguments, offline, from anywhere, and proves its merge."""

import ast
import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from tempfile import gettempdir

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


def missing_libraries(example: Path) -> list[str]:
    """Top-level packages that an example imports and this machine lacks."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(example.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            imported.add(node.module.split(".")[0])
    return sorted(name for name in imported if find_spec(name) is None)


def output_of(example: Path, folder: Path) -> str:
    missing = missing_libraries(example)
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    alone = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(
        [sys.executable, str(example)],
        cwd=folder,
        env=os.environ | alone,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def output_in_fork(example: Path, folder: Path, printed: Path) -> str:
    """As `output_of`, in a fork of this process, which has imported torch: half of the time goes there."""
    missing = missing_libraries(example)
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    process = get_context("fork").Process(target=_run, args=(example, folder, printed))
    process.start()
    process.join(timeout=120)
    text = printed.read_text(encoding="utf-8")
    assert process.exitcode == 0, text[-3000:]
    return text


def _run(example: Path, folder: Path, printed: Path) -> None:
    os.chdir(folder)
    os.environ["HF_HUB_OFFLINE"] = "1"
    descriptor = os.open(printed, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    # The parent's capture would keep what is printed.
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    runpy.run_path(str(example), run_name="__main__")
    sys.stdout.flush()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_connects_trains_shows_its_scales_and_merges_to_the_bit(example: Path, tmp_path: Path) -> None:
    folder = tmp_path / "anywhere"
    folder.mkdir()
    printed = output_in_fork(example, folder, tmp_path / "printed.txt")
    assert "λ" in printed
    last = printed.strip().splitlines()[-1]
    assert "merged" in last
    assert last.endswith("to the bit")
    assert list(folder.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_prints_the_same_twice(example: Path, tmp_path: Path) -> None:
    assert without_times(output_of(example, tmp_path)) == without_times(output_of(example, tmp_path))


def without_times(printed: str) -> list[str]:
    """How long the Trainer took and what a temporary folder is called may differ."""
    return [line for line in printed.splitlines() if "runtime" not in line and gettempdir() not in line]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_proves_what_it_prints(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    assert "assert torch.equal(" in text
    assert "crosspath.connect(" in text
    assert f"python examples/{example.name}" in text


def test_the_guide_names_every_example() -> None:
    guide = (REPOSITORY / "docs" / "trainers.md").read_text(encoding="utf-8")
    assert len(EXAMPLES) >= 8
    assert [example.name for example in EXAMPLES if f"examples/{example.name}" not in guide] == []
