"""The shipped study files: each is valid, and has the directions that it says."""

from pathlib import Path

import pytest

from crosspath.study.definition import read_study
from crosspath.study.plan import comparisons
from crosspath.study.reports.matrix import draw_matrix
from crosspath.study.rows import Row

STUDIES = Path(__file__).resolve().parent.parent.parent / "studies"
FILES = sorted(path for path in STUDIES.rglob("*.yaml") if "targets:" in path.read_text(encoding="utf-8"))
SIX = ("image", "audio", "point", "video", "text", "series")
ORIGINS = {
    "image": ("image/cifar10", "image"),
    "digits": ("audio/fsdd", "audio"),
    "point": ("point/modelnet10", "point"),
    "video": ("video/grid", "video"),
    "text": ("text/banking77", "text"),
    "series": ("series/plaid", "series"),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_study_file_is_valid(path: Path) -> None:
    study = read_study(path)
    origins = {name: ORIGINS.get(name, (f"image/{name}", "image")) for name in study.auxiliaries}
    every = comparisons(study, origins)
    assert every
    cells = {cell for comparison in every for cell in (comparison.none, *comparison.others)}
    for cell in cells:
        cell.recipe(cell.grid.rates[0], study.seed_list[0], search=True)


@pytest.mark.parametrize("name", [path.stem for path in FILES if path.stem.startswith("thirty-directions")])
def test_thirty_directions_are_each_of_six_from_each_other_with_its_control(name: str) -> None:
    (path,) = STUDIES.rglob(f"{name}.yaml")
    study = read_study(path)
    every = comparisons(study, ORIGINS)
    rows = []
    for comparison in every:
        for cell in (comparison.none, *comparison.others):
            common = {"metric": "accuracy", "seeds": (0,), "values": (0.5,), "mean": 0.5, "std": None}
            difference = None if cell.auxiliary is None else 0.1
            rows.append(
                Row(
                    target=cell.target,
                    auxiliary=cell.auxiliary_recipe,
                    arm=cell.arm.name,
                    difference=difference,
                    **common,
                )  # type: ignore[arg-type]
            )
    for arm in ("pathway", "random"):
        pairs = {(row.target.partition("/")[0], str(row.auxiliary).partition("/")[0]) for row in rows if row.arm == arm}
        assert pairs == {(one, other) for one in SIX for other in SIX if one != other}
        assert draw_matrix(rows, arm, arm) is not None
    assert len(study.seed_list) == 5
