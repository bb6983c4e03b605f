"""What is read from the folder of a `try`: its own values, or a refusal that names the file."""

from pathlib import Path

import pytest

from crosspath.files import write_json
from crosspath.study.race_answer import read_answer
from crosspath.study.race_folder import ANSWER, CLOCK, open_race
from tests.errors import refused


@pytest.mark.parametrize("content", [{}, {"verdict": "helps"}, {"sentence": 3}, {"unknown": 1}])
def test_a_damaged_answer_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    write_json(tmp_path / ANSWER, {"format_version": 1, **content})
    with refused(str(tmp_path / ANSWER)):
        read_answer(tmp_path)


@pytest.mark.parametrize("content", [{}, {"seconds": "long"}, {"seconds": None}])
def test_a_damaged_clock_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    with open_race(tmp_path / "try", {}) as folder:
        assert folder.seconds >= 0
    write_json(tmp_path / "try" / CLOCK, content)
    with refused(str(tmp_path / "try" / CLOCK)), open_race(tmp_path / "try", {}):
        pass
