"""One table of metrics: direction, unit and digits."""

import pytest

from crosspath.metrics import METRICS, metric_of, plain_text
from crosspath.objectives import OBJECTIVES


@pytest.mark.parametrize(
    ("name", "value", "text", "difference", "signed"),
    [
        ("accuracy", 0.7134, "71.3 %", -0.0124, "−1.2"),
        ("miou", 0.5, "50.0 %", 0.1, "+10.0"),
        ("r2", 0.71249, "0.712", 1e-12, "+0.000"),
        ("mae", 1234.5678, "1235", -0.00012345, "−0.0001234"),
        ("rmse", 54321.0, "54321", 0.5, "+0.5000"),
        ("loss", 0.25, "0.2500", 0.01, "+0.0100"),
    ],
)
def test_values_are_written_in_the_unit_of_their_metric(
    name: str, value: float, text: str, difference: float, signed: str
) -> None:
    assert METRICS[name].text(value) == text
    assert METRICS[name].signed_number(difference) == signed


def test_less_is_better_of_errors_alone() -> None:
    assert {name for name, metric in METRICS.items() if metric.sign < 0} == {"loss", "mae", "rmse"}


def test_the_compared_metric_is_the_one_that_objectives_select_by() -> None:
    for objective in OBJECTIVES:
        assert objective.selects_by in METRICS
        worse, better = {objective.selects_by: 0.2}, {objective.selects_by: 0.3}
        assert (objective.score(better) > objective.score(worse)) == METRICS[objective.selects_by].more_is_better
    assert metric_of({"loss": 1.0, "accuracy": 0.5, "top5_accuracy": 1.0}) == "accuracy"
    assert metric_of({"map_classes": 3.0, "loss": 1.0, "map": 0.5}) == "map"
    assert metric_of({"mae": 1.0, "rmse": 2.0, "r2": 0.5}) == "r2"
    assert metric_of({"loss": 1.0}) == "loss"


def test_a_column_has_the_metric_of_all_columns() -> None:
    assert plain_text("mae/height", 54321.0) == "54321"
    assert plain_text("accuracy", 0.71349) == "0.7135"
