"""What commands print."""

import pytest

from crosspath.cli.output import print_metrics


def test_a_metric_that_a_part_is_too_small_for_has_an_empty_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """R² needs two samples: a validation part of one has none, in a run that is finished."""
    print_metrics({"validation": {"mae": 0.25}, "test": {"r2": 0.5, "mae": 0.125}})
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [row for row in rows if row] == [["r2", "", "0.5000"], ["mae", "0.2500", "0.1250"]]
    print_metrics({"validation": {"mae": 1234567.25}, "test": {"mae": 0.0000125}})
    assert "1234567 " in (shown := capsys.readouterr().out)
    assert "1.25e-05" in shown
    print_metrics({"validation": {}, "test": {}})
