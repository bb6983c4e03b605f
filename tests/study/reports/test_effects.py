"""The banner and the forest plot: colours follow the evidence, zero is drawn, intervals match their numbers."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from crosspath.study.reports.drawing import HELPS, HURTS, UNSURE, VARIABLES
from crosspath.study.reports.effects import WIDTH, Answer, Effect, draw_forest, render_banner

SVG = "{http://www.w3.org/2000/svg}"
CLEAR = Effect(name="pathway", difference=0.01, low=0.005, high=0.015, verdict="helps")
LARGE = Effect(name="copy", difference=0.4, low=-0.1, high=0.9, verdict="no evidence")
WORSE = Effect(name="random from audio/esc10", difference=-0.02, low=-0.03, high=-0.01, verdict="hurts")
FEW = Effect(name="frozen", difference=0.03)


def bars(text: str) -> list[tuple[str, float, float]]:
    """(colour, left, right) of every interval: lines of three pixels."""
    result = []
    for node in ElementTree.fromstring(text).iter(f"{SVG}path"):
        style = node.attrib.get("style", "")
        if "stroke-width: 3" in style:
            (left, _), (right, _) = re.findall(r"[ML] ([\d.]+) ([\d.]+)", node.attrib["d"])
            result.append((re.findall(r"stroke: (\S+?);", style)[0], float(left), float(right)))
    return result


def test_a_colour_follows_the_evidence_and_not_the_size_of_a_difference() -> None:
    colours = [colour for colour, _, _ in bars(draw_forest([CLEAR, LARGE, WORSE]))]
    assert colours == [VARIABLES[name] for name in (HELPS, UNSURE, HURTS)]


def test_intervals_are_to_scale_and_an_effect_without_one_has_none() -> None:
    text = draw_forest([CLEAR, LARGE, WORSE, FEW])
    drawn = bars(text)
    assert len(drawn) == 3
    widths = [right - left for _, left, right in drawn]
    assert widths[1] == pytest.approx(100 * widths[0], rel=0.01)
    assert widths[2] == pytest.approx(2 * widths[0], rel=0.02)
    for effect in (CLEAR, LARGE, WORSE, FEW):
        assert f">{effect.numbers}<" in text
    assert "no interval" in FEW.numbers


def test_zero_is_in_every_forest() -> None:
    root = ElementTree.fromstring(draw_forest([WORSE]))
    zeros = [
        node.attrib["d"] for node in root.iter(f"{SVG}path") if "stroke-width: 1.5" in node.attrib.get("style", "")
    ]
    ((left, _), (right, _)) = re.findall(r"[ML] ([\d.]+) ([\d.]+)", zeros[0])
    assert left == right
    assert bars(draw_forest([WORSE]))[0][2] < float(left) < WIDTH


def test_long_names_are_broken_between_words_and_rows_keep_their_order() -> None:
    name = "audio/fsdd with 30 labels per class, pathway from image/cifar10"
    text = draw_forest([Effect(name=name, difference=0.1, low=0.0, high=0.2, verdict="helps"), CLEAR])
    lines = re.findall(r">([^<>\n]*)</text>", text)
    assert " ".join(lines[lines.index("audio/fsdd with 30 labels per") :][:3]) == name
    tops = [float(y) for y in re.findall(r'<text[^>]*?y="([\d.]+)"[^>]*>(?:audio/fsdd with|class,|pathway<)', text)]
    assert all(upper < lower for upper, lower in pairwise(tops))


@pytest.mark.parametrize(("effect", "kind"), [(CLEAR, "helps"), (LARGE, "unsure"), (WORSE, "hurts")])
def test_a_banner_holds_verdict_sentence_interval_and_next_step(effect: Effect, kind: str) -> None:
    answer = Answer(
        verdict=effect.verdict or "no evidence",
        sentence="Better by <b>1</b>",
        next_step="merge it",
        command="crosspath merge a b",
        effects=(effect,),
    )
    text = render_banner(answer)
    assert f'class="answer {kind}"' in text
    for words in (f">{effect.verdict}<", "&lt;b&gt;1", "merge it", "crosspath merge a b", effect.numbers):
        assert words in text
    ElementTree.fromstring(text)
    assert "<svg" not in render_banner(Answer(verdict="no evidence", sentence="s", next_step="n"))


def test_a_banner_says_what_its_effects_are_against() -> None:
    answer = Answer(verdict="helps", sentence="s", next_step="n", effects=(CLEAR, LARGE))
    assert "difference from none, percentage points" in render_banner(answer)
    text = render_banner(answer, axis="difference, percentage points")
    assert "difference, percentage points" in text
    assert "from none" not in text


def test_effects_in_different_units_share_no_axis() -> None:
    numbers = replace(CLEAR, metric="rmse")
    both = Answer(verdict="helps", sentence="s", next_step="n", effects=(CLEAR, numbers))
    assert "<svg" not in render_banner(both)
    assert "<svg" in render_banner(replace(both, effects=(CLEAR, CLEAR)))
