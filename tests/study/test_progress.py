"""The bar over a longer job: every step of a run advances it, and a run prints nothing of its own."""

import json
from pathlib import Path

import pytest

from crosspath.study.progress import PartialRun
from crosspath.study.reports.pages import loss_curve, validation_curve
from crosspath.training.progress import open_bar
from tests.errors import refused


def test_steps_of_several_runs_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    with open_bar(total=10) as bar:
        for label, work in (("first", 1.0), ("second", 2.0)):
            run = PartialRun(bar, label, work)
            run.preparing(1, 2)
            run.training(2, 0)
            for _ in range(2):
                run.step(0.5, 10.0)
            run.epoch(1, 1, 0.5, {"accuracy": 1.0}, 10.0)
        task = bar.progress.tasks[bar.task]
        assert (task.completed, task.total, bar.label) == (6.0, 10, "second")
        bar.line("finished")
    assert capsys.readouterr() == ("", "finished\n")


@pytest.mark.parametrize("metric", ["accuracy", "map"])
def test_curves_are_those_of_the_log_and_empty_without_one(metric: str, tmp_path: Path) -> None:
    entries = [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.0, "validation": {metric: 0.5}}]
    assert validation_curve(tmp_path) == loss_curve(tmp_path) == {}
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    assert loss_curve(tmp_path) == {1: 2.0, 2: 1.0}
    assert validation_curve(tmp_path) == {2: 0.5}


@pytest.mark.parametrize("line", ["{", "3", '"step"', ""])
def test_a_damaged_log_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(f'{{"step": 1}}\n{line}\n{{"step": 2}}\n')
    with refused(f"{tmp_path / 'log.jsonl'} line 2"):
        loss_curve(tmp_path)
