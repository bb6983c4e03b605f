"""Text clouds: separators, decimal commas, encodings, headings, counts; what could be read in two ways is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosspath.data.items import DamageError
from crosspath.data.readers.cloud_text import read_text_cloud

CLOUD = np.random.default_rng(0).uniform(-9, 9, (30, 3)).round(4)


def text_of(separator: str, decimal: str = ".", places: int = 4, cloud: np.ndarray = CLOUD) -> str:
    return "".join(separator.join(f"{v:.{places}f}".replace(".", decimal) for v in row) + "\n" for row in cloud)


def cloud_of(tmp_path: Path, content: str | bytes) -> np.ndarray:
    (tmp_path / "a.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_text_cloud(tmp_path / "a.txt")


@pytest.mark.parametrize("separator", [" ", "\t", "  \t ", ",", ", ", " , ", ";", "; ", ",\t"])
def test_separators(tmp_path: Path, separator: str) -> None:
    np.testing.assert_array_equal(cloud_of(tmp_path, text_of(separator)), CLOUD)


@pytest.mark.parametrize("separator", ["\t", " ", ";", "; ", ";\t"])
@pytest.mark.parametrize("places", [1, 3, 4])
def test_decimal_commas(tmp_path: Path, separator: str, places: int) -> None:
    cloud = CLOUD.round(4 if places == 4 else 1)
    np.testing.assert_array_equal(cloud_of(tmp_path, text_of(separator, ",", places, cloud)), cloud)


def test_decimal_commas_beside_whole_numbers_and_exponents(tmp_path: Path) -> None:
    actual = cloud_of(tmp_path, "0,5\t1\t2\n1\t2\t3\n1,5e-3\t-2,25\t,5\n4\t5\t6,125\n")
    np.testing.assert_array_equal(actual, [[0.5, 1, 2], [1, 2, 3], [1.5e-3, -2.25, 0.5], [4, 5, 6.125]])


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: "# Höhe\n".encode("latin-1") + text.encode(),
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, encode: object) -> None:
    for separator in (" ", ";"):
        np.testing.assert_array_equal(cloud_of(tmp_path, encode(text_of(separator))), CLOUD)  # type: ignore[operator]


@pytest.mark.parametrize(
    "heading", ["x y z\n", "X;Y;Z\n", '"x","y","z"\n', "//X,Y,Z\n", "# x y z\n", "30\n", "% scan of a hall\n# 30 m\n\n"]
)
def test_headings_comments_and_counts(tmp_path: Path, heading: str) -> None:
    np.testing.assert_array_equal(cloud_of(tmp_path, heading + text_of(" ")), CLOUD)


@pytest.mark.parametrize("heading", ["id x y z\n", "# id x y z\n", "//ID;X;Y;Z\n"])
def test_a_heading_says_which_columns_are_coordinates(tmp_path: Path, heading: str) -> None:
    numbered = np.column_stack([np.arange(30), CLOUD])
    np.testing.assert_array_equal(cloud_of(tmp_path, heading + text_of(";", cloud=numbered)), CLOUD)
    with pytest.raises(DamageError, match="heading names 4 columns"):
        cloud_of(tmp_path, heading + text_of(" "))


@pytest.mark.parametrize(
    ("heading", "order"),
    [
        ("# id x(m) y(m) z(m)", (3, 0, 1, 2)),
        ("// Intensity;X [m];Y [m];Z [m]", (3, 0, 1, 2)),
        ("# intensity z y x", (3, 2, 1, 0)),
        ("# x y intensity z", (0, 1, 3, 2)),
        ("z,y,x,intensity", (2, 1, 0, 3)),
        ("x,intensity,y,z", (0, 3, 1, 2)),
    ],
)
def test_a_heading_may_have_units_and_any_order(tmp_path: Path, heading: str, order: tuple[int, ...]) -> None:
    columns = np.column_stack([CLOUD, np.arange(30)])[:, order]
    np.testing.assert_array_equal(cloud_of(tmp_path, f"{heading}\n{text_of(' ', cloud=columns)}"), CLOUD)


def test_a_comment_that_names_some_of_the_axes_is_refused(tmp_path: Path) -> None:
    for heading in ("# x y depth", "# x x z"):
        with pytest.raises(DamageError, match="each of x, y and z once"):
            cloud_of(tmp_path, f"{heading}\n{text_of(' ')}")


@pytest.mark.parametrize("comment", ["# 640 x 480", "# x to the right, y up and z to the front", "# nube y puntos"])
def test_a_comment_that_names_no_columns_is_one(tmp_path: Path, comment: str) -> None:
    np.testing.assert_array_equal(cloud_of(tmp_path, f"{comment}\n{text_of(' ')}"), CLOUD)


@pytest.mark.parametrize(
    "text",
    [
        "1,234 2,345 3,456\n" * 3,  # thousands or decimals
        "1,234;2,345;3,456\n",
        "1,234.5 2,345.6 3,456.7\n",
        "1.234,5\t2.345,6\t3.456,7\n",
        "1,234,567 1 2\n",
        "1\u00a0234.5 2\u00a0345.6 3\u00a0456.7\n",
        "1\u202f234.5;2\u202f345.6;3.0\n",
        "1 234,5;2 345,6;3 456,7\n",
        "1'234.5 2 3\n",
        "0,5,1,25,2,05\n",  # commas between and inside values
        "1,5, 2,5, 3,5\n",
        "1.5,2.5 3.5\n",
        "1_0 2_0 3\n" * 5,
        "x y z\n\uff11 2 3\n",
        "1|2|3\n",
        "1:2:3\n",
        "1;;2;3\n",
        "1,5 2,5\n",
        "C 0.1 0.2 0.3\n",
        "name depth value\n1 2 3\n",
        "1 2 3 4\n1 2 3\n",
        "1,2,3\n4;5;6\n",
        "1 2 3\n4 5 6\n1.0D+00 2 3\n",
        "5\n1 2 3\n4 5 6\n",  # five points stated, two there
        "1\n1 2 3\n4 5 6\n",
        "1 2 3\n4 5 6\n7 8 9\n",  # three rows of three: either axis
    ],
)
def test_what_could_be_read_in_two_ways_or_not_at_all_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DamageError):
        cloud_of(tmp_path, text)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    for content in (text_of(" ").encode("utf-16-le"), text_of(" ").encode("utf-16")[:-1]):
        with pytest.raises(DamageError, match="UTF"):
            cloud_of(tmp_path, content)


@pytest.mark.parametrize("columns", [3, 6])
@pytest.mark.parametrize(
    "damage",
    [lambda row: row.partition(" ")[2], lambda row: f"7 {row}", lambda row: f"{row} {row}"],
    ids=["no x", "a value in front", "two rows in one"],
)
def test_a_row_of_another_length_is_named(tmp_path: Path, columns: int, damage: Callable[[str], str]) -> None:
    rows = text_of(" ", cloud=np.column_stack([CLOUD, CLOUD])[:, :columns]).splitlines()
    with pytest.raises(DamageError, match="row 21"):
        cloud_of(tmp_path, "\n".join([*rows[:20], damage(rows[20]), *rows[21:]]))


def test_comments_and_blank_rows_among_points_are_none(tmp_path: Path) -> None:
    first, *rest = text_of(" ").splitlines(keepends=True)
    text = first.replace("\n", " # corner\n") + "\n# next 29\n" + "".join(rest)
    np.testing.assert_array_equal(cloud_of(tmp_path, text), CLOUD)


def test_a_cut_last_row_is_noticed_and_a_cloud_on_its_side_is_turned(tmp_path: Path) -> None:
    wide = np.column_stack([CLOUD, CLOUD])
    text = text_of(" ", cloud=wide)
    np.testing.assert_array_equal(cloud_of(tmp_path, text), CLOUD)
    with pytest.raises(DamageError, match="row 30: expected 6 values"):
        cloud_of(tmp_path, text[:-20])
    for separator in (" ", ","):
        np.testing.assert_array_equal(cloud_of(tmp_path, text_of(separator, cloud=CLOUD.T)), CLOUD)
