"""The pictures of a comparison's runs, small enough for its report."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crosspath.study.cells import Cell
from crosspath.study.reports.run_figures import cell_name
from crosspath.training.result import Result
from crosspath.training.run_folder import PICTURES

COMPARISONS = 4
"""The first comparisons of a report have pictures: each takes some 100 kB."""
ARMS = 2
"""Arms with pictures: the first, which is `none`, and the one after it."""
OF_THE_PART = ("confusion", "scatter", "scatter-0", "scatter-1")
"""Pictures of many samples together, which come first."""
SAMPLES = 2
"""Single samples of each arm."""
COLOURS = 64
"""Of a picture in the report: a third of the bytes, and hardly a difference to be seen."""


@dataclass(frozen=True)
class RunPicture:
    """One picture of one run."""

    arm: str
    seed: int
    name: str
    """Of its file, without the suffix."""
    png: str
    """In base64."""


def run_pictures(cells_of: Mapping[Cell, Sequence[Result]]) -> list[RunPicture]:
    """Of the first arms' first seeds the pictures of the whole part, then those of single samples, arm beside arm."""
    runs = [(cell_name(cell), results[0]) for cell, results in list(cells_of.items())[:ARMS]]
    names = {name: None for _, run in runs for name in _names(Path(run.folder) / PICTURES)}
    return [
        RunPicture(arm, run.seed, name, _small(path))
        for name in names
        for arm, run in runs
        if (path := Path(run.folder) / PICTURES / f"{name}.png").is_file()
    ]


def _names(folder: Path) -> Iterator[str]:
    """The pictures of a run that a report shows."""
    yield from (name for name in OF_THE_PART if (folder / f"{name}.png").is_file())
    yield from sorted(path.stem for path in folder.glob("*.png") if path.stem.isdigit())[:SAMPLES]


def _small(path: Path) -> str:
    """A PNG with a few colours, in base64."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
