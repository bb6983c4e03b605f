"""Runs a share of the tests with the lowest versions that pyproject.toml names, on this Python.

    python -m release.oldest

The environment is `.venv-oldest`. It needs an index and 9 GB; 3.11 is the Python that has a build of each version.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENT = REPOSITORY / ".venv-oldest"
TESTS = (
    *("tests/config", "tests/tokenizers", "tests/models", "tests/data/readers", "tests/pathway/test_contract.py"),
    *("tests/objectives/test_masking.py", "tests/files", "tests/test_locks.py", "tests/cli/test_bad_input.py"),
    *("tests/cli/test_main.py", "tests/checkpoints/test_load.py", "tests/evaluation/test_evaluate.py"),
)
EXCEPT = "learns_a_batch or round_colours or variable_bit_rate_without"
"""Other versions draw other first weights; Pillow's YCbCr (docs/dependencies.md); a test that writes with soundfile."""
ASIDE = ("pytest", "hypothesis", "fpsample", "webdataset", "braceexpand", "aiohttp")
"""What these tests need besides the package, in any version."""


def lowest() -> list[str]:
    """`name==version` of every dependency that is always installed."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert all(re.fullmatch(r"[\w-]+>=[\w.]+", line) for line in project["dependencies"])
    return [line.replace(">=", "==") for line in project["dependencies"]]


def main() -> None:
    """Make the environment and run the tests in it."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *lowest(), *ASIDE], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--editable", str(REPOSITORY)], check=True)
    sys.exit(
        subprocess.run(
            [python, "-m", "pytest", "-q", "-k", f"not ({EXCEPT})", *TESTS], cwd=REPOSITORY, check=False
        ).returncode
    )


if __name__ == "__main__":
    main()
