"""Do the statistics promise what they say? Simulated nothing gives 5 % of verdicts; families are adjusted; labels saved
are found again on curves of known shape.
"""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crosspath.study.reports.labels import label_savings, labels_for
from crosspath.study.rows import Row, adjust_verdicts, goodness, leave_unsettled, score, score_text
from crosspath.study.statistics import compare_paired, false_discovery
from tests.errors import refused


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_two_thousand_comparisons_of_nothing_give_about_five_percent_of_verdicts(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    false = 0
    for _ in range(2000):
        shared = rng.normal(0.5, 0.03, seeds)
        arms = [shared + rng.normal(0.0, 0.02, seeds) for _ in range(2)]
        false += compare_paired(arms[0].tolist(), arms[1].tolist()).verdict != "no evidence"
    assert 0.03 <= false / 2000 <= 0.07


def test_adjusted_p_is_that_of_benjamini_and_hochberg() -> None:
    values = [0.001, 0.04, 0.03, 0.5]
    order = sorted(range(4), key=values.__getitem__)
    expected = [0.0] * 4
    smallest = 1.0
    for rank in (3, 2, 1, 0):
        smallest = min(smallest, values[order[rank]] * 4 / (rank + 1))
        expected[order[rank]] = smallest
    assert false_discovery(values) == pytest.approx(expected)


def test_a_run_without_a_metric_is_one_line() -> None:
    result: Any = SimpleNamespace(recipe="image/boxes", metrics={"test": {}})
    for read in (score, score_text, goodness):
        with refused("the test part of image/boxes"):
            read(result, "test")


def row(arm: str, p: float | None, *, target: str = "a", **more: object) -> Row:
    verdict = None if p is None else ("helps" if p < 0.05 else "no evidence")
    values = {"seeds": (0, 1, 2), "values": (0.5, 0.6, 0.7), "mean": 0.6, "std": 0.1, **more}
    return Row(target=target, auxiliary=None, arm=arm, metric="accuracy", p=p, verdict=verdict, **values)  # type: ignore[arg-type]


def test_a_verdict_that_one_direction_would_have_falls_in_a_family_that_does_not_bear_it() -> None:
    rows = [row("none", None), *(row("pathway", p) for p in (0.04, 0.3, 0.6)), row("random", 0.04)]
    result = adjust_verdicts(rows)
    assert [entry.verdict for entry in result] == [None, "no evidence", "no evidence", "no evidence", "helps"]
    assert result[1].p == 0.04
    assert result[1].p_adjusted == pytest.approx(0.12)
    assert result[4].p_adjusted is None


def test_an_unsettled_comparison_makes_no_other_one_easier() -> None:
    unsettled = leave_unsettled(row("pathway", 0.0001), "the best rate is the highest")
    result = adjust_verdicts([row("none", None), unsettled, row("pathway", 0.02), row("pathway", 0.03)])
    assert (result[1].verdict, result[1].p, result[1].p_adjusted) == ("no evidence", 0.0001, None)
    # As in a family of three of which one shows nothing; beside 0.0001 both would have a verdict.
    assert [entry.p_adjusted for entry in result[2:]] == pytest.approx([0.045, 0.045])
    assert adjust_verdicts([row("pathway", 0.04), row("pathway", 0.01), unsettled])[0].verdict == "no evidence"


def test_labels_saved_are_found_on_a_curve_of_known_shape() -> None:
    # Accuracy is 0.1·log2(labels); the arm has what none has with twice the labels.
    labels = (10, 20, 40)
    rows = []
    for count in labels:
        plain = [0.1 * math.log2(count) + shift for shift in (0.0, 0.01, -0.01)]
        rows.append(row("none", None, labels_per_class=count, values=tuple(plain)))
        rows.append(row("pathway", 0.01, labels_per_class=count, values=tuple(value + 0.1 for value in plain)))
    result = label_savings(rows)
    assert [saving.factor for saving in result[:2]] == pytest.approx([2.0, 2.0])
    assert result[2].factor is None
    assert result[2].beyond == 3


def test_labels_outside_the_curve_are_not_invented() -> None:
    assert labels_for(0.9, [10, 20], [0.3, 0.5]) is None
    assert labels_for(0.1, [10, 20], [0.3, 0.5]) is None
    assert labels_for(0.5, [10, 20, 40], [0.5, 0.5, 0.5]) is None
    assert labels_for(0.4, [10, 40], [0.3, 0.5]) == pytest.approx(20)
