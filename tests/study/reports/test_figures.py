"""The figures: well-formed SVG with a height, named ids, the page's colours, and the numbers they were given."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib
import pytest

from crosspath.metrics import METRICS
from crosspath.study.reports.drawing import PIXELS, SERIES, line_styles
from crosspath.study.reports.figures import label_curves, learning_curves, scale_map, training_losses
from crosspath.study.reports.study_report import _label_figures
from crosspath.study.rows import Row

SVG = "{http://www.w3.org/2000/svg}"
CURVES = {"none": [[0.1, 0.5, 0.7], [0.2, 0.4, 0.8]], "pathway": [[0.1, 0.6, 0.9], [0.2, 0.7, 0.8]]}
FIGURES: dict[str, Callable[[], str]] = {
    "curves": lambda: learning_curves(CURVES, (2, 4, 6)),
    "many": lambda: training_losses(
        {f"arm {number}": [[2.0, 1.0 + number / 20], [2.0, 1.1 + number / 20]] for number in range(13)}, (1, 2)
    ),
    "one-seed": lambda: learning_curves({"none": [[0.1, 0.5]]}, (1, 2)),
    "scales": lambda: scale_map(
        {"pathway": [[0.112, 0.05], [None, -0.2]], "random": [[0.1, 0.1], [0.1, 0.1]]},
        ("0", "1"),
        ("q, k, v", "mlp in"),
        0.1,
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_well_formed_sized_and_themed(name: str) -> None:
    text = FIGURES[name]()
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert float(root.attrib["width"]) == PIXELS
    assert float(root.attrib["height"]) > 100
    assert root.attrib["aria-label"]
    assert not any(colour in text for colour in SERIES)
    assert "var(--ink)" in text
    assert "<image" not in text
    assert "DOCTYPE" not in text
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(set(ids)) == len(ids)
    for used in re.findall(r'(?:href="#|url\(#)([^")]*)', text):
        assert used in ids


def strokes(text: str) -> list[str]:
    """The styles of the curves: lines of two pixels."""
    root = ElementTree.fromstring(text)
    styles = [node.attrib.get("style", "") for node in root.iter(f"{SVG}path")]
    return [style for style in styles if "stroke: var(--series-" in style and "stroke-width: 2" in style]


def test_each_of_many_arms_has_a_panel_of_its_own_with_the_first_behind_it() -> None:
    text = FIGURES["many"]()
    assert all(f">arm {number}<" in text for number in range(1, 13))
    assert "epoch (dashed: arm 0)" in text
    drawn = strokes(text)
    assert len(drawn) == 24
    assert sum("stroke-dasharray" in style for style in drawn) == 12


def test_more_curves_than_colours_differ_in_their_dashes() -> None:
    text = label_curves({f"arm {number}": {10: [0.5], 30: [0.6]} for number in range(13)})
    assert all(f">arm {number}<" in text for number in range(13))
    drawn = strokes(text)
    assert sum("stroke-dasharray" not in style for style in drawn) >= len(SERIES)
    assert any("stroke-dasharray" in style for style in drawn)
    assert len(set(line_styles())) == 27


def test_a_column_that_ends_early_has_its_own_numbers() -> None:
    """Five panels in two columns: the second column ends one row early, and its last panel has numbers."""
    text = learning_curves({f"arm {number}": [[0.1, 0.2], [0.2, 0.3]] for number in range(6)}, (1, 9))
    assert text.count(">8<") == 2


def test_a_figure_is_the_same_every_time_and_leaves_the_settings_alone() -> None:
    before = dict(matplotlib.rcParams)
    assert FIGURES["curves"]() == FIGURES["curves"]()
    assert dict(matplotlib.rcParams) == before


def test_the_map_shows_every_scale_and_leaves_gaps_empty() -> None:
    text = FIGURES["scales"]()
    shown = re.findall(r">([+−-]\d\.\d{3})<", text)
    assert sorted(shown) == sorted(["+0.112", "+0.050", "-0.200", "+0.100", "+0.100", "+0.100", "+0.100"])
    assert "q, k, v" in text


def test_curves_pass_through_the_means_of_their_seeds() -> None:
    root = ElementTree.fromstring(FIGURES["curves"]())
    lines = [node.attrib["d"] for node in root.iter(f"{SVG}path") if "var(--series-1)" in node.attrib.get("style", "")]
    line = next(line for line in lines if line.count("L") == 2)
    points = [tuple(map(float, pair)) for pair in re.findall(r"[ML] ([\d.]+) ([\d.]+)", line)]
    heights = [points[0][1] - y for _, y in points]
    # Means 15 %, 45 % and 75 %: two equal steps.
    assert heights[2] == pytest.approx(2 * heights[1], rel=1e-3)


def test_only_whole_epochs_are_marked_and_a_rounding_of_a_scale_is_not_coloured() -> None:
    text = learning_curves({"none": [[0.1, 0.5, 0.6]]}, (1, 2, 3))
    marks = [
        mark
        for mark in re.findall(r">(\d+(?:\.\d+)?)<", text.partition("</title>")[2].partition("epoch")[0])
        if float(mark) < 4
    ]
    assert sorted(set(marks)) == ["1", "2", "3"]
    faint, strong = (scale_map({"pathway": [[1 + change]]}, ("0",), ("q",), 1.0) for change in (0.001, 0.5))
    fills = [re.findall(r"fill: (#\w{6})", text)[0] for text in (faint, strong)]
    assert min(int(fills[0][place : place + 2], 16) for place in (1, 3, 5)) > 0xE0
    assert min(int(fills[1][place : place + 2], 16) for place in (1, 3, 5)) < 0x40


def test_a_scale_that_rounds_to_zero_has_no_sign() -> None:
    figure = scale_map({"pathway": [[-0.0001, 0.0004, 0.1, -0.002]]}, ("0",), tuple("qkvo"), 0.0)
    numbers = re.findall(r">\s*([-+−]?0\.\d{3})\s*<", figure)
    assert numbers == ["0.000", "0.000", "+0.100", "-0.002"]


def test_the_curve_of_a_target_is_in_its_own_metric() -> None:
    common = {"auxiliary": None, "arm": "none", "seeds": (0,), "std": None}
    rows = [
        Row(target=target, metric=metric, values=(value,), mean=value, labels_per_class=labels, **common)  # type: ignore[arg-type]
        for target, metric in (("image/discs", "rmse"), ("image/digits", "accuracy"))
        for labels, value in ((10, 0.25), (30, 0.5))
    ]
    numbers, classes = (svg for _, svg in _label_figures(rows))
    assert METRICS["rmse"].title in numbers
    assert METRICS["accuracy"].title not in numbers
    assert METRICS["accuracy"].title in classes
