"""The soak itself: each part runs, and notices a fault that is put in its way."""

import json
import mmap
import signal
import sys
from pathlib import Path

import pytest
import torch

import crosspath
from tests.soak import disk, files, fuzz, kills, page, run, runs, sequences
from tests.soak.operations import MAKING, REMOVING, Operations, die, fail
from tests.soak.outcome import Budget, Outcome
from tests.soak.parsers import quiet
from tests.soak.processes import in_fork
from tests.soak.watched import watch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
MINUTES = 60.0 * 60


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run; made in a process of its own, which has its data in memory."""
    folder = tmp_path_factory.mktemp("soak")
    ended = in_fork(lambda: int(not runs.prepare(folder).exists()))
    assert ended.code == 0, ended.stderr
    return folder


def test_sequences_agree_with_sums_in_float64() -> None:
    outcome = sequences.run(Budget(20, MINUTES))
    assert not outcome.faults
    assert outcome.tried["sequences"] == 20
    assert outcome.tried["operations"] > 40


def test_a_wrong_sum_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    merge = crosspath.merge

    def merge_and_change(target: torch.nn.Module) -> object:
        receipt = merge(target)
        with torch.no_grad():
            next(iter(target.parameters())).view(-1)[0] += 1e-3
        return receipt

    monkeypatch.setattr(crosspath, "merge", merge_and_change)
    faults = sequences.run(Budget(8, MINUTES)).faults
    assert faults
    assert all("merge" in fault and "--seed" in fault for fault in faults)


def test_growth_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[torch.nn.Module] = []
    monkeypatch.setattr(sequences, "COUNTED_EVERY", 2)
    # So many that nothing which earlier tests of the process left behind, and which goes meanwhile, outweighs them.
    monkeypatch.setattr(sequences.Sequence, "run", lambda self: left.extend(torch.nn.Identity() for _ in range(5000)))
    (fault,) = sequences.run(Budget(6, MINUTES)).faults
    assert fault.startswith("growth: ")
    assert "modules" in fault


@LINUX
@pytest.mark.parametrize("kind", [kind for kind in files.ALL_KINDS if kind not in files.SLOW_KINDS])
def test_a_whole_file_is_read(kind: str) -> None:
    (case,) = files.try_kind(kind, range(-1, 0))
    assert (case.fault, case.refused) == ("", False)


@LINUX
def test_a_reader_that_crashes_hangs_or_dies_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(number: int) -> None:
        match number:
            case 1:
                raise KeyError("a name")
            case 2:
                signal.raise_signal(signal.SIGKILL)
            case 3:
                signal.pause()
            case 4:
                # New pages: an array may lie in what earlier tests freed, and that is resident already.
                with mmap.mmap(-1, 64 << 20) as pages:
                    pages.write(bytes(64 << 20))

    monkeypatch.setattr("tests.soak.watched.HANGS_AFTER", 1.0)
    cases = list(watch(read, range(6)))
    assert [bool(case.fault) for case in cases] == [False, True, True, True, False, False]
    assert "KeyError" in cases[1].fault
    assert "died" in cases[2].fault
    assert cases[4].mib > 60 > cases[5].mib


def test_the_same_case_is_the_same_file() -> None:
    whole = b'{"format_version": 1, "layers": {"a": [0, 1]}}'
    contents = [files.content_of("pathway.json", whole, case) for case in range(50)]
    assert contents == [files.content_of("pathway.json", whole, case) for case in range(50)]
    assert len(set(contents)) > 30


@LINUX
def test_a_full_disk_ends_a_run_in_one_line_and_it_resumes(home: Path) -> None:
    count = disk.operations_of(home, runs.train_command)
    outcome = Outcome("disk")
    for number in (1, count // 2, count - 1):
        disk.try_operation(home, "train", runs.train_command, number, outcome)
    assert not outcome.faults


@LINUX
def test_a_full_disk_is_noticed_where_it_is_swallowed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crosspath.cli.main._print_error", lambda message, rank: 3)
    outcome = Outcome("disk")
    disk.try_operation(home, "train", runs.train_command, 5, outcome)
    assert len(outcome.faults) == 1


@LINUX
def test_killed_at_a_file_operation_it_resumes_to_the_same_bytes(home: Path) -> None:
    outcome = Outcome("kills")
    kills.kill_at_operations(home, Budget(2, MINUTES), outcome)
    assert not outcome.faults
    assert outcome.tried["runs killed at operation"] == 2


@LINUX
def test_operations_below_a_folder_are_counted_and_no_others(tmp_path: Path) -> None:
    def call() -> int:
        inside, outside = tmp_path / "inside", tmp_path / "outside"
        inside.mkdir()
        outside.mkdir()
        operations = Operations(inside, None, fail, MAKING)
        (outside / "file").write_text("1")
        (inside / "file").write_text("1")
        (inside / "file").read_text()
        (inside / "file").rename(inside / "other")
        (inside / "other").unlink()
        return operations.count

    assert in_fork(call).code == 2

    def killed() -> int:
        Operations(tmp_path / "inside", 2, die, MAKING | REMOVING)
        (tmp_path / "inside" / "a").write_text("1")
        (tmp_path / "inside" / "b").write_text("1")
        return 0

    assert in_fork(killed).code == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["a"]


def test_without_atheris_fuzzing_is_left_out_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz.importlib.util, "find_spec", lambda name: None)
    outcome = fuzz.run(Budget(1, 1.0))
    assert not outcome.faults
    assert [reason for reason in outcome.skipped if "pip install atheris" in reason]


@pytest.mark.parametrize("name", fuzz.PARSERS)
def test_every_parser_reads_its_first_inputs(name: str, tmp_path: Path) -> None:
    parser = fuzz.PARSERS[name]
    for number, content in enumerate(parser.examples()):
        path = tmp_path / f"{number}{parser.suffix}"
        path.write_bytes(content)
        with quiet():
            parser.read(path, content)


def test_outcomes_are_shown_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def part(budget: Budget) -> Outcome:
        outcome = Outcome("files", faults=["a fault"] if budget.seed else [])
        outcome.tried["files"] = 7
        return outcome

    monkeypatch.setattr(run, "PARTS", {"files": (part, 5, 1.0)})
    path = tmp_path / "results.json"
    for seed, code in ((0, 0), (1, 1), (0, 0)):
        monkeypatch.setattr(sys, "argv", ["run", "files", "--seed", str(seed), "--json", str(path)])
        assert run.main() == code
    printed = capsys.readouterr().out
    assert "files: 7 files; 1 faults; seed 1" in printed
    assert "FAULT a fault" in printed
    entries = json.loads(path.read_text())
    assert [entry["command"].split()[-1] for entry in entries] == ["1", "0"]


def test_the_page_is_made_from_the_results() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(json.loads(run.RESULTS.read_text(encoding="utf-8")))
