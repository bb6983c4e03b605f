import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as frame
from benchmarks import timing
from benchmarks.page import PAGE, page, read_results
from benchmarks.parts import PARTS, Part
from benchmarks.tables import Interval, Table, markdown, table_of, text

TABLE = Table(
    "Times", ("what", "ms", "ratio"), (("plain", 12, None), ("other", 0.5, Interval(1.0, 0.98, 1.021))), ("!",)
)


def test_the_page_is_what_the_results_give() -> None:
    """After a long run: `python -m benchmarks.page`."""
    assert PAGE.read_text(encoding="utf-8") == page(read_results())


def test_every_result_names_its_command_machine_and_noise() -> None:
    for name, result in read_results().items():
        assert result["command"].startswith(f"python -m benchmarks {name}"), name
        assert result["short"] == ("--long" not in result["command"])
        assert len(result["noise"]) == 2
        assert len(result["load"]) >= 2
        assert result["machine"]["processor"]
        assert result["tables"]


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if find_spec(part.module) is not None])
def test_every_part_has_its_one_function(name: str) -> None:
    assert callable(import_module(PARTS[name].module).measure)


def test_tables_survive_json_and_are_readable() -> None:
    assert table_of(json.loads(json.dumps(TABLE.to_json()))) == TABLE
    lines = markdown(TABLE).splitlines()
    assert lines[2:6] == [
        "| what | ms | ratio |",
        "| --- | --- | --- |",
        "| plain | 12 |  |",
        "| other | 0.500 | 1.000 [0.980, 1.021] |",
    ]
    assert [text(value) for value in (1234.6, 99.617, 0.00123, 0.0, 5120)] == [
        "1,235",
        "99.62",
        "0.00123",
        "0",
        "5,120",
    ]


def test_a_run_writes_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def measure(*, short: bool) -> list[Table]:
        calls.append(short)
        return [TABLE]

    monkeypatch.setattr(timing, "NOISE_ROUNDS", 3)
    monkeypatch.setattr(frame, "import_module", lambda _: SimpleNamespace(measure=measure))
    monkeypatch.setitem(PARTS, "toy", Part("benchmarks.toy", "A toy", "How much?"))
    assert frame.main(["toy", "--long", "--out", str(tmp_path)]) == 0
    assert frame.main(["toy", "--out", str(tmp_path / "short")]) == 0
    assert calls == [False, True]
    assert "Times" in capsys.readouterr().out
    result = read_results(tmp_path)["toy"]
    section = page({"toy": result})
    assert markdown(TABLE) in section
    assert "`python -m benchmarks toy --long`" in section
    assert result["machine"]["processor"] in section
    assert read_results(tmp_path / "short")["toy"]["command"] == "python -m benchmarks toy"


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        frame.main(["stepp"])
    assert exit_.value.code == 2
    assert "'stepp'" in capsys.readouterr().err
