"""Damaged files of every kind: read, or refused in a sentence, in bounded time; never another error.

Each case changes a few bytes, lengths, numbers or values of a small whole file. The cases are fixed; `make soak` has
many times as many, and watches time and memory.
"""

import random
import warnings
from pathlib import Path

import pytest

from crosspath.errors import InputError
from tests.soak.corpora import KINDS
from tests.soak.mutations import mutated

CASES = 8
"""Of each kind."""


def run(name: str, cases: int, folder: Path) -> None:
    write, read = KINDS[name]
    path = folder / name
    write(path)
    whole = path.read_bytes()
    read(path)
    for case in range(cases):
        path.write_bytes(mutated(whole, random.Random(f"{name} {case}")))
        try:
            read(path)
        except InputError:
            pass
        except Exception as error:
            raise AssertionError(f"case {case} of {name}") from error


@pytest.mark.parametrize("name", KINDS)
def test_a_mutated_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(name, CASES, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_mutated_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(name, 100 * CASES, tmp_path)
