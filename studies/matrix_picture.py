"""The matrix of a study with several directions as a picture of its own, in the light colours of the reports."""

import re
from collections.abc import Sequence
from pathlib import Path

from table_cells import Row

from crosspath.study.arms import PATHWAY, RANDOM
from crosspath.study.reports.matrix import draw_matrix, largest_difference
from crosspath.study.rows import Row as TableRow

STYLE = Path(__file__).resolve().parent.parent / "crosspath" / "study" / "reports" / "style.html"
PICTURE = re.compile(r"\(\.\./(pictures/([\w-]+)-(pathway|random)\.svg)\)")
"""How a page names one: `../pictures/STUDY-ARM.svg`."""


def write_matrices(page: str, docs: Path, rows: Sequence[Row]) -> None:
    """Draw the matrices that a page shows, those of one study to one scale."""
    for name, study, arm in PICTURE.findall(page):
        own = [TableRow(**{**row, "seeds": tuple(row["seeds"])}) for row in rows if row["study"] == study]
        largest = largest_difference([row for row in own if row.arm in (PATHWAY.name, RANDOM.name)])
        svg = draw_matrix(own, arm, f"{study}-{arm}", largest=largest)
        if svg is not None:
            (docs / name).write_text(_alone(svg) + "\n", encoding="utf-8")


def _alone(svg: str) -> str:
    """An inline SVG as a file: it brings the colours that it otherwise takes from its page."""
    light = re.search(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    assert light is not None
    style = f"<style>svg {{ background: var(--page); {' '.join(light[1].split())} }}</style>"
    head, _, body = svg.partition(">")
    head = head if "xmlns=" in head else head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{head}>{style}{body}"
