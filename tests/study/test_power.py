"""The difference that a comparison could show, against simulated comparisons."""

import numpy as np
import pytest

from crosspath.study.power import detectable_difference
from crosspath.study.statistics import compare_paired


@pytest.mark.parametrize("seeds", [3, 5, 8, 10])
def test_of_four_thousand_simulated_comparisons_four_in_five_have_a_verdict(seeds: int) -> None:
    size = detectable_difference(0.03, seeds)
    assert size is not None
    rng = np.random.default_rng(seeds)
    differences = rng.normal(size, 0.03, (4000, seeds))
    # The paired t test by hand, for all at once; `compare_paired` agrees on the first hundred.
    t = differences.mean(1) / (differences.std(1, ddof=1) / np.sqrt(seeds))
    critical = {3: 4.3027, 5: 2.7764, 8: 2.3646, 10: 2.2622}[seeds]
    found = np.abs(t) > critical
    assert found.mean() == pytest.approx(0.8, abs=0.02)
    zeros = [0.0] * seeds
    verdicts = [compare_paired(row.tolist(), zeros).verdict != "no evidence" for row in differences[:100]]
    assert verdicts == found[:100].tolist()


def test_it_grows_with_the_spread_and_falls_with_the_seeds() -> None:
    one, two = detectable_difference(0.01, 5), detectable_difference(0.02, 5)
    assert one is not None
    assert two == pytest.approx(2 * one)
    assert [round(detectable_difference(1.0, seeds) or 0, 2) for seeds in (3, 5, 10)] == [3.26, 1.68, 1.0]
    assert detectable_difference(0.01, 2) is None
