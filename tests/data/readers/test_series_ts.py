"""The `.ts` format: what an independent writer writes is read back, what breaks the format is refused with its row."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crosspath.data.readers.series_ts import read_ts
from tests.errors import refused

HEADER = (
    "#a comment",
    "@problemName Test",
    "@timeStamps false",
    "@missing true",
    "@univariate false",
    "@classLabel true a b",
)
numbers = st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(float("nan"))


def write_ts(path: Path, header: Sequence[str], lines: Sequence[str], mark: str = "") -> Path:
    path.write_text(mark + "\n".join([*header, "@data", *lines]) + "\n", encoding="utf-8")
    return path


@st.composite
def series_sets(draw: st.DrawFn) -> list[tuple[np.ndarray, str]]:
    channels = draw(st.integers(1, 3))
    cases = []
    for _ in range(draw(st.integers(1, 4))):
        length = draw(st.integers(1, 5))
        rows = [draw(st.lists(numbers, min_size=length, max_size=length)) for _ in range(channels)]
        cases.append((np.array(rows), draw(st.sampled_from(("a", "b")))))
    return cases


@given(series_sets(), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(tmp_path: Path, cases: list[tuple[np.ndarray, str]], marked: bool) -> None:
    def text(value: float) -> str:
        return "?" if np.isnan(value) else repr(float(value))

    lines = [":".join([*(",".join(map(text, row)) for row in values), label]) for values, label in cases]
    content = read_ts(write_ts(tmp_path / "set.ts", HEADER, lines, "\ufeff" * marked))
    assert content.classes == ("a", "b")
    assert [case.label for case in content.cases] == [label for _, label in cases]
    assert [case.row for case in content.cases] == list(range(len(HEADER) + 2, len(HEADER) + 2 + len(cases)))
    for case, (values, _) in zip(content.cases, cases, strict=True):
        np.testing.assert_array_equal(case.values_CT, values)


@pytest.mark.parametrize(
    ("header", "lines", "row", "found"),
    [
        (HEADER, ["1,2:a", "1,x:b"], 9, "x"),
        (HEADER, ["1,1_0:a"], 8, "1_0"),
        (HEADER, ["1,2:c"], 8, "c"),
        (HEADER, ["1,2"], 8, "1,2"),
        (HEADER, ["1,,2:a"], 8, "channel 1"),
        (HEADER, ["1,inf:a"], 8, "infinity"),
        (HEADER, ["1,2:1:a"], 8, "1 to 2"),
        (HEADER, ["1,2:a", "1,2:3,4:a"], 9, "2"),
        (HEADER, ["(0,1),(1,2):a"], 8, "(0,1)"),
        ((*HEADER, "@dimensions 2"), ["1,2:a"], 9, "2 channels"),
        ((*HEADER, "@equalLength true", "@seriesLength 3"), ["1,2:a"], 10, "3 values"),
        (("@timeStamps true", "@classLabel true a"), ["1:a"], None, "@timeStamps true"),
        (("@classLabel true",), ["1:a"], None, "@classLabel"),
        (("@classLabel maybe",), ["1:a"], None, "maybe"),
        (HEADER, [], None, "none"),
        (("1,2:a",), [], 1, "1,2"),
    ],
)
def test_what_breaks_the_format_is_refused_with_its_row(
    tmp_path: Path, header: Sequence[str], lines: Sequence[str], row: int | None, found: str
) -> None:
    path = write_ts(tmp_path / "set.ts", header, lines)
    with refused("set.ts" + ("" if row is None else f" row {row}")) as caught:
        read_ts(path)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set.ts").write_text("@problemName x\n", encoding="utf-8")
    with refused("set.ts", "@data"):
        read_ts(tmp_path / "set.ts")


@pytest.mark.parametrize(
    ("name", "cases", "channels", "classes"),
    [
        ("PLAID", (537, 537), 1, 11),
        ("JapaneseVowels", (270, 370), 12, 9),
        ("BasicMotions", (40, 40), 6, 4),
        ("ItalyPowerDemand", (67, 1029), 1, 2),
        ("OSULeaf", (200, 242), 1, 6),
    ],
)
def test_sets_of_the_archive_are_read_whole(
    data_root: Path, name: str, cases: tuple[int, int], channels: int, classes: int
) -> None:
    for part, count in zip(("TRAIN", "TEST"), cases, strict=True):
        content = read_ts(data_root / "uea_ucr" / name / f"{name}_{part}.ts")
        assert (len(content.cases), len(content.classes)) == (count, classes)
        assert {len(case.values_CT) for case in content.cases} == {channels}
