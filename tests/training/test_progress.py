"""What a run shows: nothing on stdout, a line an epoch where there is no terminal."""

import pytest

from crosspath.training.progress import Reporter, reporter


def test_lines_on_stderr_when_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter(True) as report:
        report.preparing(1, 2)
        report.training(10, 0)
        report.step(0.5, 100.0)
        report.epoch(1, 2, 0.5, {"accuracy": 0.25, "loss": 1.0}, 99.7)
        report.say("note [not markup] " + "long " * 60)
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.splitlines()[0] == "epoch 1/2  loss 0.5000  validation accuracy 0.2500  100 samples/s"
    assert len(seen.err.splitlines()) == 2


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "140")
    with reporter(True) as report:
        assert isinstance(report, Reporter)
        report.preparing(1, 2)
        report.training(10, 0)
        report.step(0.5, 100.0)
        report.bar.progress.refresh()
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "loss 0.5000  100 samples/s" in seen.err


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter(False) as report:
        report.say("a")
        report.epoch(1, 1, 0.0, {}, 1.0)
    assert capsys.readouterr() == ("", "")
