"""Every direction at once: a square for each, its area by the difference, its colour by the verdict."""

import dataclasses
import re
from xml.etree import ElementTree

import pytest

from crosspath.study.reports.matrix import SQUARE, draw_matrix
from crosspath.study.rows import Row

SVG = "{http://www.w3.org/2000/svg}"


def row(target: str, auxiliary: str | None, difference: float | None = None, verdict: str | None = None) -> Row:
    arm = "none" if auxiliary is None else "pathway"
    common = {"metric": "accuracy", "seeds": (0,), "values": (0.5,), "mean": 0.5, "std": None}
    return Row(target=target, auxiliary=auxiliary, arm=arm, difference=difference, verdict=verdict, **common)  # type: ignore[arg-type]


ROWS = [
    row("series/plaid", None),
    row("series/plaid", "image/cifar10", 0.16, "helps"),
    row("series/plaid", "hf:someone/model", -0.04, "no evidence"),
    row("image/cifar10", None),
    row("image/cifar10", "series/plaid", -0.01, "hurts"),
]


def squares(text: str) -> list[tuple[float, str]]:
    """(side, colour) of the filled squares, in the order of drawing."""
    drawn = []
    for path in ElementTree.fromstring(text).iter(f"{SVG}path"):
        fill = re.search(r"fill: var\(--(\w+)\)", path.attrib.get("style", ""))
        numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.attrib["d"])]
        if fill and len(numbers) == 8:
            drawn.append((max(numbers[::2]) - min(numbers[::2]), fill[1]))
    return drawn


def test_the_area_of_a_square_is_the_difference_and_its_colour_the_verdict() -> None:
    text = draw_matrix(ROWS, "pathway", "m")
    assert text is not None
    # Rows and columns come in the order of the modalities, and others last.
    (hurts, red), (helps, green), (unsure, grey) = squares(text)
    assert (red, green, grey) == ("hurts", "helps", "soft")
    assert (helps, unsure, hurts) == pytest.approx((SQUARE, SQUARE / 2, SQUARE / 4), rel=0.01)
    for words in ("+16.0", "−4.0", "−1.0", "none: 50.0 %", "hf:someone/"):
        assert f">{words}<" in text
    assert text.count(">–<") == 3, "a direction that was not run has no square"


def test_an_unsettled_direction_is_dotted() -> None:
    rows = [*ROWS[:2], dataclasses.replace(ROWS[2], unsettled="at the edge"), *ROWS[3:]]
    plain, dotted = (str(draw_matrix(some, "pathway", "m")) for some in (ROWS, rows))
    assert "stroke-dasharray" in dotted
    assert "stroke-dasharray" not in plain


def test_two_matrices_may_have_one_scale() -> None:
    text = draw_matrix(ROWS, "pathway", "m", largest=0.64)
    assert text is not None
    assert max(side for side, _ in squares(text)) == pytest.approx(SQUARE / 2, rel=0.01)


def test_one_target_or_one_auxiliary_needs_no_matrix() -> None:
    assert draw_matrix(ROWS[:3], "pathway", "m") is None
    assert draw_matrix([ROWS[1], row("audio/fsdd", "image/cifar10", 0.1, "helps")], "pathway", "m") is None
    assert draw_matrix(ROWS, "random", "m") is None
