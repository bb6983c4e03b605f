"""Tables and lists of files: rows as an editor counts them, and faulty ones are named."""

from pathlib import Path

import pytest

from crosspath.data.listed_files import refuse_duplicate
from crosspath.data.table_rows import read_table
from crosspath.data.tables import table_items
from crosspath.data.text_files import numbered_lines
from crosspath.errors import InputError
from tests.errors import refused


def touch(path: Path) -> None:
    path.write_text("0")


def write_table(folder: Path, text: str, files: str = "abcd") -> Path:
    for name in files:
        touch(folder / f"{name}.txt")
    (folder / "t.csv").write_text(text)
    return folder


def rows(folder: Path, split: str | None = None) -> list[tuple[str, str, str | None]]:
    listing = table_items(folder, "t.csv", "file", "label", split)
    return [(item.id, listing.classes[item.label], item.part) for item in listing.items]


def test_a_table_lists_files_labels_and_parts(tmp_path: Path) -> None:
    text = "\ufefflabel, file ,split\n\ncat,a.txt,train\n dog ,b.txt, Validation\ncat,c.txt,TEST\n"
    write_table(tmp_path, text)
    assert rows(tmp_path, "split") == [("a.txt", "cat", "train"), ("b.txt", "dog", "val"), ("c.txt", "cat", "test")]
    assert {part for _, _, part in rows(tmp_path)} == {None}


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_all_values_may_stand_in_quotes(tmp_path: Path, mark: str) -> None:
    write_table(tmp_path, f'"file"{mark}"label"\n"a.txt"{mark}"x, y; z"\n')
    assert rows(tmp_path) == [("a.txt", "x, y; z", None)]


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (("10", "9", "1"), ("1", "9", "10")),
        (("bb", "a", "ccc"), ("a", "bb", "ccc")),
        (("zoo", "b10", "b9"), ("b10", "b9", "zoo")),
        (("x", "10", "9"), ("9", "10", "x")),
    ],
)
def test_classes_are_sorted_numbers_by_value(tmp_path: Path, labels: tuple[str, ...], order: tuple[str, ...]) -> None:
    text = "file,label\n" + "".join(f"{name}.txt,{label}\n" for name, label in zip("abc", labels, strict=True))
    assert table_items(write_table(tmp_path, text), "t.csv", "file", "label", None).classes == order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,label\na.txt,x\n", r"t\.csv row 1: expected columns file, split, found path, label;"),
        ("", r"t\.csv row 1: expected columns file, label, split, found no header"),
        ("file,label,split\n", r"t\.csv row 2: expected a row for each file, found none"),
        ("file,label,split\na.txt,x,train\nz.txt,x,test\n", r"t\.csv row 3: .*found z\.txt, which is missing"),
        ("file,label,split\na.txt,x,train\nb.txt,x,holdout\n", r"row 3: expected train, val or test, found 'holdout'"),
        ("file,label,split\na.txt,x\n", r"t\.csv row 2: expected 3 values, found 2"),
        ("file,label,split\na.txt,,train\n", r"t\.csv row 2: expected a label, found none"),
        (
            "file,label,split\na.txt,x,train\nb.txt,x,val\na.txt,x,test\n",
            r"row 4: .*a\.txt as 'x' \(test\), also in .*t\.csv row 2 as 'x' \(train\)",
        ),
        ("file,label,split\n,x,train\n", r"t\.csv row 2: expected the name of a file, found none"),
    ],
)
def test_a_faulty_table_names_its_row(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        rows(write_table(tmp_path, text), "split")
    assert "\n" not in str(caught.value)


def test_a_table_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with refused("t.csv", "found none"):
        list(read_table(tmp_path / "t.csv", ()))
    (tmp_path / "t.csv").write_bytes("file,label\nä.txt,x\n".encode("latin-1"))
    with refused("t.csv row 2", "UTF-8", "0xe4"):
        list(read_table(tmp_path / "t.csv", ("file",)))


def test_rows_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\nfile,note\r\na,two\r\n\r\nb,x\r\n")
    assert [(line, row["file"]) for line, row in read_table(tmp_path / "t.csv", ("file",))] == [(3, "a"), (5, "b")]


def test_rows_are_counted_as_an_editor_does_and_blank_ones_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\n  two \r\n")
    assert numbered_lines(tmp_path / "a.txt", "names") == [(1, "one"), (3, "two")]


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "none"), (b"\n \n", "an empty file"), (b"caf\xe9\n", "byte 0xe9")]
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError) as caught:
        numbered_lines(tmp_path / "a.txt", "names, one on each line")
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}")
    assert "names, one on each line" in caught.value.expected
    assert expected in caught.value.found


def test_a_second_mention_names_the_first() -> None:
    results: dict[str, str] = {}
    refuse_duplicate(results, "x", "train.txt row 1")
    refuse_duplicate(results, "y", "train.txt row 2")
    with refused("test.txt row 9", "train.txt", "1"):
        refuse_duplicate(results, "x", "test.txt row 9")


def test_a_label_that_may_be_none_is_noted(tmp_path: Path) -> None:
    write_table(tmp_path, "file,label\na.txt,x\nb.txt,NA\nc.txt,NA\nd.txt,?\n")
    listing = table_items(tmp_path, "t.csv", "file", "label", None)
    assert listing.classes == ("?", "NA", "x")
    assert [note[:40] for note in listing.notes] == [
        "the label '?' of 1 sample is a class of ",
        "the label 'NA' of 2 samples is a class o",
    ]
