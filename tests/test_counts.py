"""One thing has no plural."""

from torch import nn

import crosspath
from crosspath.counts import first_names, quantity


def test_one_thing_is_singular_and_thousands_have_commas() -> None:
    assert [quantity(number, "weight") for number in (0, 1, 1200)] == ["0 weights", "1 weight", "1,200 weights"]
    assert quantity(2, "mismatch", "mismatches") == "2 mismatches"


def test_of_many_names_the_first_are_given_and_the_others_counted() -> None:
    assert first_names(["a"], 1) == "a"
    assert first_names(["a", "b", "c"], 3) == "a, b, c"
    assert first_names(["a", "b", "c"], 1) == "a and 2 more"


def test_reports_of_one_weight_are_singular() -> None:
    target, auxiliary = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 3))
    report = crosspath.match(target, auxiliary, names=["0.weight"])
    assert "1 pair>" in repr(report)
    assert "1 pair" in str(report)
    assert "1 mismatch>" in repr(crosspath.match(target, auxiliary, names=["0.wait"]))
    crosspath.connect(target, auxiliary, names=["0.weight"])
    assert "1 weight merged" in repr(crosspath.merge(target))
